//! A worker counts what arrives and not what was sent: a message that is lost within a session is
//! not missed (R8).

use mpcsfaas_core::id::Session;
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::{ToWorker, UNNUMBERED};
use mpcsfaas_core::worker::{Input, Worker};
use mpcsfaas_transport_sim::tamper::Tamper;

use super::Bug;

pub(super) const BUG: Bug = Bug::of_workers(
    "gap-ignored",
    "a worker does not miss a message that was lost within a session",
    || Box::<GapIgnored>::default(),
);

/// Numbers what arrives anew.
#[derive(Clone, Debug, Default)]
struct GapIgnored {
    session: Session,
    /// The last number that was sent.
    last: u64,
    /// How many have arrived.
    arrived: u64,
}

impl Tamper<Worker> for GapIgnored {
    fn input(&mut self, _now: Instant, _worker: &Worker, mut input: Input) -> Vec<Input> {
        let Input::MessageReceived(message) = &mut input else {
            return vec![input];
        };
        if message.session > self.session {
            self.session = message.session;
            (self.last, self.arrived) = (0, 0);
        }
        if message.session < self.session {
            return vec![input];
        }
        if let ToWorker::Beat { last } = &mut message.body {
            *last = match *last < self.last {
                true => 0,
                false => self.arrived,
            };
        } else if message.number != UNNUMBERED {
            if message.number > self.last {
                self.last = message.number;
                self.arrived += 1;
            }
            message.number = self.arrived;
        }
        vec![input]
    }
}
