//! A worker lets a task run as long as it likes: its deadline never reaches the process.

use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::ToWorker;
use mpcsfaas_core::worker::{Input, Worker};
use mpcsfaas_transport_sim::tamper::Tamper;

use super::Bug;

pub(super) const BUG: Bug = Bug::of_workers(
    "deadline-ignored",
    "a worker does not end a task that runs past its deadline",
    || Box::new(DeadlineIgnored),
);

/// Takes the deadline off each task.
#[derive(Clone, Debug)]
struct DeadlineIgnored;

impl Tamper<Worker> for DeadlineIgnored {
    fn input(&mut self, _now: Instant, _worker: &Worker, mut input: Input) -> Vec<Input> {
        if let Input::MessageReceived(message) = &mut input
            && let ToWorker::Run(tasks) = &mut message.body
        {
            for run in tasks {
                run.options.timeout_ms = None;
            }
        }
        vec![input]
    }
}
