//! How the original's push mode stalls, its other cause: dead workers that are still registered.
//!
//! The client stops its workers, starts twice as many, and submits. Nobody has said goodbye, so the
//! dispatcher gives the dead what it can, and a ROUTER drops a message to nobody without a word. The
//! tasks wait for the scan that finds the dead. How many they are is arithmetic
//! ([`stall_rule`](crate::seed_model::stall_rule)), and how long they wait is the scan's phase.
//!
//! ```text
//!   old workers ──────────┤ stop
//!   new workers                ├──────────────────────
//!   dispatcher  ├────scan────┼────scan────┼────scan────┼
//!   client                  gap ───▶ ├ batch ├ batch
//! ```
//!
//! Here it happens in the simulated world, to the modelled original and to ours, by the same plan.
//! But ours keeps to its own timeout, and its last beat before the stop comes when it comes, while
//! the original's is what the gap is counted from. [`table`] puts both beside what was measured;
//! [`custom`] asks for other numbers. The other cause is [`shared_socket`](crate::shared_socket).
//!
//! Reading order: [`Setting`], `stage` (the plan of a seed), `measure` (what a client saw),
//! [`figures`], `table`.

pub mod figures;
mod measure;
mod stage;
mod table;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::time::Duration;

use mpcsfaas_core::timing::Timing;

use self::measure::Measured;
pub use self::table::{Block, LEGEND, Table, rows_text, table, text};
use crate::seed_model::{BATCH, SCAN};

/// Whose processes they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Machine {
    /// The modelled original's.
    Original,
    /// Ours.
    Ours,
}

/// What the client does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Setting {
    /// How many workers it stops.
    pub dead: usize,
    /// How many it starts.
    pub live: usize,
    /// How many tasks it submits for each of these.
    pub tasks_per_worker: usize,
    /// How many tasks it submits at a time. Up to about 16 are sent before the first result is
    /// back; of more, fewer are stuck than the rule says.
    pub batch: usize,
    /// The time from the last beat of the old workers, when they stop, to the first submit.
    pub gap: Duration,
    /// How much later than that they stop. With a gap of zero it is how long after the first submit:
    /// they have tasks in hand. Below 1 s. Not in the original's measurement.
    pub overlap: Duration,
    /// After how long a silence the original's scan removes a worker. Over 1 s, the beat. Ours has
    /// its own.
    pub timeout: Duration,
    /// Whether workers say goodbye when they stop. The original's do not; this is a what-if.
    pub goodbye: bool,
    /// Whether the dispatcher's side hears that a connection has ended: it does when a process is
    /// killed, and does not when its machine or network is gone. With a goodbye it always does.
    pub closes: bool,
}

/// What the runs of all seeds came to. Times are in seconds.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// `original` or `ours`.
    pub machine: &'static str,
    /// Workers stopped.
    pub dead: usize,
    /// Workers started.
    pub live: usize,
    /// Tasks submitted at a time.
    pub batch: usize,
    /// From the last beat of the stopped to the first submit; below zero if they stop after it.
    pub gap_s: f64,
    /// The machine's timeout.
    pub timeout_s: f64,
    /// Whether the stopped said goodbye.
    pub goodbye: bool,
    /// Tasks of a run that were stuck, in the median. With the original: that were sent to the dead.
    /// With ours: that took longer than [`Setting::bound`].
    pub stuck: usize,
    /// From the first submit to the end of the last task, in the median.
    pub completion_s: f64,
    /// The longest that a task of any run took.
    pub worst_wait_s: f64,
    /// The fewest that were stuck.
    pub stuck_min: usize,
    /// The most that were stuck.
    pub stuck_max: usize,
    /// The shortest completion.
    pub completion_min_s: f64,
    /// The longest completion.
    pub completion_max_s: f64,
    /// Tasks of a run that took more than a second, at most: one measure for both machines.
    pub late: usize,
    /// Tasks of a run that never ended, at most. They count as if they had ended with the run.
    pub unfinished: usize,
    /// Whether the dispatcher's side heard that the connections of the stopped had ended.
    pub closes: bool,
    /// Runs in which a promise of ours was broken.
    pub broken: usize,
}

