//! What the figures show: sentences, each with the condition under which it may be said.

use mpcsfaas_core::store::op::Mode;

use super::super::course::counted;
use super::super::outcome::{Cell, Key, Study};
use super::super::plan::{Pacing, Scaling};
use super::super::statistics::Spread;
use super::tables::{from_to, short};

/// A throughput that falls by this factor when workers are added is told.
const FALL: f64 = 1.5;

/// Rounds of the same setting that differ by this factor are told.
const UNEVEN: f64 = 2.0;

/// A tail that is so many times as long as the median is told, if it is also over the next.
const TAIL: f64 = 10.0;
const TAIL_MS: f64 = 50.0;

/// An efficiency over this, in percent, is more than scaling can give.
const TOO_EFFICIENT: f64 = 120.0;

/// A throughput that is so many times that of local mode is told.
const FASTER: f64 = 1.2;

/// The part of the best throughput that is as good as all of it.
const AS_GOOD: f64 = 0.9;

/// The part of the completion that the client's own pauses may have before they are what is measured.
const PAUSED: f64 = 0.5;

/// So many findings of a kind are named one by one.
const NAMED: usize = 8;

/// What would have been found.
pub(super) const LOOKED_FOR: &str = "Looked for: tasks that were not completed; throughput that \
    fell by a factor of 1.5 or more when workers were added; rounds of one setting that differ by a \
    factor of 2 or more; a 99th percentile of 10 medians and 50 ms or more; an efficiency over \
    120 %; a mode that did 1.2 times as much as local mode or more, in every round; a machine with other work.";

/// The cell of a setting.
pub(super) fn find<'a>(
    study: &'a Study,
    mode: Mode,
    workload: &str,
    scaling: Scaling,
    workers: u32,
) -> Option<&'a Cell> {
    study.cells.iter().find(|cell| {
        let key = &cell.key;
        (key.mode, key.scaling, key.workers) == (mode, scaling, workers) && key.workload == workload
    })
}

/// What is odd.
pub(super) fn anomalies(study: &Study) -> Vec<String> {
    let mut found = Vec::new();
    let cells = || study.cells.iter();
    named(
        &mut found,
        cells().filter_map(|cell| incomplete(study, cell)).collect(),
    );
    named(&mut found, falls(study));
    named(&mut found, cells().filter_map(uneven).collect());
    named(&mut found, cells().filter_map(long_tail).collect());
    named(&mut found, cells().filter_map(too_efficient).collect());
    named(
        &mut found,
        cells()
            .filter_map(|cell| faster_than_local(study, cell))
            .collect(),
    );
    if study.machine.was_busy()
        && let Some(load) = study.machine.load_before
    {
        found.push(format!(
            "The machine had other work: a load average of {load} before the study began."
        ));
    }
    found
}

/// The first of a kind, and how many more there are.
fn named(found: &mut Vec<String>, mut kind: Vec<String>) {
    let more = kind.len().saturating_sub(NAMED);
    kind.truncate(NAMED);
    found.append(&mut kind);
    if more > 0 {
        found.push(format!(
            "{more} more of the kind before; the tables have them."
        ));
    }
}

fn place(key: &Key) -> String {
    format!(
        "{}, {}, {} scaling, {}",
        key.mode.as_str(),
        key.workload,
        key.scaling.as_str(),
        counted(key.workers, "worker")
    )
}

fn incomplete(study: &Study, cell: &Cell) -> Option<String> {
    if cell.success_percent >= 100.0 {
        return None;
    }
    let runs = study.runs.iter().filter(|run| run.key == cell.key);
    let (mut failed, mut refused, mut unfinished) = (0, 0, 0);
    for run in runs {
        failed += run.failed;
        refused += run.refused;
        unfinished += run.unfinished;
    }
    Some(format!(
        "{}: {:.1} % of the tasks were completed; {failed} failed, {refused} were refused, \
         {unfinished} did not end in time.",
        place(&cell.key),
        cell.success_percent
    ))
}

/// Where more workers did clearly less.
fn falls(study: &Study) -> Vec<String> {
    let fall = |cell: &Cell| {
        let before = one_step_before(study, cell)?;
        let (from, to) = (before.throughput, cell.throughput);
        (from.median >= FALL * to.median && from.apart_from(&to)).then(|| {
            format!(
                "{}: throughput fell from {} to {} tasks/s, by a factor of {:.1}, from {} on.{}",
                place(&cell.key),
                short(from.median),
                short(to.median),
                from.median / to.median.max(f64::EPSILON),
                counted(before.key.workers, "worker"),
                longer_pauses(before, cell)
            )
        })
    };
    study.cells.iter().filter_map(fall).collect()
}

