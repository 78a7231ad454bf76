//! What a worker learns, what it orders, and how it is set up.

use std::time::Duration;

use super::child::{ChildFact, ChildOrder};
use crate::id::{Session, WorkerId};
use crate::timing::Timing;
use crate::wire::message::{Flow, FromDispatcher, FromWorker};

/// A fact for the worker.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Input {
    /// The dispatcher said something.
    MessageReceived(FromDispatcher),
    /// The connection of a session closed, or could not be made.
    ConnectionClosed {
        /// Whose; an older session's end means nothing.
        session: Session,
    },
    /// Something happened to a Python child.
    Child(ChildFact),
    /// The worker was asked to leave.
    DrainRequested,
}

/// An order of the worker.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Output {
    /// Drop the connection, if there is one, and make one whose identity is this session's (R5).
    Connect {
        /// Names the connection.
        session: Session,
    },
    /// Say this on the current connection.
    Send(FromWorker),
    /// Do this to a Python child.
    Child(ChildOrder),
    /// Everything is handed over: end the process.
    Exit,
}

/// How a worker is set up.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Config {
    /// This life of the worker.
    pub worker: WorkerId,
    /// Python processes, at least 1.
    pub processes: u32,
    /// How it takes tasks.
    pub flow: Flow,
    /// For jitter.
    pub seed: u64,
    /// Beats and patience.
    pub timing: Timing,
    /// From the polite signal at a deadline to the deadly one.
    pub kill_grace: Duration,
    /// How much work should wait at the worker, so that no process idles during a round trip.
    pub prefetch: Duration,
    /// The most tasks a process may have waiting.
    pub prefetch_limit: u32,
    /// How much work a process may be given ahead, in its pipe, so that it does not wait for the
    /// next task between two short ones.
    pub pipe: Duration,
    /// The most tasks that may be in a process and its pipe; at most 64.
    pub pipe_limit: usize,
    /// How long a result may wait for the next, while tasks wait here for a process.
    pub result_delay: Duration,
    /// The first pause before a new connection; doubles up to `backoff_limit`.
    pub backoff: Duration,
    /// The longest pause before a new connection.
    pub backoff_limit: Duration,
    /// How many functions' bodies are kept.
    pub function_limit: usize,
}

impl Config {
    /// The usual settings.
    pub fn new(worker: WorkerId, processes: u32, flow: Flow, seed: u64) -> Config {
        Config {
            worker,
            processes: processes.max(1),
            flow,
            seed,
            timing: Timing::default(),
            kill_grace: Duration::from_secs(2),
            prefetch: Duration::from_millis(20),
            prefetch_limit: 128,
            pipe: Duration::from_millis(1),
            pipe_limit: 32,
            result_delay: Duration::from_millis(1),
            backoff: Duration::from_millis(100),
            backoff_limit: Duration::from_secs(2),
            function_limit: 1_024,
        }
    }
}
