//! A dispatcher doubles each credit: R7 with a slip of the pen.

use mpcsfaas_core::dispatcher::{Dispatcher, Input};
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::ToDispatcher;
use mpcsfaas_transport_sim::tamper::Tamper;

use super::Bug;

pub(super) const BUG: Bug = Bug::of_dispatchers(
    "credit-counted-twice",
    "a dispatcher doubles each credit",
    || Box::new(CreditCountedTwice),
);

/// Doubles every credit that a worker tells.
#[derive(Clone, Debug)]
struct CreditCountedTwice;

impl Tamper<Dispatcher> for CreditCountedTwice {
    fn input(&mut self, _now: Instant, _dispatcher: &Dispatcher, mut input: Input) -> Vec<Input> {
        if let Input::MessageReceived { message, .. } = &mut input {
            match &mut message.body {
                ToDispatcher::Hello(hello) => hello.credit *= 2,
                ToDispatcher::Beat { credit, .. } | ToDispatcher::Pull { credit } => *credit *= 2,
                ToDispatcher::Finished(_)
                | ToDispatcher::Returned { .. }
                | ToDispatcher::Goodbye { .. } => {}
            }
        }
        vec![input]
    }
}
