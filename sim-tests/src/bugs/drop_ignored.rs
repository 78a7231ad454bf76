//! A worker lets a task that it is told to drop run on: only the branch for waiting tasks was
//! written (R6).

use std::collections::BTreeSet;

use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::{TaskRef, ToWorker};
use mpcsfaas_core::worker::{Input, Worker};
use mpcsfaas_transport_sim::tamper::Tamper;

use super::Bug;

pub(super) const BUG: Bug = Bug::of_workers(
    "drop-ignored",
    "a worker lets a task run on that it was told to drop",
    || Box::new(DropIgnored),
);

/// Takes out of each Drop what runs.
#[derive(Clone, Debug)]
struct DropIgnored;

impl Tamper<Worker> for DropIgnored {
    fn input(&mut self, _now: Instant, worker: &Worker, mut input: Input) -> Vec<Input> {
        if let Input::MessageReceived(message) = &mut input
            && let ToWorker::Drop(tasks) = &mut message.body
        {
            let running: BTreeSet<TaskRef> = worker.running().collect();
            tasks.retain(|task| !running.contains(task));
        }
        vec![input]
    }
}
