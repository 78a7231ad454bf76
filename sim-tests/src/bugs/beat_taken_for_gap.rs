//! A worker takes a beat that comes again for one that names a number it has not got: `!=` where
//! `>` belongs (R8).

use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::ToWorker;
use mpcsfaas_core::worker::{Input, Worker};
use mpcsfaas_transport_sim::tamper::Tamper;

use super::Bug;
use super::received::Received;

pub(super) const BUG: Bug = Bug::of_workers(
    "beat-taken-for-gap",
    "a worker ends its session for a beat that comes again",
    || Box::<BeatTakenForGap>::default(),
);

/// Makes a beat that names too much of one that names too little.
#[derive(Clone, Debug, Default)]
struct BeatTakenForGap {
    received: Received,
}

impl Tamper<Worker> for BeatTakenForGap {
    fn input(&mut self, _now: Instant, _worker: &Worker, mut input: Input) -> Vec<Input> {
        if let Input::MessageReceived(message) = &mut input
            && self.received.follow(message)
            && let ToWorker::Beat { last } = &mut message.body
            && *last < self.received.last
        {
            *last = self.received.last + 1;
        }
        vec![input]
    }
}
