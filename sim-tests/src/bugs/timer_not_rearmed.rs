//! A worker's timer is set when something arrives, and not again when it has gone off: where nothing
//! arrives any more, it sleeps for ever.

use mpcsfaas_core::time::Instant;
use mpcsfaas_core::worker::{Input, Worker};
use mpcsfaas_transport_sim::tamper::Tamper;

use super::Bug;

pub(super) const BUG: Bug = Bug::of_workers(
    "timer-not-rearmed",
    "a worker's timer goes off once after something has arrived, and not again",
    || Box::<TimerNotRearmed>::default(),
);

/// Hides what the worker wants after it was woken.
#[derive(Clone, Debug, Default)]
struct TimerNotRearmed {
    woken: bool,
}

impl Tamper<Worker> for TimerNotRearmed {
    fn input(&mut self, _now: Instant, _worker: &Worker, input: Input) -> Vec<Input> {
        self.woken = false;
        vec![input]
    }

    fn timeout(&mut self, _now: Instant, _worker: &mut Worker) -> bool {
        self.woken = true;
        true
    }

    fn deadline(&self, wanted: Option<Instant>) -> Option<Instant> {
        wanted.filter(|_| !self.woken)
    }
}