impl Machine {
    /// What to call it in a table.
    pub const fn name(self) -> &'static str {
        match self {
            Machine::Original => "original",
            Machine::Ours => "ours",
        }
    }
}

impl Default for Setting {
    /// The largest of the original's measurements.
    fn default() -> Setting {
        Setting {
            dead: 4,
            live: 8,
            tasks_per_worker: 5,
            batch: BATCH,
            gap: Duration::from_secs(7),
            overlap: Duration::ZERO,
            timeout: Duration::from_secs(10),
            goodbye: false,
            closes: true,
        }
    }
}

impl Setting {
    /// The timeout of a machine.
    pub fn timeout_of(&self, machine: Machine) -> Duration {
        match machine {
            Machine::Original => self.timeout,
            Machine::Ours => Timing::default().timeout,
        }
    }

    /// How long a task of ours may take: what the protocol waits for, and 150 ms for the work.
    pub fn bound(&self) -> Duration {
        let timing = Timing::default();
        let work = Duration::from_millis(150);
        match (self.goodbye, self.closes) {
            (true, _) => work,
            (false, true) => timing.closed_grace + work,
            (false, false) => timing.timeout + timing.closed_grace,
        }
    }

    /// When the original's last task ends after the first submit, at the earliest and the latest:
    /// the dead are found between `timeout - gap` and one scan later, by the scan's phase, and then
    /// their tasks need a nap of the pusher and a run. If no task waits for the dead, the last batch
    /// decides.
    pub fn completes_within(&self) -> (Duration, Duration) {
        let last = self.last_batch();
        let found_after = |silence: Duration| match self.goodbye || self.dead == 0 {
            true => last,
            false => (silence + self.overlap).saturating_sub(self.gap).max(last),
        };
        let earliest = found_after(self.timeout);
        (earliest, found_after(self.timeout + SCAN) + SETTLE)
    }
}

/// From the time when nothing is in the way any more to the end of the last task, at most: a nap of
/// the original's pusher, its turns, runs, and the answers.
pub const SETTLE: Duration = Duration::from_millis(300);

/// The row of one machine.
pub fn run(setting: &Setting, machine: Machine, seeds: Range<u64>) -> Row {
    let runs: Vec<Measured> = seeds
        .map(|seed| measure::run(setting, machine, seed))
        .collect();
    let stuck = Spread::of(runs.iter().map(|run| run.stuck));
    let completion = Spread::of(runs.iter().map(|run| run.completion));
    let most = |count: fn(&Measured) -> usize| Spread::of(runs.iter().map(count)).max;
    let worst_wait = Spread::of(runs.iter().map(|run| run.worst_wait)).max;
    Row {
        machine: machine.name(),
        dead: setting.dead,
        live: setting.live,
        batch: setting.batch,
        gap_s: setting.gap.as_secs_f64() - setting.overlap.as_secs_f64(),
        timeout_s: setting.timeout_of(machine).as_secs_f64(),
        goodbye: setting.goodbye,
        stuck: stuck.median,
        completion_s: completion.median.as_secs_f64(),
        worst_wait_s: worst_wait.as_secs_f64(),
        stuck_min: stuck.min,
        stuck_max: stuck.max,
        completion_min_s: completion.min.as_secs_f64(),
        completion_max_s: completion.max.as_secs_f64(),
        late: most(|run| run.late),
        unfinished: most(|run| run.unfinished),
        closes: setting.goodbye || setting.closes,
        broken: runs.iter().filter(|run| run.broken).count(),
    }
}

/// Both machines, the original first.
pub fn custom(setting: &Setting, seeds: Range<u64>) -> Vec<Row> {
    [Machine::Original, Machine::Ours]
        .map(|machine| run(setting, machine, seeds.clone()))
        .into()
}

/// How a value differs from seed to seed.
struct Spread<T> {
    min: T,
    median: T,
    max: T,
}

impl<T: Ord + Copy + Default> Spread<T> {
    fn of(values: impl Iterator<Item = T>) -> Spread<T> {
        let mut values: Vec<T> = values.collect();
        values.sort_unstable();
        let at = |index: usize| values.get(index).copied().unwrap_or_default();
        Spread {
            min: at(0),
            median: at(values.len() / 2),
            max: at(values.len().saturating_sub(1)),
        }
    }
}
