//! How much work to ask for: the processes, and enough beyond them to bridge a round trip.

use std::time::Duration;

use super::Worker;
use crate::wire::message::{Flow, ToDispatcher};

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
        let ahead = usable
            .saturating_mul(fitting.min(self.config.prefetch_limit))
            .max(1);
        usable.saturating_add(ahead)
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
