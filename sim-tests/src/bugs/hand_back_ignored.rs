//! A dispatcher does not listen when a worker hands tasks back: it thinks that they run (R11).

use mpcsfaas_core::dispatcher::{Dispatcher, Input};
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::ToDispatcher;
use mpcsfaas_transport_sim::tamper::Tamper;

use super::Bug;

pub(super) const BUG: Bug = Bug::of_dispatchers(
    "hand-back-ignored",
    "a dispatcher thinks that what was handed back still runs",
    || Box::new(HandBackIgnored),
);

/// Empties each list of tasks that are handed back.
#[derive(Clone, Debug)]
struct HandBackIgnored;

impl Tamper<Dispatcher> for HandBackIgnored {
    fn input(&mut self, _now: Instant, _dispatcher: &Dispatcher, mut input: Input) -> Vec<Input> {
        if let Input::MessageReceived { message, .. } = &mut input
            && let ToDispatcher::Returned { tasks, .. } = &mut message.body
        {
            tasks.clear();
        }
        vec![input]
    }
}
