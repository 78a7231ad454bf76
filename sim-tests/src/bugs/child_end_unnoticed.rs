//! A worker does not notice that a Python process ended under its task: it waits for the answer.

use std::collections::BTreeSet;

use mpcsfaas_core::time::Instant;
use mpcsfaas_core::worker::child::{ChildFact, ChildOrder, SlotId};
use mpcsfaas_core::worker::{Input, Output, Worker};
use mpcsfaas_transport_sim::tamper::Tamper;

use super::Bug;

pub(super) const BUG: Bug = Bug::of_workers(
    "child-end-unnoticed",
    "a worker does not notice that a Python process ended under its task",
    || Box::<ChildEndUnnoticed>::default(),
);

/// Keeps the end of a process that has a task, and was not told to end, from the worker.
#[derive(Clone, Debug, Default)]
struct ChildEndUnnoticed {
    busy: BTreeSet<SlotId>,
}

impl Tamper<Worker> for ChildEndUnnoticed {
    fn input(&mut self, _now: Instant, _worker: &Worker, input: Input) -> Vec<Input> {
        match &input {
            Input::Child(ChildFact::Exited { slot, .. }) if self.busy.contains(slot) => {
                return Vec::new();
            }
            Input::Child(ChildFact::Replied { slot, .. }) => {
                self.busy.remove(slot);
            }
            _ => {}
        }
        vec![input]
    }

    fn output(&mut self, _now: Instant, _worker: &Worker, output: Output) -> Vec<Output> {
        match &output {
            Output::Child(ChildOrder::Execute { slot, .. }) => {
                self.busy.insert(*slot);
            }
            Output::Child(ChildOrder::Terminate { slot } | ChildOrder::Kill { slot }) => {
                self.busy.remove(slot);
            }
            _ => {}
        }
        vec![output]
    }
}
