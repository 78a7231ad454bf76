//! What a worker orders of its Python children, and what it learns from them.
//!
//! A *slot* is the place of one Python child. The driver keeps the processes and their pipes; that
//! a child is started, ended or replaced is decided by the worker machine.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use crate::id::{Attempt, FunctionId, TaskId};
use crate::task::{Function, Outcome, Versions};

/// The place of one Python child, from 0 to the number of processes less one.
pub type SlotId = u32;

/// An order to the driver of the children.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ChildOrder {
    /// Start a child. Answered by [`ChildFact::Ready`] or [`ChildFact::Exited`].
    Spawn {
        /// Where.
        slot: SlotId,
    },
    /// Run a task in a ready child that runs none. Answered by [`ChildFact::Replied`] or
    /// [`ChildFact::Exited`]. The driver sends the function's body along if this child has not
    /// had it.
    Execute {
        /// Where.
        slot: SlotId,
        /// Which task.
        task: TaskId,
        /// Which attempt.
        attempt: Attempt,
        /// The function's name.
        function: FunctionId,
        /// The function's body.
        body: Arc<Function>,
        /// The pickled `(args, kwargs)`.
        params: Bytes,
    },
    /// Ask the child's process group to end (SIGTERM).
    Terminate {
        /// Where.
        slot: SlotId,
    },
    /// End the child's process group (SIGKILL).
    Kill {
        /// Where.
        slot: SlotId,
    },
}

/// A fact about a child.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum ChildFact {
    /// It has started and waits for work.
    Ready {
        /// Where.
        slot: SlotId,
        /// Its Python and dill.
        versions: Versions,
    },
    /// A task has ended in it.
    Replied {
        /// Where.
        slot: SlotId,
        /// Which task.
        task: TaskId,
        /// Which attempt.
        attempt: Attempt,
        /// How.
        outcome: Outcome,
    },
    /// It is gone, and so is its process group.
    Exited {
        /// Where.
        slot: SlotId,
        /// Its exit code, if it exited.
        code: Option<i32>,
        /// The signal that ended it, if one did.
        signal: Option<i32>,
        /// What it printed since its last reply, cut at the capture limit; or, for a child that
        /// could not be started, why not.
        output: Bytes,
    },
}