/// What the client itself did to a completion that grew.
fn longer_pauses(before: &Cell, cell: &Cell) -> String {
    let pauses = cell.pauses_s - before.pauses_s;
    if pauses <= 0.0 {
        return String::new();
    }
    format!(
        " The completion grew by {:.2} s, of which the client's own pauses are {pauses:.2} s.",
        cell.completion_s.median - before.completion_s.median
    )
}

/// The same with the next smaller number of workers.
fn one_step_before<'a>(study: &'a Study, cell: &Cell) -> Option<&'a Cell> {
    let key = &cell.key;
    let smaller = study.cells.iter().filter(|other| {
        let same = (other.key.mode, other.key.scaling) == (key.mode, key.scaling);
        same && other.key.workload == key.workload && other.key.workers < key.workers
    });
    smaller.max_by_key(|other| other.key.workers)
}

fn uneven(cell: &Cell) -> Option<String> {
    let Spread { min, max, .. } = cell.throughput;
    (min > 0.0 && max / min >= UNEVEN).then(|| {
        format!(
            "{}: the rounds differ, from {} to {} tasks/s.",
            place(&cell.key),
            short(min),
            short(max)
        )
    })
}

fn long_tail(cell: &Cell) -> Option<String> {
    let latency = cell.inside.as_ref().or(cell.latency.as_ref())?;
    let (p50, p99) = (latency.p50.median, latency.p99.median);
    (p99 >= TAIL_MS && p99 >= TAIL * p50).then(|| {
        format!(
            "{}: the 99th percentile of latency is {} ms, the median {} ms.",
            place(&cell.key),
            short(p99),
            short(p50)
        )
    })
}

fn too_efficient(cell: &Cell) -> Option<String> {
    let percent = cell
        .efficiency_percent
        .filter(|percent| *percent > TOO_EFFICIENT)?;
    Some(format!(
        "{}: an efficiency of {percent:.0} %, which is more than sharing the work can give.",
        place(&cell.key)
    ))
}

fn faster_than_local(study: &Study, cell: &Cell) -> Option<String> {
    let key = &cell.key;
    let local = find(study, Mode::Local, &key.workload, key.scaling, key.workers)?;
    let faster = key.mode != Mode::Local
        && cell.rounds > 1
        && cell.throughput.median >= FASTER * local.throughput.median
        && cell.throughput.apart_from(&local.throughput);
    faster.then(|| {
        format!(
            "{}: {} tasks/s, which is more than the {} of local mode in every round.",
            place(key),
            short(cell.throughput.median),
            short(local.throughput.median)
        )
    })
}

/// How one mode did, from the fewest workers to the most.
pub(super) fn of_mode(study: &Study, mode: Mode) -> Vec<String> {
    let workers = &study.setting.workers;
    let Some((first, last)) = workers.first().zip(workers.last()).filter(|(a, b)| a < b) else {
        return Vec::new();
    };
    let mut sentences = Vec::new();
    for workload in &study.workloads {
        for &scaling in &study.setting.scalings {
            let cell = |workers| find(study, mode, &workload.workload, scaling, workers);
            let Some((from, to)) = cell(*first).zip(cell(*last)) else {
                continue;
            };
            sentences.push(format!(
                "{}, {} scaling: {} tasks/s with {}, {} with {}.",
                workload.workload,
                scaling.as_str(),
                short(from.throughput.median),
                counted(*first, "worker"),
                short(to.throughput.median),
                last
            ));
        }
    }
    sentences
}

/// How much of the completion the client itself is answerable for.
fn paused_part(cell: &Cell) -> f64 {
    cell.pauses_s / cell.completion_s.median.max(f64::EPSILON)
}

/// What a client that pauses leaves to be seen of scaling.
pub(super) fn of_scaling(study: &Study) -> Vec<String> {
    if study.setting.pacing != Pacing::Original {
        return Vec::new();
    }
    let most = study.setting.workers.last();
    let weak = study
        .cells
        .iter()
        .filter(|cell| cell.key.scaling == Scaling::Weak);
    let last: Vec<&Cell> = weak
        .filter(|cell| Some(&cell.key.workers) == most)
        .collect();
    let parts: Vec<f64> = last.iter().map(|cell| 100.0 * paused_part(cell)).collect();
    let Some(cell) = last.first().filter(|cell| cell.pauses_s > 0.0) else {
        return Vec::new();
    };
    vec![format!(
        "With {} the client pauses for {:.1} s between its submits in each run of weak scaling. \
         That is {} % of the completion there, in whatever mode: no platform could have done it \
         faster.",
        counted(cell.key.workers, "worker"),
        cell.pauses_s,
        from_to(&parts)
    )]
}

