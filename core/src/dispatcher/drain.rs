//! Leaving: no new claims, hand-backs, the last results, release of the lease.

use super::timer::{Timer, Timers};
use super::{Dispatcher, Output};
use crate::id::WorkerKey;
use crate::store::Op;
use crate::time::Instant;
use crate::wire::message::ToWorker;

impl Dispatcher {
    pub(super) fn on_drain_requested(&mut self, now: Instant) {
        if self.draining {
            return;
        }
        self.draining = true;
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
        if self.draining && !self.gone && self.beliefs.is_empty() && self.asked.is_empty() {
            self.leave(now);
        }
    }

    /// The time for the last tasks is over, or the time for the store to answer the release.
    pub(super) fn on_drain_deadline(&mut self, now: Instant) {
        match self.gone {
            false => self.leave(now),
            true => self.exit(),
        }
    }

    /// Gives the lease back, with what still runs: its workers are adopted by whoever they say
    /// Hello to next. A store that does not answer in time finds the lease over by itself.
    fn leave(&mut self, now: Instant) {
        self.gone = true;
        if !self.store_up || !self.lease.is_open() {
            return self.exit();
        }
        self.timers
            .set(Timer::Drain, now + self.config.timing.timeout);
        let incarnation = self.incarnation;
        self.ask(Op::Release { incarnation }, Vec::new());
    }

    /// Nothing is left to do, so nothing is due any more.
    pub(super) fn exit(&mut self) {
        self.timers = Timers::default();
        self.outputs.push_back(Output::Exit);
    }
}
