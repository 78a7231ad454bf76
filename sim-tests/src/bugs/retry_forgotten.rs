//! A dispatcher waits for ever for the answer to a request that failed: the timer that repeats it
//! was not set again (R6a).

use mpcsfaas_core::dispatcher::{Dispatcher, Input};
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::tamper::Tamper;

use super::Bug;

pub(super) const BUG: Bug = Bug::of_dispatchers(
    "retry-forgotten",
    "a dispatcher does not repeat a request that failed",
    || Box::new(RetryForgotten),
);

/// Keeps it from the dispatcher that a request has failed.
#[derive(Clone, Debug)]
struct RetryForgotten;

impl Tamper<Dispatcher> for RetryForgotten {
    fn input(&mut self, _now: Instant, _dispatcher: &Dispatcher, input: Input) -> Vec<Input> {
        match input {
            Input::StoreFailed { .. } => Vec::new(),
            input => vec![input],
        }
    }
}
