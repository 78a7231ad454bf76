//! A worker takes "say Hello" for a beat, as the original's take every "ok": R9 without its end.

use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::ToWorker;
use mpcsfaas_core::worker::{Input, Worker};
use mpcsfaas_transport_sim::tamper::Tamper;

use super::Bug;
use super::received::Received;

pub(super) const BUG: Bug = Bug::of_workers(
    "lost-registration",
    "a worker takes \"say Hello\" for a beat",
    || Box::<LostRegistration>::default(),
);

/// Makes a beat of each `SayHello`, with the number that a beat would have.
#[derive(Clone, Debug, Default)]
struct LostRegistration {
    received: Received,
}

impl Tamper<Worker> for LostRegistration {
    fn input(&mut self, _now: Instant, _worker: &Worker, mut input: Input) -> Vec<Input> {
        if let Input::MessageReceived(message) = &mut input {
            self.received.follow(message);
            if message.body == ToWorker::SayHello {
                let last = self.received.last;
                message.body = ToWorker::Beat { last };
            }
        }
        vec![input]
    }
}
