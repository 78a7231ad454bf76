//! A dispatcher claims without saying what not to give it: R1 without its `except`.

use mpcsfaas_core::dispatcher::{Dispatcher, Output};
use mpcsfaas_core::store::Op;
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::tamper::Tamper;

use super::Bug;

pub(super) const BUG: Bug = Bug::of_dispatchers(
    "exceptions-not-told",
    "a dispatcher claims what it is about to adopt or to commit",
    || Box::new(ExceptionsNotTold),
)
.wanting("more results and sessions that arrive while their task is in the queue again");

/// Empties the list.
#[derive(Clone, Debug)]
struct ExceptionsNotTold;

impl Tamper<Dispatcher> for ExceptionsNotTold {
    fn output(
        &mut self,
        _now: Instant,
        _dispatcher: &Dispatcher,
        mut output: Output,
    ) -> Vec<Output> {
        if let Output::Store {
            op: Op::Claim(claim),
            ..
        } = &mut output
        {
            claim.except.clear();
        }
        vec![output]
    }
}
