//! A worker's Hello lists what runs and forgets what waits: half of R6.

use std::collections::BTreeSet;

use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::{TaskRef, ToDispatcher};
use mpcsfaas_core::worker::{Output, Worker};
use mpcsfaas_transport_sim::tamper::Tamper;

use super::Bug;

pub(super) const BUG: Bug = Bug::of_workers(
    "half-a-hello",
    "a worker's Hello does not list what has not started",
    || Box::new(HalfAHello),
);

/// Takes out of each Hello what waits.
#[derive(Clone, Debug)]
struct HalfAHello;

impl Tamper<Worker> for HalfAHello {
    fn output(&mut self, _now: Instant, worker: &Worker, mut output: Output) -> Vec<Output> {
        if let Output::Send(message) = &mut output
            && let ToDispatcher::Hello(hello) = &mut message.body
        {
            let waiting: BTreeSet<TaskRef> = worker.waiting().collect();
            hello.running.retain(|task| !waiting.contains(task));
        }
        vec![output]
    }
}
