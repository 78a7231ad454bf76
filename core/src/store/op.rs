//! What can be asked of a store, and what it answers.
//!
//! Every operation is one atomic step, works on a batch where that makes sense, and may be
//! repeated when its answer was lost. The three homes of the store (in memory, embedded, Redis)
//! take exactly these values.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::id::{Attempt, FunctionId, Incarnation, Session, TaskId, WorkerKey};
use crate::task::{Function, Options, Outcome, Status};
use crate::time::WallTime;

/// One operation.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Op {
    /// Keeps a function. Answer: [`Reply::Done`].
    PutFunction {
        /// Its name, made by the gateway.
        id: FunctionId,
        /// What to keep.
        function: Function,
    },
    /// Reads a function. Answer: [`Reply::Function`].
    GetFunction {
        /// Which one.
        id: FunctionId,
    },
    /// Accepts tasks: each row becomes QUEUED at the back of the queue. Answer: [`Reply::Submitted`].
    Submit(Vec<Submission>),
    /// Opens the lease of a dispatcher incarnation, or extends it. A lease that is over is not opened
    /// again (R4). Answer: [`Reply::Done`] or [`Reply::LeaseGone`].
    OpenLease {
        /// Whose lease.
        incarnation: Incarnation,
    },
    /// Takes tasks from the queue (R1). Answer: [`Reply::Claimed`] or [`Reply::LeaseGone`].
    Claim(Claim),
    /// Ends tasks (R2). Answer: [`Reply::Committed`].
    Commit(Vec<Commit>),
    /// Gives tasks back to the queue (R3). Answer: [`Reply::Requeued`].
    Requeue(Vec<Requeue>),
    /// Takes over what a worker already holds (R6). Answer: [`Reply::Adopted`] or [`Reply::LeaseGone`].
    Adopt {
        /// The dispatcher that the worker said Hello to.
        incarnation: Incarnation,
        /// What the worker holds.
        tasks: Vec<Adoption>,
    },
    /// Extends a lease (R4). Answer: [`Reply::Renewed`] or [`Reply::LeaseGone`].
    Renew {
        /// Whose lease.
        incarnation: Incarnation,
        /// What the dispatcher sees, for people who ask why a task waits.
        report: Report,
        /// Tasks that have run for a while and the worker they are at, for people.
        placed: Vec<Placement>,
    },
    /// Closes leases that are over and gives their tasks back, at most [`REAP_BATCH`] of them in
    /// one step (R4). Answer: [`Reply::Reaped`].
    Reap,
    /// Gives all tasks of a dispatcher back and ends its lease. Answer: [`Reply::Released`].
    Release {
        /// Whose lease.
        incarnation: Incarnation,
    },
    /// Ends a task on a user's wish. Answer: [`Reply::Cancelled`].
    Cancel {
        /// Which one.
        task: TaskId,
    },
    /// Reads states and results. Answer: [`Reply::States`].
    Read(Vec<TaskId>),
    /// Reads everything that is known of one task. Answer: [`Reply::Inspected`].
    Inspect {
        /// Which one.
        task: TaskId,
    },
    /// Reads what the dispatchers reported last. Answer: [`Reply::Overview`].
    Overview,
    /// Forgets results that are past their retention. Answer: [`Reply::Expired`].
    Expire,
}

/// The answers to the last so many claims of an incarnation are kept: no more of them are under way
/// at once (R1).
pub const CLAIMS_KEPT: u64 = 64;

/// At most so many claims of an incarnation are carried out ahead: under the numbers that follow the last
/// it has asked for.
pub const CLAIMS_AHEAD: u64 = 32;

/// Claims with these numbers and above are not carried out ahead: a script of Redis cannot count on from
/// there.
pub const AHEAD_NUMBER_LIMIT: u64 = 1 << 53;

/// Tasks with parameters of so many bytes together are told with the hint that they were claimed ahead. Those
/// of more are fetched.
pub const AHEAD_BYTES: usize = 64 * 1024;

/// Whenever so many more tasks wait, the doorbell rings again: there is a reason for one more claim.
pub const BELL_EVERY: usize = 256;

/// At most so many tasks are given back by one [`Op::Reap`].
pub const REAP_BATCH: usize = 1_000;

/// How long a store remembers that a lease is closed, and refuses to open it again. A copy of a
/// request that arrives later than this would need a connection that was silent for as long.
pub const CLOSED_MEMORY: Duration = Duration::from_secs(60);

/// A task to accept.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Submission {
    /// Made by the gateway, so that a repeated submit is the same submit (R12).
    pub task: TaskId,
    /// What to run.
    pub function: FunctionId,
    /// The pickled `(args, kwargs)`.
    pub params: Bytes,
    /// How to run it.
    pub options: Options,
}

/// What became of a submission.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Submitted {
    /// The task is in the store: new, or the same as before.
    Accepted,
    /// A task of that name exists and runs another function.
    Conflict,
    /// The queue is at its limit; nothing was stored.
    QueueFull,
}

