//! How much work to ask for: the processes, and enough beyond them to bridge a round trip.

use std::time::Duration;

use super::Worker;
use super::hold::Held;
use crate::time::Instant;
use crate::wire::message::{Flow, ToDispatcher};

/// How many times the work that is fetched ahead a task may wait.
const PATIENCE: u32 = 10;

/// A running mean of how long tasks take.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Pace {
    /// Nanoseconds; 0 before the first task.
    mean: u64,
}

impl Pace {
    /// Takes in one run time. Recent tasks count for an eighth, so that a change of workload is
    /// followed within some ten tasks.
    pub(super) fn saw(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1);
        self.mean = match self.mean {
            0 => nanos,
            mean => mean - mean / 8 + nanos / 8,
        };
    }

    /// Takes in that a task has run for at least so long and goes on.
    pub(super) fn at_least(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.mean = self.mean.max(nanos);
    }

    /// How long a run is expected to take; `None` before the first.
    pub(super) fn expected(&self) -> Option<Duration> {
        (self.mean > 0).then_some(Duration::from_nanos(self.mean))
    }

    /// Whether tasks take so long that a round trip between two of them does not matter.
    fn is_slow(&self, patience: Duration) -> bool {
        u128::from(self.mean) >= patience.as_nanos()
    }

    /// How many tasks of this pace fill `time`.
    fn fitting(&self, time: Duration) -> u64 {
        match self.mean {
            0 => 0,
            mean => u64::try_from(time.as_nanos()).unwrap_or(u64::MAX) / mean,
        }
    }
}

impl Worker {
    /// The credit to announce: an absolute total of tasks and unacknowledged results.
    pub(super) fn credit_now(&self) -> u32 {
        let usable = self.usable_slots();
        if self.is_draining() || usable == 0 {
            return 0;
        }
        let fitting = u32::try_from(self.pace.fitting(self.config.prefetch)).unwrap_or(u32::MAX);
        // One ahead as a rule; none where it would only wait behind a long one (see `hand_on`).
        let least = u32::from(!self.pace.is_slow(self.patience()));
        let ahead = usable
            .saturating_mul(fitting.min(self.config.prefetch_limit))
            .max(least);
        usable.saturating_add(ahead)
    }

    /// How long a task may wait here for a process before it is handed on: much longer than what
    /// it was fetched ahead for.
    fn patience(&self) -> Duration {
        self.config.prefetch * PATIENCE
    }

    /// Hands on tasks that were fetched ahead and wait behind long ones: another worker may be
    /// idle. They count as not started, and no more are asked for ahead at this pace.
    pub(super) fn hand_on(&mut self, now: Instant) {
        if self.waiting_deadline().is_some_and(|at| now >= at) {
            self.pace.at_least(self.patience());
            self.hand_back_waiting();
            self.beat();
        }
    }

    /// When the task that waits longest loses its patience.
    pub(super) fn waiting_deadline(&self) -> Option<Instant> {
        match self.held.get(self.waiting.front()?)? {
            Held::Waiting { since, .. } => Some(*since + self.patience()),
            Held::Running { .. } | Held::Finished(_) => None,
        }
    }

    /// In pull mode: asks, if there is room and no question is open.
    pub(super) fn ask_for_work(&mut self) {
        if self.config.flow != Flow::Pull || self.pull_sent || !self.is_welcome() {
            return;
        }
        let credit = self.credit_now();
        if (self.held.len() as u64) < u64::from(credit) {
            self.pull_sent = true;
            self.announce(credit);
            self.send(ToDispatcher::Pull { credit });
        }
    }

    /// In push mode: tells at once of a credit that has changed a lot; small changes wait for the
    /// next beat.
    pub(super) fn announce_change(&mut self) {
        if self.config.flow != Flow::Push || !self.is_welcome() {
            return;
        }
        let (now, before) = (u64::from(self.credit_now()), u64::from(self.announced));
        if now * 2 > before * 3 || now * 2 < before {
            self.beat();
        }
    }

    /// Remembers what the dispatcher is about to be told.
    pub(super) fn announce(&mut self, credit: u32) {
        self.announced = credit;
        self.ceiling = self.ceiling.max(credit);
    }
}
