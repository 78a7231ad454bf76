//! What dispatcher and worker say to each other.
//!
//! Both directions travel in a frame that names the session and numbers its messages: a gap in
//! the numbers ends the session (R8). Beats and `SayHello` carry no number of their own; a beat
//! names the last number sent, so that a loss at the end of a burst is noticed too.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::id::{Attempt, FunctionId, Incarnation, Session, TaskId, WorkerId};
use crate::task::{Function, Options, Outcome, Versions};

/// The number of an unnumbered message.
pub const UNNUMBERED: u64 = 0;

/// A message of a worker with its envelope.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct FromWorker {
    /// Who speaks.
    pub worker: WorkerId,
    /// In which session.
    pub session: Session,
    /// The message's number within the session, from 1; [`UNNUMBERED`] for beats.
    pub number: u64,
    /// What is said.
    pub body: ToDispatcher,
}

/// A message of a dispatcher with its envelope.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct FromDispatcher {
    /// In which session.
    pub session: Session,
    /// The message's number within the session, from 1; [`UNNUMBERED`] for beats and `SayHello`.
    pub number: u64,
    /// What is said.
    pub body: ToWorker,
}

/// An attempt of a task, as a worker holds it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct TaskRef {
    /// Which task.
    pub task: TaskId,
    /// Which attempt.
    pub attempt: Attempt,
}

impl fmt::Display for TaskRef {
    /// The task's id, a point and the attempt.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.task, self.attempt)
    }
}

/// How a worker takes tasks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Flow {
    /// It asks, and each request is answered by one batch.
    Pull,
    /// It gives credit, and is sent tasks as long as there is some.
    Push,
}

/// What a worker says.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum ToDispatcher {
    /// Opens a session (R5). An empty, draining one is a worker's last message (R11).
    Hello(Hello),
    /// Proves life (R9).
    Beat {
        /// The number of the last numbered message (R8).
        last: u64,
        /// How many tasks the worker would hold in all.
        credit: u32,
    },
    /// Asks for tasks. Parked until there are some.
    Pull {
        /// How many tasks the worker would hold in all.
        credit: u32,
    },
    /// Tasks have ended. Repeated in every new session until acknowledged (R7).
    Finished(Vec<Finished>),
    /// Tasks are handed back unstarted.
    Returned {
        /// Which.
        tasks: Vec<TaskRef>,
        /// Functions whose body the worker no longer has.
        missing: Vec<FunctionId>,
    },
    /// The worker leaves: no new work, and these unstarted tasks back (R11).
    Goodbye {
        /// Which.
        returned: Vec<TaskRef>,
    },
}

/// The opening of a session.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// How it takes tasks.
    pub flow: Flow,
    /// Its Python processes.
    pub processes: u32,
    /// How many tasks it would hold in all.
    pub credit: u32,
    /// Its Python and dill.
    pub versions: Versions,
    /// Tasks that it holds, running or about to.
    pub running: Vec<TaskRef>,
    /// Tasks that ended and are not acknowledged yet.
    pub finished: Vec<TaskRef>,
    /// Whether it is leaving.
    pub draining: bool,
}

/// A task that ended.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Finished {
    /// Which.
    pub task: TaskRef,
    /// How.
    pub outcome: Outcome,
}

/// What a dispatcher says.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum ToWorker {
    /// Answers a Hello.
    Welcome {
        /// Who answers.
        dispatcher: Incarnation,
        /// How often it beats, and expects a beat.
        beat: Duration,
        /// After which silence it gives up.
        timeout: Duration,
    },
    /// Run these.
    Run(Vec<Run>),
    /// A function's body. Comes before the first task that needs it.
    Function {
        /// Its name.
        id: FunctionId,
        /// Its body.
        function: Arc<Function>,
    },
    /// These results are in the store, or no longer of interest: forget them (R2, R7).
    Ack(Vec<TaskRef>),
    /// Stop and forget these: somebody else has them, or they have ended (R6).
    Drop(Vec<TaskRef>),
    /// This session is not known here: open a new one (R8, R9).
    SayHello,
    /// Proves life (R9).
    Beat {
        /// The number of the last numbered message (R8).
        last: u64,
    },
    /// The dispatcher leaves: hand back what has not started.
    Drain,
}

/// A task to run.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Which.
    pub task: TaskRef,
    /// The function's name.
    pub function: FunctionId,
    /// The pickled `(args, kwargs)`.
    pub params: Bytes,
    /// How to run it.
    pub options: Options,
}