/// The arguments of [`Op::Claim`].
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Claim {
    /// Who will own the tasks.
    pub incarnation: Incarnation,
    /// Grows by one with each new claim of this incarnation; a repeat carries the same (R1). It is less
    /// than [`CLAIMS_KEPT`] above the smallest that has not been answered.
    pub number: u64,
    /// At most so many tasks.
    pub max: u32,
    /// At most so many of them with a loss: one for each worker that holds none (R14).
    pub suspects: u32,
    /// For how many tasks there is a place at all. Those that it does not bring stay open, and the next new
    /// tasks are claimed for them ahead.
    pub places: u32,
    /// Tasks to leave where they are: their adoption or commit is pending (R1).
    pub except: Vec<TaskId>,
}

/// A claimed task, with all that its worker needs but the function's body.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Claimed {
    /// Which task.
    pub task: TaskId,
    /// The attempt that this claim began.
    pub attempt: Attempt,
    /// What to run.
    pub function: FunctionId,
    /// The pickled `(args, kwargs)`.
    pub params: Bytes,
    /// How to run it.
    pub options: Options,
    /// How often a worker was lost under it.
    pub losses: u32,
}

/// A result to keep.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Commit {
    /// Which task.
    pub task: TaskId,
    /// The attempt that produced the outcome; the fencing token.
    pub attempt: Attempt,
    /// Where it ran, for people.
    pub worker: Option<WorkerKey>,
    /// How it ended.
    pub outcome: Outcome,
}

/// A task to give back.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Requeue {
    /// Which task.
    pub task: TaskId,
    /// The attempt that is given up.
    pub attempt: Attempt,
    /// The incarnation that owns it.
    pub owner: Incarnation,
    /// The session of its last adoption, 0 if it never was adopted.
    pub seat: Session,
    /// Where it was, for people.
    pub worker: Option<WorkerKey>,
    /// Why.
    pub reason: EndReason,
}

/// A held task to take over.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Adoption {
    /// Which task.
    pub task: TaskId,
    /// The attempt that the worker holds.
    pub attempt: Attempt,
    /// The session in which the worker said so.
    pub session: Session,
    /// Which worker, for people.
    pub worker: WorkerKey,
}

/// Where a running task is.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Placement {
    /// Which task.
    pub task: TaskId,
    /// Its attempt.
    pub attempt: Attempt,
    /// Where.
    pub worker: WorkerKey,
}

/// Why an attempt ended without an outcome.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The credit that it was claimed for was gone.
    NotPlaced,
    /// The worker gave it back unstarted.
    HandedBack,
    /// The worker said Hello and did not list it.
    NotHeld,
    /// The worker fell silent or its connection closed.
    WorkerLost,
    /// The dispatcher's lease ran out.
    DispatcherLost,
    /// The dispatcher left and gave it back.
    Released,
    /// The store listed it as the dispatcher's, who did not know it.
    Unaccounted,
}

impl EndReason {
    /// All reasons, in the order of declaration.
    pub const ALL: [EndReason; 7] = [
        EndReason::NotPlaced,
        EndReason::HandedBack,
        EndReason::NotHeld,
        EndReason::WorkerLost,
        EndReason::DispatcherLost,
        EndReason::Released,
        EndReason::Unaccounted,
    ];

    /// Whether the function may have begun to run: an at-most-once task then cannot run again (R16).
    pub const fn may_have_started(self) -> bool {
        matches!(
            self,
            EndReason::WorkerLost
                | EndReason::DispatcherLost
                | EndReason::Released
                | EndReason::Unaccounted
        )
    }

    /// Whether the task may be to blame, so that the next claim charges it a loss (R14).
    pub const fn is_loss(self) -> bool {
        matches!(
            self,
            EndReason::WorkerLost | EndReason::DispatcherLost | EndReason::Unaccounted
        )
    }

    /// The name in JSON and in the Redis store.
    pub const fn as_str(self) -> &'static str {
        match self {
            EndReason::NotPlaced => "not_placed",
            EndReason::HandedBack => "handed_back",
            EndReason::NotHeld => "not_held",
            EndReason::WorkerLost => "worker_lost",
            EndReason::DispatcherLost => "dispatcher_lost",
            EndReason::Released => "released",
            EndReason::Unaccounted => "unaccounted",
        }
    }

    /// The reason with this name.
    pub fn from_name(name: &str) -> Option<EndReason> {
        EndReason::ALL
            .into_iter()
            .find(|reason| reason.as_str() == name)
    }
}

/// How a dispatcher serves its workers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// One worker in the dispatcher's own process, no socket.
    Local,
    /// Workers ask for tasks.
    Pull,
    /// Workers give credit and are sent tasks.
    Push,
}

impl Mode {
    /// The name on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Mode::Local => "local",
            Mode::Pull => "pull",
            Mode::Push => "push",
        }
    }
}

/// What a dispatcher says of itself when it renews its lease.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Its mode.
    pub mode: Mode,
    /// Live workers.
    pub workers: u32,
    /// Their Python processes.
    pub processes: u32,
    /// Tasks they hold.
    pub held: u32,
    /// Tasks they could take now.
    pub free: u32,
    /// Whether it is leaving.
    pub draining: bool,
}

