//! A pool of processes: so many run, the rest waits in line.

use std::collections::VecDeque;

use bytes::Bytes;
use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::task::Status;
use mpcsfaas_transport_sim::guest::Order;

/// The pool. A task whose process ends itself is never heard of again (8).
#[derive(Debug)]
pub(super) struct Pool {
    free: usize,
    line: VecDeque<TaskId>,
}

impl Pool {
    pub(super) fn new(processes: usize) -> Pool {
        Pool {
            free: processes,
            line: VecDeque::new(),
        }
    }

    /// Takes a task. It takes any number.
    pub(super) fn submit(&mut self, task: TaskId, orders: &mut Vec<Order>) {
        self.line.push_back(task);
        self.start(orders);
    }

    /// A process has run its task to the end, or another has taken its place.
    pub(super) fn ended(&mut self, orders: &mut Vec<Order>) {
        self.free += 1;
        self.start(orders);
    }

    fn start(&mut self, orders: &mut Vec<Order>) {
        while self.free > 0
            && let Some(task) = self.line.pop_front()
        {
            self.free -= 1;
            orders.push(Order::Execute(task));
        }
    }
}

/// How the original calls an ending, and what it keeps of it.
pub(super) fn ending(result: Result<Bytes, Bytes>) -> (Status, Bytes) {
    match result {
        Ok(result) => (Status::Completed, result),
        Err(message) => (Status::Failed, message),
    }
}
