//! What a study found, as it is written to `study.json`: every run, and what the runs of one setting
//! have in common.

use mpcsfaas_core::store::op::Mode;
use serde::{Deserialize, Serialize};

use super::functions::Function;
use super::machine::Machine;
use super::pacing::{Ending, Measured};
use super::plan::{Pacing, Plan, Run, Scaling};
use super::statistics::{Latency, PowerLaw, Spread, efficiency};

/// The form of `study.json`. Raised when a reader of an older one would misread it.
pub const FORMAT: u32 = 1;

/// Computation below this, in milliseconds, is too little to compare anything with.
const LEAST_COMPUTATION_MS: f64 = 0.01;

/// Everything.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Study {
    pub format: u32,
    /// Whether all that was asked for was measured.
    pub complete: bool,
    /// Why not.
    pub stopped_by: Option<String>,
    /// RFC 3339, UTC.
    pub started_at: String,
    pub ended_at: String,
    pub command: Vec<String>,
    pub versions: Versions,
    pub machine: Machine,
    pub setting: Setting,
    pub workloads: Vec<WorkloadRow>,
    pub cells: Vec<Cell>,
    pub fits: Vec<Fit>,
    pub runs: Vec<RunRow>,
}

/// What was measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Versions {
    pub mpcsfaas: String,
    /// Whether the compiler optimised it.
    pub optimised: bool,
    pub python: Option<String>,
    pub dill: Option<String>,
    /// Of the Redis or Valkey.
    pub redis: Option<String>,
}

/// The plan, as far as it is not to be seen in the rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setting {
    pub modes: Vec<Mode>,
    pub workers: Vec<u32>,
    pub processes: u32,
    pub tasks_per_worker: u32,
    pub strong_tasks: u32,
    pub scalings: Vec<Scaling>,
    pub rounds: u32,
    pub pacing: Pacing,
    /// Submissions a second, of open pacing.
    pub rate: Option<f64>,
    /// `embedded`, or the URL of a Redis.
    pub store: String,
}

impl Setting {
    /// The setting of a plan.
    pub fn of(plan: &Plan, store: String) -> Setting {
        Setting {
            modes: plan.modes.clone(),
            workers: plan.workers.clone(),
            processes: plan.processes,
            tasks_per_worker: plan.tasks_per_worker,
            strong_tasks: plan.strong_tasks,
            scalings: plan.scalings.clone(),
            rounds: plan.rounds,
            pacing: plan.pacing,
            rate: (plan.pacing == Pacing::Open).then_some(plan.rate),
            store,
        }
    }
}

/// A workload, and what it takes without a platform.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WorkloadRow {
    pub workload: String,
    pub computation_ms: f64,
    /// How often it was called to know that.
    pub calls: u32,
}

impl From<&Function> for WorkloadRow {
    fn from(function: &Function) -> WorkloadRow {
        WorkloadRow {
            workload: function.workload.clone(),
            computation_ms: function.computation_ms,
            calls: function.calls,
        }
    }
}

/// What all rounds of a run have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    pub mode: Mode,
    pub workload: String,
    pub scaling: Scaling,
    pub workers: u32,
}

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunRow {
    #[serde(flatten)]
    pub key: Key,
    pub round: u32,
    pub tasks: u32,
    pub completed: u32,
    pub failed: u32,
    pub refused: u32,
    pub unfinished: u32,
    /// From the first submit to the last end.
    pub completion_s: f64,
    /// From the first submit to the answer to the last one.
    pub submission_s: f64,
    /// How long the client paused on purpose meanwhile.
    pub pauses_s: f64,
    /// Completed tasks a second.
    pub throughput: f64,
    /// Of completed tasks, from each one's own submit, in milliseconds.
    pub latency: Option<Latency>,
    /// The mean of what completed tasks took after the end of submission, in milliseconds.
    pub after_submission_ms: Option<f64>,
    /// Of completed tasks, from acceptance to result by the store's clock (original pacing).
    pub inside: Option<Latency>,
    /// What `latency` sums up, in the order of submission.
    pub latencies_ms: Vec<f64>,
    /// What `inside` sums up.
    pub inside_ms: Vec<f64>,
}