/// An answer.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Reply {
    /// Done.
    Done,
    /// The function, if it is there.
    Function(Option<Function>),
    /// One verdict a submission, in order.
    Submitted(Vec<Submitted>),
    /// The claimed tasks, oldest first.
    Claimed(Vec<Claimed>),
    /// One verdict a commit, in order.
    Committed(Vec<Verdict>),
    /// One verdict a requeue, in order.
    Requeued(Vec<Verdict>),
    /// One verdict an adoption, in order.
    Adopted(Vec<Verdict>),
    /// The lease is extended; these tasks are RUNNING under it, by id.
    Renewed(Vec<Owned>),
    /// The incarnation has no live lease; nothing was done.
    LeaseGone,
    /// How many tasks were given back, and whether more wait for another [`Op::Reap`].
    Reaped {
        /// Tasks given back (or failed, where they may not run again).
        tasks: u32,
        /// Whether the batch limit ended it.
        more: bool,
    },
    /// How many tasks were given back.
    Released(u32),
    /// Whether the task was there and not yet ended.
    Cancelled(Cancelled),
    /// One state a task, in order; `None` for an unknown one.
    States(Vec<Option<TaskState>>),
    /// The whole task, if it is there.
    Inspected(Option<Box<TaskView>>),
    /// The dispatchers with a live lease, and the queue.
    Overview(Overview),
    /// How many results were forgotten.
    Expired(u32),
}

/// What became of one item of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Verdict {
    /// It was done.
    Ok,
    /// The world has moved on; nothing was done. Forget that attempt.
    Stale,
}

/// What became of a cancellation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Cancelled {
    /// The task is FAILED now.
    Done,
    /// It had ended before.
    AlreadyEnded,
    /// There is no such task.
    Unknown,
}

/// A task that an incarnation owns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Owned {
    /// Which task.
    pub task: TaskId,
    /// Its current attempt.
    pub attempt: Attempt,
    /// The session of its last adoption.
    pub seat: Session,
}

/// What a waiting client needs.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct TaskState {
    /// The state.
    pub status: Status,
    /// How it ended, if it has.
    pub outcome: Option<Outcome>,
}

/// An attempt that ended without an outcome.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct PastAttempt {
    /// Its number.
    pub attempt: Attempt,
    /// Who had it, and since when.
    pub holder: Holder,
    /// When it ended.
    pub ended_at: WallTime,
    /// Why.
    pub reason: EndReason,
}

/// Who has, or had, an attempt.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Holder {
    /// The dispatcher that claimed or adopted it.
    pub dispatcher: Incarnation,
    /// The worker, as far as the store was told.
    pub worker: Option<WorkerKey>,
    /// When it was claimed.
    pub claimed_at: WallTime,
}

/// All that the store knows of a task, but its parameters.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct TaskView {
    /// What it runs.
    pub function: FunctionId,
    /// How.
    pub options: Options,
    /// Its state.
    pub status: Status,
    /// The number of its last attempt, 0 before the first claim.
    pub attempt: Attempt,
    /// How often a worker was lost under it.
    pub losses: u32,
    /// When it was accepted.
    pub submitted_at: WallTime,
    /// When it ended.
    pub finished_at: Option<WallTime>,
    /// Who has or had the last attempt. `None` while QUEUED.
    pub holder: Option<Holder>,
    /// Attempts that ended without an outcome, oldest first, at most [`PAST_LIMIT`].
    pub past: Vec<PastAttempt>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// How many queued tasks are ahead of it, while QUEUED.
    pub ahead: Option<u64>,
}

/// How many past attempts a task remembers.
pub const PAST_LIMIT: usize = 16;

/// The platform as its dispatchers reported it last.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Overview {
    /// Tasks in the queue.
    pub queued: u64,
    /// Dispatchers with a live lease, by incarnation; `None` before the first report.
    pub dispatchers: Vec<(Incarnation, Option<Report>)>,
}

/// A hint that something happened. Losing one costs time, never a task.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Notice {
    /// The doorbell: the queue was empty and is no longer, or got a task back; or tasks were claimed ahead
    /// that are too large for a hint.
    Queued,
    /// Tasks were claimed ahead.
    Claimed(Ahead),
    /// These tasks have ended.
    Ended(Vec<Ending>),
}

/// A claim that the store has carried out before its dispatcher asked for it: new tasks took what an earlier
/// claim had left open. Who then claims under this number is answered the same.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Ahead {
    /// Who owns the tasks.
    pub incarnation: Incarnation,
    /// The number of the claim.
    pub number: u64,
    /// What it has brought, oldest first.
    pub tasks: Vec<Claimed>,
}

/// The largest outcome that is told with the hint that a task has ended, in bytes. Whoever waits
/// for a larger one reads it.
pub const HINT_LIMIT: usize = 4 * 1024;

/// A task that has ended, as a hint tells it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Ending {
    /// Which task.
    pub task: TaskId,
    /// How, unless that takes more than [`HINT_LIMIT`], or there is too much in one hint.
    pub state: Option<TaskState>,
}
