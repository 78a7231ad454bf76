//! The client: it submits what the plan says, again where it got no answer, and cancels.

use std::time::Duration;

use bytes::Bytes;
use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::store::Op;
use mpcsfaas_core::store::op::{Cancelled, Reply, Submission, Submitted};
use mpcsfaas_core::task::Options;

use crate::by_task::ByTask;
use crate::event::Event;
use crate::guest::Fact;
use crate::history::What;
use crate::node::Process;
use crate::place::Place;
use crate::plan::{Bend, Occasion, Plan};
use crate::world::{FUNCTION, World};

/// What the client knows of its tasks.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    places: ByTask<usize>,
    /// Submits by their time, and how many of them have been scheduled: one at a time lies ahead,
    /// so that the heap stays small.
    order: Vec<usize>,
    scheduled: usize,
    accepted: Vec<bool>,
    ended: Vec<bool>,
    /// Tasks that are not both accepted and ended.
    open: usize,
}

/// At most so many tasks leave together.
const TOGETHER: usize = 512;

/// The pause before a submit without an answer is repeated.
const AGAIN: Duration = Duration::from_millis(300);

impl Client {
    pub(crate) fn new(plan: &Plan) -> Client {
        let tasks = plan.submits.iter().enumerate();
        let count = plan.submits.len();
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by_key(|index| plan.submits[*index].at);
        Client {
            order,
            scheduled: 0,
            places: tasks.map(|(index, submit)| (submit.task, index)).collect(),
            accepted: vec![false; count],
            ended: vec![false; count],
            open: count,
        }
    }

    /// Which submit of the plan has made this task.
    pub(crate) fn place_of(&self, task: TaskId) -> Option<usize> {
        self.places.get(&task).copied()
    }

    fn accept(&mut self, index: usize) {
        if !std::mem::replace(&mut self.accepted[index], true) && self.ended[index] {
            self.open -= 1;
        }
    }

    /// The store says that a task has ended.
    pub(crate) fn end(&mut self, task: TaskId) {
        let Some(index) = self.place_of(task) else {
            return;
        };
        if !std::mem::replace(&mut self.ended[index], true) && self.accepted[index] {
            self.open -= 1;
        }
    }

    /// Submits that have no good answer yet.
    pub(crate) fn unanswered(&self) -> impl Iterator<Item = usize> {
        let accepted = self.accepted.iter().enumerate();
        accepted
            .filter(|(_, accepted)| !**accepted)
            .map(|(index, _)| index)
    }
}

impl World {
    /// Whether the client has got every task accepted, and all have ended.
    pub fn is_done(&self) -> bool {
        self.client.open == 0
    }

    pub(crate) fn plan_next_submit(&mut self) {
        if let Some(index) = self.client.order.get(self.client.scheduled) {
            self.client.scheduled += 1;
            self.heap
                .push(self.plan.submits[*index].at, Event::NextSubmit(*index));
        }
    }

    /// This submit, which is due, and those of the same moment: they travel in one request, as from the
    /// gateway.
    pub(crate) fn due_submits(&self, index: usize) -> Vec<usize> {
        let at = self.plan.submits[index].at;
        let next = self.client.order[self.client.scheduled..].iter();
        let due = next.take_while(|next| self.plan.submits[**next].at == at);
        let together = std::iter::once(index).chain(due.copied());
        together.take(TOGETHER).collect()
    }

    pub(crate) fn send_next_submits(&mut self, index: usize) {
        let batch = self.due_submits(index);
        self.client.scheduled += batch.len() - 1;
        self.plan_next_submit();
        self.send_submits(batch);
    }

    pub(crate) fn send_submits(&mut self, batch: Vec<usize>) {
        for index in &batch {
            let submit = &self.plan.submits[*index];
            let (task, at_most_once) = (submit.task, submit.at_most_once);
            self.see(What::Submitted { task, at_most_once });
            if matches!(self.client_node.process, Some(Process::Guest(_))) {
                let fact = Fact::Submitted {
                    task,
                    function: Bytes::from_static(b"body"),
                    params: Bytes::copy_from_slice(&task.0.to_be_bytes()),
                };
                self.step_guest(Place::Client, Some(fact));
            }
        }
        if !matches!(self.client_node.process, Some(Process::Guest(_))) {
            self.schedule(self.latency(), Event::AtStoreSubmit(batch));
        }
    }

    pub(crate) fn submit(&mut self, batch: &[usize]) {
        if !self.store_up {
            return self.submit_again(batch);
        }
        let submission = |index: &usize| {
            let submit = &self.plan.submits[*index];
            Submission {
                task: submit.task,
                function: FUNCTION,
                params: Bytes::copy_from_slice(&submit.task.0.to_be_bytes()),
                options: Options {
                    timeout_ms: submit.timeout.map(|time| time.as_millis() as u64),
                    at_most_once: submit.at_most_once,
                },
            }
        };
        let reply = self.apply(Op::Submit(batch.iter().map(submission).collect()));
        // Without an answer the client submits the same tasks again (R12).
        if self.bend(Occasion::Answer) == Some(Bend::Lost) {
            return self.submit_again(batch);
        }
        let Reply::Submitted(answers) = reply else {
            return;
        };
        for (index, answer) in batch.iter().zip(answers) {
            let task = self.plan.submits[*index].task;
            self.see(What::Answered { task, answer });
            match answer {
                Submitted::Accepted => self.client.accept(*index),
                Submitted::QueueFull => {
                    self.marks.queue_full += 1;
                    self.submit_again(&[*index]);
                }
                Submitted::Conflict => {}
            }
        }
    }

    fn submit_again(&mut self, batch: &[usize]) {
        for index in batch {
            self.schedule(AGAIN, Event::Submit(*index));
        }
    }

    /// A guest's gateway has answered.
    pub(crate) fn accepted_by_guest(&mut self, task: TaskId) {
        if let Some(index) = self.client.place_of(task) {
            let answer = Submitted::Accepted;
            self.see(What::Answered { task, answer });
            self.client.accept(index);
        }
    }

    pub(crate) fn cancel(&mut self, task: TaskId) {
        if !self.store_up {
            return;
        }
        // Seen first: what it changes comes after it.
        self.see(What::CancelAsked(task));
        if self.apply(Op::Cancel { task }) == Reply::Cancelled(Cancelled::Done) {
            self.marks.cancelled += 1;
        }
    }
}
