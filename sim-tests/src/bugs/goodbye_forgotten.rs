//! A worker that leaves hands nothing back: R11 without the Goodbye.

use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::ToDispatcher;
use mpcsfaas_core::worker::{Output, Worker};
use mpcsfaas_transport_sim::tamper::Tamper;

use super::Bug;

pub(super) const BUG: Bug = Bug::of_workers(
    "goodbye-forgotten",
    "a worker that leaves hands nothing back",
    || Box::new(GoodbyeForgotten),
);

/// Says nothing of importance instead of Goodbye.
#[derive(Clone, Debug)]
struct GoodbyeForgotten;

impl Tamper<Worker> for GoodbyeForgotten {
    fn output(&mut self, _now: Instant, _worker: &Worker, mut output: Output) -> Vec<Output> {
        if let Output::Send(message) = &mut output
            && matches!(message.body, ToDispatcher::Goodbye { .. })
        {
            // The number stays taken, so that no gap gives it away.
            message.body = ToDispatcher::Returned {
                tasks: Vec::new(),
                missing: Vec::new(),
            };
        }
        vec![output]
    }
}
