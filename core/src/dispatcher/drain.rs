//! Leaving: no new claims, hand-backs, the last results, release of the lease.

use super::timer::Timer;
use super::{Dispatcher, Output};
use crate::id::WorkerKey;
use crate::store::Op;
use crate::time::Instant;
use crate::wire::message::ToWorker;

/// How far the dispatcher is with leaving.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(super) enum Leaving {
    /// It stays.
    #[default]
    No,
    /// It claims nothing; what is held is finished or handed back.
    Draining,
    /// It waits for the store to take the lease back.
    Releasing,
    /// The process ends.
    Gone,
}

impl Dispatcher {
    /// Whether no new work is taken.
    pub(super) fn is_draining(&self) -> bool {
        self.leaving != Leaving::No
    }

    pub(super) fn on_drain_requested(&mut self, now: Instant) {
        if self.is_draining() {
            return;
        }
        self.leaving = Leaving::Draining;
        self.timers
            .set(Timer::Drain, now + self.config.timing.drain);
        let workers: Vec<WorkerKey> = self
            .roster
            .live()
            .map(|(worker, _)| worker.clone())
            .collect();
        for worker in workers
            .iter()
            .filter(|worker| matches!(worker, WorkerKey::Native(_)))
        {
            self.send(worker, ToWorker::Drain);
        }
    }

    /// Leaves as soon as nothing is believed any more and no answer is outstanding.
    pub(super) fn finish_drain(&mut self, now: Instant) {
        if self.leaving == Leaving::Draining && self.beliefs.is_empty() && self.asked.is_empty() {
            self.release(now);
        }
    }

    /// The deadline of the current stage of leaving.
    pub(super) fn on_drain_deadline(&mut self, now: Instant) {
        match self.leaving {
            Leaving::Draining => self.release(now),
            Leaving::Releasing => self.exit(),
            Leaving::No | Leaving::Gone => {}
        }
    }

    /// Gives the lease back, with what still runs: its workers are adopted by whoever they say
    /// Hello to next. A store that does not answer in time lets the lease run out instead.
    fn release(&mut self, now: Instant) {
        if !(self.store_up && self.lease.is_open()) {
            return self.exit();
        }
        self.leaving = Leaving::Releasing;
        self.timers
            .set(Timer::Drain, now + self.config.timing.timeout);
        self.ask(
            Op::Release {
                incarnation: self.incarnation,
            },
            Vec::new(),
        );
    }

    pub(super) fn exit(&mut self) {
        if self.leaving != Leaving::Gone {
            self.leaving = Leaving::Gone;
            self.outputs.push_back(Output::Exit);
        }
    }
}