/// What goes to the way, and not into computing.
pub(super) fn of_cost(study: &Study) -> Vec<String> {
    let mut sentences = Vec::new();
    for &mode in study
        .setting
        .modes
        .iter()
        .filter(|mode| **mode != Mode::Local)
    {
        let cells = study.cells.iter().filter(|cell| cell.key.mode == mode);
        let over: Vec<f64> = cells
            .filter_map(|cell| cell.latency_over_local_ms)
            .collect();
        if !over.is_empty() {
            sentences.push(format!(
                "{}: the mean latency is {} ms over that of local mode.",
                mode.as_str(),
                from_to(&over)
            ));
        }
    }
    sentences
}

/// What to do, as far as the figures say so.
pub(super) fn recommendations(study: &Study) -> Vec<String> {
    let mut advice = Vec::new();
    if let Some(sentence) = other_pacing(study) {
        advice.push(sentence);
    }
    for workload in &study.workloads {
        advice.extend(best_mode(study, &workload.workload));
        advice.extend(enough_workers(study, &workload.workload));
        advice.extend(larger_tasks(study, &workload.workload));
    }
    if advice.is_empty() {
        advice.push("The figures support none.".to_owned());
    }
    advice
}

fn other_pacing(study: &Study) -> Option<String> {
    let parts = study.cells.iter().map(paused_part);
    let (paused, all) = (
        parts.filter(|part| *part >= PAUSED).count(),
        study.cells.len(),
    );
    (paused > 0).then(|| {
        format!(
            "To compare modes and worker counts, measure with --pacing burst or open as well: in \
             {paused} of {all} settings the client's own pauses are half of the completion or more."
        )
    })
}

/// The mode whose every round was better than every round of the others, with the most workers.
fn best_mode(study: &Study, workload: &str) -> Option<String> {
    let workers = study.setting.workers.last().copied()?;
    let scaling = study.setting.scalings.first().copied()?;
    let modes = study.setting.modes.iter();
    let mut cells: Vec<&Cell> = modes
        .filter_map(|mode| find(study, *mode, workload, scaling, workers))
        .collect();
    cells.sort_by(|a, b| b.throughput.median.total_cmp(&a.throughput.median));
    let [best, next, ..] = cells[..] else {
        return None;
    };
    let setting = format!("{workload} with {}", counted(workers, "worker"));
    if study.setting.rounds < 2 {
        return Some(format!(
            "{setting}: one round cannot tell modes apart; measure with --rounds 3 or more."
        ));
    }
    Some(match best.throughput.apart_from(&next.throughput) {
        true => format!(
            "{setting}: take {} for throughput; it did {} tasks/s, and {} did {}.",
            best.key.mode.as_str(),
            short(best.throughput.median),
            next.key.mode.as_str(),
            short(next.throughput.median)
        ),
        false => format!(
            "{setting}: throughput does not decide between {} and {}, whose rounds overlap ({} and \
             {} tasks/s).",
            best.key.mode.as_str(),
            next.key.mode.as_str(),
            short(best.throughput.median),
            short(next.throughput.median)
        ),
    })
}

/// The fewest workers that do as good as the best number, where the work stays the same.
fn enough_workers(study: &Study, workload: &str) -> Vec<String> {
    if study.setting.workers.len() < 2 {
        return Vec::new();
    }
    let enough = |mode: &Mode| {
        let workers = study.setting.workers.iter();
        let cells: Vec<&Cell> = workers
            .filter_map(|count| find(study, *mode, workload, Scaling::Strong, *count))
            .collect();
        let best = cells
            .iter()
            .map(|cell| cell.throughput.median)
            .reduce(f64::max)?;
        let mut good = cells
            .iter()
            .filter(|cell| cell.throughput.median >= AS_GOOD * best);
        let fewest = good.next()?;
        let last = cells.last()?;
        (fewest.key.workers < last.key.workers).then(|| {
            format!(
                "{workload} in {} mode: {} did {} of at most {} tasks/s; more of them gained \
                 little for {}.",
                mode.as_str(),
                counted(fewest.key.workers, "worker"),
                short(fewest.throughput.median),
                short(best),
                counted(fewest.tasks, "task")
            )
        })
    };
    study.setting.modes.iter().filter_map(enough).collect()
}

/// Where the way takes longer than the work, in every setting. In a burst most of the way is the
/// queue, which larger tasks would not shorten.
fn larger_tasks(study: &Study, workload: &str) -> Option<String> {
    if study.setting.pacing == Pacing::Burst {
        return None;
    }
    let ratios = study
        .cells
        .iter()
        .filter(|cell| cell.key.workload == workload);
    let ratios: Vec<f64> = ratios.filter_map(|cell| cell.communication_ratio).collect();
    let least = ratios.iter().copied().reduce(f64::min)?;
    (least > 1.0).then(|| {
        format!(
            "{workload}: put several into one task where that is possible; each takes {} times as \
             long on its way as it computes.",
            from_to(&ratios)
        )
    })
}

#[cfg(test)]
mod tests;