impl RunRow {
    /// What a run says.
    pub fn of(key: Key, run: &Run, measured: &Measured) -> RunRow {
        let count = |ending| {
            let those = measured.tasks.iter().filter(|task| task.ending == ending);
            u32::try_from(those.count()).unwrap_or(u32::MAX)
        };
        let completed: Vec<_> = measured
            .tasks
            .iter()
            .filter(|task| task.ending == Ending::Completed)
            .collect();
        let ends = measured.tasks.iter().map(|task| task.ended);
        let completion_s = ends.max().unwrap_or_default().as_secs_f64();
        let after: Vec<f64> = completed
            .iter()
            .map(|task| task.ended.saturating_sub(measured.submitted).as_secs_f64() * 1e3)
            .collect();
        let latencies_ms: Vec<f64> = completed
            .iter()
            .map(|task| micros(task.latency_ms()))
            .collect();
        let inside = completed.iter().filter_map(|task| task.inside);
        let inside_ms: Vec<f64> = inside.map(|inside| inside.as_secs_f64() * 1e3).collect();
        RunRow {
            key,
            round: run.round,
            tasks: run.tasks,
            completed: count(Ending::Completed),
            failed: count(Ending::Failed),
            refused: count(Ending::Refused),
            unfinished: count(Ending::Unfinished),
            completion_s,
            submission_s: measured.submitted.as_secs_f64(),
            pauses_s: measured.pauses.as_secs_f64(),
            throughput: completed.len() as f64 / completion_s.max(f64::EPSILON),
            latency: Latency::of(&latencies_ms),
            after_submission_ms: (!after.is_empty()).then(|| super::statistics::mean(&after)),
            inside: Latency::of(&inside_ms),
            latencies_ms,
            inside_ms,
        }
    }
}

/// Rounded to a microsecond: more is not measured, and would only be written.
fn micros(ms: f64) -> f64 {
    (ms * 1e3).round() / 1e3
}

/// All rounds of one setting.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cell {
    #[serde(flatten)]
    pub key: Key,
    pub rounds: u32,
    /// Of each round.
    pub tasks: u32,
    /// Python processes of all workers.
    pub processes: u32,
    /// Completed tasks of all rounds, in percent.
    pub success_percent: f64,
    pub completion_s: Spread,
    /// The least that the client's own pauses let the completion be.
    pub pauses_s: f64,
    pub throughput: Spread,
    pub throughput_per_process: f64,
    pub latency: Option<LatencySpread>,
    pub after_submission_ms: Option<Spread>,
    pub inside: Option<LatencySpread>,
    /// In percent of ideal scaling from the fewest workers; `None` for those.
    pub efficiency_percent: Option<f64>,
    /// Mean latency beyond that of local mode, and completion likewise.
    pub latency_over_local_ms: Option<f64>,
    pub completion_over_local_s: Option<f64>,
    /// Mean latency that is not computation, as a multiple of computation.
    pub communication_ratio: Option<f64>,
}

impl Cell {
    /// The mean latency that the platform is answerable for, in milliseconds: by the store's clock
    /// where it was asked, because a client that polls and pauses sees ends late.
    pub fn platform_latency_ms(&self) -> Option<f64> {
        let latency = self.inside.as_ref().or(self.latency.as_ref())?;
        Some(latency.mean.median)
    }
}

/// Latency over all rounds, in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencySpread {
    pub mean: Spread,
    pub min: Spread,
    pub max: Spread,
    pub p50: Spread,
    pub p95: Spread,
    pub p99: Spread,
}

impl LatencySpread {
    fn of(rounds: &[Latency]) -> Option<LatencySpread> {
        let over =
            |pick: fn(&Latency) -> f64| Spread::of(&rounds.iter().map(pick).collect::<Vec<f64>>());
        Some(LatencySpread {
            mean: over(|latency| latency.mean)?,
            min: over(|latency| latency.min)?,
            max: over(|latency| latency.max)?,
            p50: over(|latency| latency.p50)?,
            p95: over(|latency| latency.p95)?,
            p99: over(|latency| latency.p99)?,
        })
    }
}

/// How the completion time of weak scaling grows with the workers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fit {
    pub mode: Mode,
    pub workload: String,
    /// Completion in seconds over the number of workers; an exponent of 0 is ideal.
    pub completion: PowerLaw,
}

/// Sums the runs up: a cell for each key, in the order of their first runs.
pub fn cells(runs: &[RunRow], processes: u32, workloads: &[WorkloadRow]) -> Vec<Cell> {
    let mut keys: Vec<&Key> = Vec::new();
    for run in runs {
        if !keys.contains(&&run.key) {
            keys.push(&run.key);
        }
    }
    let mut cells: Vec<Cell> = keys
        .into_iter()
        .filter_map(|key| {
            let rounds: Vec<&RunRow> = runs.iter().filter(|run| run.key == *key).collect();
            cell(key, &rounds, processes)
        })
        .collect();
    for index in 0..cells.len() {
        let compared = compare(&cells[index], &cells, workloads);
        let cell = &mut cells[index];
        cell.efficiency_percent = compared.efficiency_percent;
        cell.latency_over_local_ms = compared.latency_over_local_ms;
        cell.completion_over_local_s = compared.completion_over_local_s;
        cell.communication_ratio = compared.communication_ratio;
    }
    cells
}

