//! A worker sends each result once, whatever becomes of the session: half of R7.

use std::collections::BTreeSet;

use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::{TaskRef, ToDispatcher};
use mpcsfaas_core::worker::{Output, Worker};
use mpcsfaas_transport_sim::tamper::Tamper;

use super::Bug;

pub(super) const BUG: Bug = Bug::of_workers(
    "results-not-repeated",
    "a worker does not send its results again in a new session",
    || Box::<ResultsNotRepeated>::default(),
);

/// Takes out of each message what was sent before.
#[derive(Clone, Debug, Default)]
struct ResultsNotRepeated {
    sent: BTreeSet<TaskRef>,
}

impl Tamper<Worker> for ResultsNotRepeated {
    fn output(&mut self, _now: Instant, _worker: &Worker, mut output: Output) -> Vec<Output> {
        if let Output::Send(message) = &mut output
            && let ToDispatcher::Finished(results) = &mut message.body
        {
            results.retain(|result| self.sent.insert(result.task));
        }
        vec![output]
    }
}
