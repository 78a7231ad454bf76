//! A dispatcher forgets what a worker's Hello does not list, and gives it back to nobody: half of R6.

use mpcsfaas_core::dispatcher::{Dispatcher, Input, Output};
use mpcsfaas_core::store::op::{EndReason, Verdict};
use mpcsfaas_core::store::{Op, Reply};
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::tamper::Tamper;

use super::Bug;

pub(super) const BUG: Bug = Bug::of_dispatchers(
    "unlisted-forgotten",
    "a dispatcher forgets the tasks that a Hello does not list",
    || Box::<UnlistedForgotten>::default(),
);

/// Answers itself what the store is asked to take back for that reason.
#[derive(Clone, Debug, Default)]
struct UnlistedForgotten {
    made_up: Vec<Input>,
}

impl Tamper<Dispatcher> for UnlistedForgotten {
    fn output(&mut self, _now: Instant, _dispatcher: &Dispatcher, output: Output) -> Vec<Output> {
        if let Output::Store {
            request,
            op: Op::Requeue(batch),
        } = &output
            && batch.iter().all(|item| item.reason == EndReason::NotHeld)
        {
            self.made_up.push(Input::StoreReplied {
                request: *request,
                reply: Reply::Requeued(vec![Verdict::Stale; batch.len()]),
            });
            return Vec::new();
        }
        vec![output]
    }

    fn made_up(&mut self) -> Vec<Input> {
        std::mem::take(&mut self.made_up)
    }
}