fn cell(key: &Key, rounds: &[&RunRow], processes: u32) -> Option<Cell> {
    let over = |pick: &dyn Fn(&RunRow) -> f64| -> Vec<f64> {
        rounds.iter().map(|run| pick(run)).collect()
    };
    let throughput = Spread::of(&over(&|run| run.throughput))?;
    let tasks: u32 = rounds.iter().map(|run| run.tasks).sum();
    let completed: u32 = rounds.iter().map(|run| run.completed).sum();
    let processes = processes * key.workers;
    let latencies: Vec<Latency> = rounds.iter().filter_map(|run| run.latency).collect();
    let insides: Vec<Latency> = rounds.iter().filter_map(|run| run.inside).collect();
    let after: Vec<f64> = rounds
        .iter()
        .filter_map(|run| run.after_submission_ms)
        .collect();
    Some(Cell {
        key: key.clone(),
        rounds: u32::try_from(rounds.len()).unwrap_or(u32::MAX),
        tasks: rounds.first()?.tasks,
        processes,
        success_percent: 100.0 * f64::from(completed) / f64::from(tasks.max(1)),
        completion_s: Spread::of(&over(&|run| run.completion_s))?,
        pauses_s: rounds.first()?.pauses_s,
        throughput,
        throughput_per_process: throughput.median / f64::from(processes.max(1)),
        latency: LatencySpread::of(&latencies),
        after_submission_ms: Spread::of(&after),
        inside: LatencySpread::of(&insides),
        efficiency_percent: None,
        latency_over_local_ms: None,
        completion_over_local_s: None,
        communication_ratio: None,
    })
}

/// What a cell is in comparison with others.
#[derive(Default)]
struct Compared {
    efficiency_percent: Option<f64>,
    latency_over_local_ms: Option<f64>,
    completion_over_local_s: Option<f64>,
    communication_ratio: Option<f64>,
}

fn compare(cell: &Cell, cells: &[Cell], workloads: &[WorkloadRow]) -> Compared {
    let key = &cell.key;
    let related =
        |other: &&Cell| other.key.workload == key.workload && other.key.scaling == key.scaling;
    let mut compared = Compared::default();
    let of_mode = cells
        .iter()
        .filter(related)
        .filter(|other| other.key.mode == key.mode);
    if let Some(first) = of_mode.min_by_key(|other| other.key.workers)
        && first.key.workers < key.workers
    {
        compared.efficiency_percent = Some(efficiency(
            key.scaling == Scaling::Weak,
            (first.key.workers, first.completion_s.median),
            (key.workers, cell.completion_s.median),
        ));
    }
    let mut others = cells.iter().filter(related);
    let local =
        others.find(|other| other.key.mode == Mode::Local && other.key.workers == key.workers);
    if let Some(local) = local.filter(|_| key.mode != Mode::Local) {
        let latencies = cell.platform_latency_ms().zip(local.platform_latency_ms());
        compared.latency_over_local_ms = latencies.map(|(ours, locals)| ours - locals);
        compared.completion_over_local_s =
            Some(cell.completion_s.median - local.completion_s.median);
    }
    let computation = workloads
        .iter()
        .find(|row| row.workload == key.workload)
        .map(|row| row.computation_ms)
        .filter(|ms| *ms >= LEAST_COMPUTATION_MS);
    compared.communication_ratio = cell
        .platform_latency_ms()
        .zip(computation)
        .map(|(latency, computation)| (latency - computation) / computation);
    compared
}

/// The fits of weak scaling, one for each mode and workload that has enough worker counts.
pub fn fits(runs: &[RunRow]) -> Vec<Fit> {
    let mut pairs: Vec<(Mode, &str)> = Vec::new();
    for run in runs {
        let pair = (run.key.mode, run.key.workload.as_str());
        if !pairs.contains(&pair) {
            pairs.push(pair);
        }
    }
    let fit = |(mode, workload): (Mode, &str)| {
        let points: Vec<(f64, f64)> = runs
            .iter()
            .filter(|run| run.key.scaling == Scaling::Weak)
            .filter(|run| run.key.mode == mode && run.key.workload == workload)
            .map(|run| (f64::from(run.key.workers), run.completion_s))
            .collect();
        Some(Fit {
            mode,
            workload: workload.to_owned(),
            completion: PowerLaw::fit(&points)?,
        })
    };
    pairs.into_iter().filter_map(fit).collect()
}

#[cfg(test)]
pub mod sample;
#[cfg(test)]
mod tests;
