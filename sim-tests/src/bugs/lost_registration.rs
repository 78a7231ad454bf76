//! A worker takes "say Hello" for a beat, as the original's take every "ok": R9 without its end.

use mpcsfaas_core::id::Session;
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::{ToWorker, UNNUMBERED};
use mpcsfaas_core::worker::{Input, Worker};
use mpcsfaas_transport_sim::tamper::Tamper;

/// Makes a beat of each `SayHello`, with the number that a beat would have.
#[derive(Clone, Debug, Default)]
pub(super) struct LostRegistration {
    session: Session,
    received: u64,
}

impl Tamper<Worker> for LostRegistration {
    fn input(&mut self, _now: Instant, _worker: &Worker, mut input: Input) -> Vec<Input> {
        if let Input::MessageReceived(message) = &mut input {
            if message.session > self.session {
                self.session = message.session;
                self.received = 0;
            }
            if message.number != UNNUMBERED && message.session == self.session {
                self.received = self.received.max(message.number);
            }
            if message.body == ToWorker::SayHello {
                let last = self.received;
                message.body = ToWorker::Beat { last };
            }
        }
        vec![input]
    }
}
