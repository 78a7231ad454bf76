//! The platform's evaluation in the simulated world: weak scaling, up to more workers than a machine
//! can hold.
//!
//! Every worker gets as many tasks, all submitted at once, so with twice the workers there is twice
//! the work, and it should take as long. What is measured in world time (completion, latency) is
//! what links, processes and the protocol's turns cost; what the dispatcher costs is counted, and
//! its processor time is taken from its machine alone.
//!
//! ```text
//!   point ──▶ stage (plan) ──▶ world ──▶ measure ──▶ row ──▶ table
//!                                └─ tape of the dispatcher ──▶ cost (played again)
//! ```
//!
//! Reading order: this file (what is asked, what is told), `stage` (the plan of a seed), [`tape`]
//! (the dispatcher's part, and what it costs), `measure` (a run), `table`.

mod measure;
mod stage;
mod table;
pub mod tape;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::time::Duration;

use mpcsfaas_core::wire::message::Flow;

pub use self::table::{GOAL, legend, text};
pub use self::tape::{Clock, Cost};

/// What the tasks do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Workload {
    /// Nothing: what is left is the way through a Python process.
    Noop,
    /// All take the same time.
    Sleep,
    /// Each takes its own time, from half of the usual to half more, by the seed.
    Cpu,
}

/// One condition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Point {
    /// What the tasks do.
    pub workload: Workload,
    /// How workers take them.
    pub flow: Flow,
    /// How long a message travels, and a store request each way.
    pub latency: Duration,
    /// Workers.
    pub workers: usize,
    /// Python processes of each.
    pub processes: u32,
    /// Tasks for each worker, all submitted at the same moment.
    pub tasks_per_worker: usize,
    /// How long a task of `sleep` runs, and one of `cpu` in the mean.
    pub runs: Duration,
    /// How long the dispatcher takes for each of its steps; then the next one can begin.
    pub step_cost: Duration,
}

/// What the runs of all seeds came to.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// The condition.
    pub point: Point,
    /// From the submit to the last result in the store, in the median of the seeds.
    pub completion: Duration,
    /// From the submit of a task to its result in the store: half of all tasks of all seeds.
    pub p50: Duration,
    /// The same: 95 of 100.
    pub p95: Duration,
    /// The same: 99 of 100.
    pub p99: Duration,
    /// The completion with the fewest workers of the same condition, as a share of this one.
    pub efficiency: f64,
    /// Tasks of a run that never ended, at most.
    pub unfinished: usize,
    /// Tasks of a run that failed or had a second attempt, at most: nothing goes wrong here, so
    /// there should be none.
    pub disturbed: usize,
    /// What the dispatcher did, of all seeds together.
    pub cost: Cost,
    /// Runs.
    pub seeds: u64,
}

impl Workload {
    /// All of them.
    pub const ALL: [Workload; 3] = [Workload::Noop, Workload::Sleep, Workload::Cpu];

    /// What to call it.
    pub const fn name(self) -> &'static str {
        match self {
            Workload::Noop => "noop",
            Workload::Sleep => "sleep",
            Workload::Cpu => "cpu",
        }
    }
}

impl Point {
    /// Tasks in all.
    pub fn tasks(&self) -> usize {
        self.workers * self.tasks_per_worker
    }

    /// Whether only the number of workers differs.
    fn is_like(&self, other: &Point) -> bool {
        let other = Point {
            workers: self.workers,
            ..*other
        };
        *self == other
    }

    /// How much of the dispatcher's time its beats alone take: one a second from each worker, and
    /// one to each of them.
    pub fn idle_load(&self) -> f64 {
        2.0 * self.workers as f64 * self.step_cost.as_secs_f64()
    }
}

impl Row {
    /// Tasks a second of world time.
    pub fn throughput(&self) -> f64 {
        match self.completion.as_secs_f64() {
            0.0 => 0.0,
            seconds => self.point.tasks() as f64 / seconds,
        }
    }

    /// Whether everything ended well, and at the first attempt.
    pub fn is_well(&self) -> bool {
        (self.unfinished, self.disturbed) == (0, 0)
    }

    /// So much of it for each task.
    pub fn per_task(&self, count: u64) -> f64 {
        count as f64 / (self.point.tasks() as u64 * self.seeds).max(1) as f64
    }
}

/// Runs every point with every seed. The clock is that of processor time; without one, or where it
/// fails, that one figure is missing. `done` is told of each run that is over.
pub fn study(
    points: &[Point],
    seeds: Range<u64>,
    clock: Option<Clock>,
    mut done: impl FnMut(),
) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for point in points {
        let runs = seeds.clone().map(|seed| {
            let run = measure::run(point, seed, clock);
            done();
            run
        });
        let row = measure::row(point, runs.collect());
        rows.push(row);
    }
    let fewest = |point: &Point| {
        let like = rows.iter().filter(|row| row.point.is_like(point));
        like.min_by_key(|row| row.point.workers)
            .map_or(Duration::ZERO, |row| row.completion)
    };
    let bases: Vec<Duration> = points.iter().map(fewest).collect();
    for (row, base) in rows.iter_mut().zip(bases) {
        row.efficiency = match row.completion.as_secs_f64() {
            0.0 => 0.0,
            seconds => base.as_secs_f64() / seconds,
        };
    }
    rows
}
