//! A dispatcher takes a worker's Goodbye for a hand-back, and goes on giving it work (R11).

use mpcsfaas_core::dispatcher::{Dispatcher, Input};
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::ToDispatcher;
use mpcsfaas_transport_sim::tamper::Tamper;

use super::Bug;

pub(super) const BUG: Bug = Bug::of_dispatchers(
    "goodbye-without-end",
    "a dispatcher goes on giving work to a worker that leaves",
    || Box::new(GoodbyeWithoutEnd),
);

/// Makes a hand-back of each Goodbye, and a staying worker of each leaving one.
#[derive(Clone, Debug)]
struct GoodbyeWithoutEnd;

impl Tamper<Dispatcher> for GoodbyeWithoutEnd {
    fn input(&mut self, _now: Instant, _dispatcher: &Dispatcher, mut input: Input) -> Vec<Input> {
        if let Input::MessageReceived { message, .. } = &mut input
            && let ToDispatcher::Goodbye { returned } = &mut message.body
        {
            message.body = ToDispatcher::Returned {
                tasks: std::mem::take(returned),
                missing: Vec::new(),
            };
        }
        vec![input]
    }
}
