//! Leaving: no new claims, hand-backs, the last results, release of the lease.

use super::timer::Timer;
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
    pub(super) fn finish_drain(&mut self) {
        if self.draining && self.beliefs.is_empty() && self.asked.is_empty() {
            self.leave();
        }
    }

    /// Gives the lease back, with what still runs: its workers are adopted by whoever they say
    /// Hello to next.
    pub(super) fn leave(&mut self) {
        if self.gone {
            return;
        }
        self.gone = true;
        match self.store_up && self.lease.is_open() {
            true => self.ask(
                Op::Release {
                    incarnation: self.incarnation,
                },
                Vec::new(),
            ),
            false => self.outputs.push_back(Output::Exit),
        }
    }

    pub(super) fn on_released(&mut self) {
        self.outputs.push_back(Output::Exit);
    }
}
