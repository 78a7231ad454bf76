//! A worker counts messages and does not look at their numbers: one that comes twice counts twice
//! (R8, P10).

use mpcsfaas_core::id::Session;
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::{ToWorker, UNNUMBERED};
use mpcsfaas_core::worker::{Input, Worker};
use mpcsfaas_transport_sim::tamper::Tamper;

use super::Bug;

pub(super) const BUG: Bug = Bug::of_workers(
    "repeat-taken-for-new",
    "a worker takes a message that comes again for another",
    || Box::<RepeatTakenForNew>::default(),
);

/// Gives a repeat the next number, and moves all that follows.
#[derive(Clone, Debug, Default)]
struct RepeatTakenForNew {
    session: Session,
    /// The last number that was sent.
    last: u64,
    repeats: u64,
}

impl Tamper<Worker> for RepeatTakenForNew {
    fn input(&mut self, _now: Instant, _worker: &Worker, mut input: Input) -> Vec<Input> {
        let Input::MessageReceived(message) = &mut input else {
            return vec![input];
        };
        if message.session > self.session {
            self.session = message.session;
            (self.last, self.repeats) = (0, 0);
        }
        if message.session < self.session {
            return vec![input];
        }
        if let ToWorker::Beat { last } = &mut message.body {
            *last += self.repeats;
        } else if message.number != UNNUMBERED {
            if message.number <= self.last {
                self.repeats += 1;
                message.number = self.last;
            }
            self.last = message.number;
            message.number += self.repeats;
        }
        vec![input]
    }
}
