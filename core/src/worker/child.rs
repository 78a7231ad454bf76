//! What a worker orders of its Python children, and what it learns from them.
//!
//! A *slot* is the place of one Python child. The driver keeps the processes and their pipes; that
//! a child is started, ended or replaced is decided by the worker machine.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

use crate::id::{Attempt, FunctionId, TaskId};
use crate::task::{Function, Outcome, Versions};
use crate::wire::message::TaskRef;

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
    /// Run a task in a ready child: at once, or after those that it was given before, if it reads
    /// ahead. Answered by [`ChildFact::Replied`], [`ChildFact::Recalled`] or [`ChildFact::Exited`].
    /// The driver sends the function's body along if this child has not had it.
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
    /// Take back every task that the child has been given and has not begun. Answered by
    /// [`ChildFact::Recalled`] or [`ChildFact::Exited`], whatever the child does meanwhile.
    Recall {
        /// Where.
        slot: SlotId,
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
        /// Whether it can be given tasks ahead of the one it runs: whether it can be told of each,
        /// even if the child dies, whether it was begun.
        reads_ahead: bool,
    },
    /// A task has ended in it. Those of one child end in the order in which it was given them.
    Replied {
        /// Where.
        slot: SlotId,
        /// Which task.
        task: TaskId,
        /// Which attempt.
        attempt: Attempt,
        /// How.
        outcome: Outcome,
        /// How long the child was busy with it.
        took: Duration,
    },
    /// These tasks have not begun in it, and will not. Not all that was asked for need come at
    /// once: a child that was about to begin one tells a little later that it did not.
    Recalled {
        /// Where.
        slot: SlotId,
        /// Which, in the order in which they were given.
        tasks: Vec<TaskRef>,
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
        /// The tasks that it may have begun and whose results are lost: at most the one that it
        /// ran, if it reads ahead. All others that it was given have not begun.
        begun: Vec<TaskRef>,
    },
}
