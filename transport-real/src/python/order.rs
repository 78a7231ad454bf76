//! What one slot is ordered.

use std::sync::Arc;

use bytes::Bytes;
use mpcsfaas_core::id::{Attempt, FunctionId, TaskId};
use mpcsfaas_core::task::Function;
use mpcsfaas_core::worker::child::{ChildOrder, SlotId};
use nix::sys::signal::Signal;

/// An order to one slot.
#[derive(Debug)]
pub(super) enum Order {
    Spawn,
    Execute(Run),
    Recall,
    Signal(Signal),
}

/// A task to run.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) task: TaskId,
    pub(super) attempt: Attempt,
    pub(super) function: FunctionId,
    pub(super) body: Arc<Function>,
    pub(super) params: Bytes,
}

impl Order {
    /// The slot that is meant, and what it shall do.
    pub(super) fn from_machine(order: ChildOrder) -> (SlotId, Order) {
        match order {
            ChildOrder::Spawn { slot } => (slot, Order::Spawn),
            ChildOrder::Execute {
                slot,
                task,
                attempt,
                function,
                body,
                params,
            } => {
                let run = Run {
                    task,
                    attempt,
                    function,
                    body,
                    params,
                };
                (slot, Order::Execute(run))
            }
            ChildOrder::Recall { slot } => (slot, Order::Recall),
            ChildOrder::Terminate { slot } => (slot, Order::Signal(Signal::SIGTERM)),
            ChildOrder::Kill { slot } => (slot, Order::Signal(Signal::SIGKILL)),
        }
    }
}
