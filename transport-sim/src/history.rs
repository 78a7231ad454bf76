//! What is seen of a run: the only thing that checkers look at.
//!
//! A checker that judges a history can be shown a made-up one that breaks its promise, and judges
//! the original's processes as it judges ours.

use mpcsfaas_core::id::{Attempt, Incarnation, Session, TaskId, WorkerId, WorkerKey};
use mpcsfaas_core::store::op::{Adoption, Cancelled, Commit, EndReason, Reply, Requeue, Submitted};
use mpcsfaas_core::store::{Op, RequestId, Row as StoreRow};
use mpcsfaas_core::task::{FailureKind, Status};
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::TaskRef;

use crate::chain::Chain;
use crate::children::attempt_of;
use crate::place::Place;
use crate::plan::{Bend, Fault, Occasion};

/// Something that was seen, and when.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Seen {
    /// World time, which no node's clock shows.
    pub at: Instant,
    /// What.
    pub what: What,
}

/// What can be seen.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum What {
    /// The client sent a task, perhaps again.
    Submitted {
        /// Which.
        task: TaskId,
        /// Whether it may run at most once.
        at_most_once: bool,
    },
    /// The client got an answer.
    Answered {
        /// About which task.
        task: TaskId,
        /// Which.
        answer: Submitted,
    },
    /// A user cancelled a task, and the store took that in.
    CancelAsked(TaskId),
    /// A row of the store is new or has changed.
    Row(Row),
    /// A row of the store is gone.
    RowGone(TaskId),
    /// A Python child began with an attempt.
    Started {
        /// At which worker.
        at: Place,
        /// Which.
        task: TaskRef,
    },
    /// A Python child is done with an attempt, one way or another, or died with it.
    Stopped {
        /// At which worker.
        at: Place,
        /// Which.
        task: TaskRef,
        /// Whether it ended by itself; otherwise it was killed.
        by_itself: bool,
    },
    /// A worker's state has changed.
    Worker(WorkerState),
    /// A dispatcher no longer counts a worker among the living, although that worker lives and is
    /// in the session that the dispatcher had welcomed.
    DeclaredDead {
        /// Who says so.
        by: Place,
        /// Of whom.
        worker: Place,
    },
    /// A process was asked to leave.
    Leaving {
        /// Which.
        node: Place,
        /// What it has been given and has not started.
        unstarted: Vec<TaskRef>,
    },
    /// A process started.
    Arrived(Place),
    /// A process is gone.
    Ended {
        /// Which.
        node: Place,
        /// Whether it ended by itself, after it had left.
        by_itself: bool,
    },
    /// A fault struck.
    Struck(Fault),
    /// A fault that lasts is over: the node goes on, is back, or is connected again.
    Over {
        /// Who suffered.
        node: Place,
    },
    /// Something did not go as it usually would.
    Twisted {
        /// What.
        on: Occasion,
        /// What happened instead.
        bend: Bend,
    },
    /// A message that was delivered before was delivered again, to this node.
    Repeated(Place),
    /// This worker was asked for a new session.
    Unwelcome(Place),
    /// A request that the store had carried out before was carried out again, as a late copy. Only
    /// of those that are fenced: a copy of Reap finds what is over by then.
    ServedAgain {
        /// Whose request.
        of: Place,
        /// The rows that it changed.
        changed: Vec<TaskId>,
    },
    /// A dispatcher sent a request to the store, perhaps again.
    Asked {
        /// Who asks.
        by: Place,
        /// Which of its requests.
        request: RequestId,
        /// For what.
        ask: Ask,
    },
    /// The store is about to carry out a dispatcher's request: the rows that it changes follow.
    Served {
        /// Whose request.
        of: Place,
        /// What is asked for.
        ask: Ask,
    },
    /// A dispatcher has learnt the answer to a request.
    Told {
        /// Who asked.
        by: Place,
        /// Which of its requests.
        request: RequestId,
    },
    /// The store opened or extended the lease of a dispatcher's life.
    Leased(Incarnation),
    /// A user was told that a task is cancelled.
    Cancelled(TaskId),
    /// A worker gave back what it had been given and will not start.
    HandedBack {
        /// Which worker.
        by: Place,
        /// Which attempts.
        tasks: Vec<TaskRef>,
    },
    /// A dispatcher told a worker that it need not keep these results.
    Acknowledged {
        /// Who said so.
        by: Place,
        /// Of which attempts.
        results: Vec<TaskRef>,
    },
    /// The longest line that a node has: messages of one connection, or its own held tasks.
    Line {
        /// What is counted.
        kind: LineKind,
        /// Where.
        node: Place,
        /// How many.
        length: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// Faults are over.
    Healed,
}

/// What a request to the store asks for, as far as it matters to a judge.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Ask {
    /// To open or to extend a lease.
    Lease(Incarnation),
    /// To give back a lease, with all that is owned under it.
    Release(Incarnation),
    /// To claim tasks.
    Claim {
        /// Who will own them.
        owner: Incarnation,
        /// The number of the claim; a repeat has the same.
        number: u64,
    },
    /// To take over what workers hold.
    Adopt {
        /// Who will own it.
        owner: Incarnation,
        /// What.
        tasks: Vec<Seat>,
    },
    /// To end tasks.
    Commit(Vec<TaskRef>),
    /// To put tasks back into the queue.
    GiveBack(Vec<GiveBack>),
    /// To cancel a task.
    Cancel(TaskId),
    /// Anything else.
    Other,
}

/// Where an attempt is, as whoever adopts it says.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Seat {
    /// Which attempt.
    pub task: TaskRef,
    /// The worker that has it.
    pub worker: WorkerKey,
    /// In which session.
    pub session: Session,
}

/// An attempt that is given up, and who says that it is his.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct GiveBack {
    /// Which attempt.
    pub task: TaskRef,
    /// Who owns it.
    pub owner: Incarnation,
    /// The session of its last adoption.
    pub seat: Session,
}

impl Ask {
    /// What an operation asks for.
    pub fn of(op: &Op) -> Ask {
        match op {
            Op::OpenLease { incarnation } | Op::Renew { incarnation, .. } => {
                Ask::Lease(*incarnation)
            }
            Op::Release { incarnation } => Ask::Release(*incarnation),
            Op::Claim(claim) => Ask::Claim {
                owner: claim.incarnation,
                number: claim.number,
            },
            Op::Adopt { incarnation, tasks } => Ask::Adopt {
                owner: *incarnation,
                tasks: tasks.iter().map(Seat::of).collect(),
            },
            Op::Commit(batch) => Ask::Commit(batch.iter().map(attempt_of_commit).collect()),
            Op::Requeue(batch) => Ask::GiveBack(batch.iter().map(GiveBack::of).collect()),
            Op::Cancel { task } => Ask::Cancel(*task),
            _ => Ask::Other,
        }
    }

    /// The attempts that it names.
    pub fn attempts(&self) -> impl Iterator<Item = TaskRef> + '_ {
        let (seats, commits, given_back): (&[Seat], &[TaskRef], &[GiveBack]) = match self {
            Ask::Adopt { tasks, .. } => (tasks, &[], &[]),
            Ask::Commit(tasks) => (&[], tasks, &[]),
            Ask::GiveBack(tasks) => (&[], &[], tasks),
            Ask::Lease(_) | Ask::Release(_) | Ask::Claim { .. } | Ask::Cancel(_) | Ask::Other => {
                (&[], &[], &[])
            }
        };
        let seats = seats.iter().map(|seat| seat.task);
        let given_back = given_back.iter().map(|item| item.task);
        seats.chain(commits.iter().copied()).chain(given_back)
    }

    /// What is seen when the store answers so.
    pub fn seen(&self, reply: &Reply) -> Option<What> {
        match (self, reply) {
            (Ask::Lease(owner), Reply::Done | Reply::Renewed(_)) => Some(What::Leased(*owner)),
            (Ask::Cancel(task), Reply::Cancelled(Cancelled::Done)) => Some(What::Cancelled(*task)),
            _ => None,
        }
    }
}

impl Seat {
    fn of(adoption: &Adoption) -> Seat {
        let Adoption {
            task,
            attempt,
            session,
            ref worker,
        } = *adoption;
        Seat {
            task: TaskRef { task, attempt },
            worker: worker.clone(),
            session,
        }
    }
}

impl GiveBack {
    fn of(requeue: &Requeue) -> GiveBack {
        let Requeue {
            task,
            attempt,
            owner,
            seat,
            ..
        } = *requeue;
        GiveBack {
            task: TaskRef { task, attempt },
            owner,
            seat,
        }
    }
}

fn attempt_of_commit(commit: &Commit) -> TaskRef {
    let Commit { task, attempt, .. } = *commit;
    TaskRef { task, attempt }
}

/// Lines that have a limit (P13).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum LineKind {
    /// QUEUED tasks in the store.
    Queue,
    /// Messages under way on one connection.
    Messages,
    /// Tasks and results at a worker.
    Held,
    /// Tasks that one claim brought.
    Claim,
    /// Past attempts in a row.
    Past,
    /// Bytes of a result.
    Result,
}

/// A row of the store.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Row {
    /// Which task.
    pub task: TaskId,
    /// Its state.
    pub status: Status,
    /// Its last attempt. Always 0 in the original's store, which knows none.
    pub attempt: Attempt,
    /// Who has it, while it is RUNNING.
    pub owner: Option<Incarnation>,
    /// The session of its last adoption.
    pub seat: Session,
    /// Its losses.
    pub losses: u32,
    /// Whether another will be charged with the next claim (R14).
    pub marked: bool,
    /// Why its present attempt was given back, unless somebody has that attempt.
    pub given_back: Option<EndReason>,
    /// How it ended.
    pub outcome: Option<Ended>,
}

impl Row {
    /// What a judge sees of a row.
    pub fn of(task: TaskId, row: &StoreRow) -> Row {
        Row {
            task,
            status: row.status,
            attempt: row.attempt,
            owner: match row.status {
                Status::Running => row.holder.as_ref().map(|holder| holder.dispatcher),
                Status::Queued | Status::Completed | Status::Failed => None,
            },
            seat: row.seat,
            losses: row.losses,
            marked: row.marked,
            given_back: match (&row.holder, row.past.last()) {
                (None, Some(past)) if past.attempt == row.attempt => Some(past.reason),
                _ => None,
            },
            outcome: row.outcome.as_ref().map(|outcome| Ended {
                digest: Chain::of(outcome),
                result_of: outcome
                    .result
                    .as_ref()
                    .ok()
                    .and_then(|bytes| attempt_of(bytes)),
                failure: outcome.result.as_ref().err().map(|failure| failure.kind),
            }),
        }
    }
}

/// How a task ended, as far as it matters to a judge.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ended {
    /// A digest of the whole outcome.
    pub digest: u64,
    /// The attempt whose result it is, if it is a result.
    pub result_of: Option<Attempt>,
    /// Why it failed, if it did.
    pub failure: Option<FailureKind>,
}

/// A worker, as it sees itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct WorkerState {
    /// Where.
    pub node: Place,
    /// Which life it is.
    pub id: WorkerId,
    /// Which session it is in.
    pub session: Session,
    /// Whether that session has been welcomed.
    pub welcome: bool,
    /// The dispatcher at the other end of its connection.
    pub dispatcher: Option<Place>,
    /// Tasks and results that it holds.
    pub held: usize,
    /// Of them, how many run.
    pub running: usize,
    /// How many it said it would hold, in all.
    pub credit: u32,
    /// How many Python processes it has that have started and not ended.
    pub ready: u32,
    /// Whether it was ever given more than it would hold.
    pub over_credit: bool,
    /// Whether it is leaving.
    pub leaving: bool,
}

/// The end of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct End {
    /// When.
    pub at: Instant,
    /// When faults ended.
    pub healed_at: Instant,
    /// When the last accepted task had ended, if all have.
    pub done_at: Option<Instant>,
    /// What still waits, and for what.
    pub waits: Vec<(TaskId, Waits)>,
    /// Live workers that are in no dispatcher's roster with their present session.
    pub outside: Vec<Place>,
}

/// Why a task has not ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Waits {
    /// The client has no answer to its submit yet.
    ForAnAnswer,
    /// It is QUEUED, and no dispatcher is up and connected to the store.
    ForADispatcher,
    /// It is QUEUED, and no dispatcher has a worker.
    ForAWorker,
    /// It is QUEUED, and every worker is full.
    ForCredit,
    /// It is QUEUED although a worker would take it.
    ForNobodyKnowsWhat,
    /// It is RUNNING for a dispatcher's life that is over.
    ForAReaper(Incarnation),
    /// It is RUNNING for a dispatcher that does not know it.
    ForItsOwner(Incarnation),
    /// A dispatcher knows it, and a worker runs it.
    ForAWorkersEnd(Place),
    /// A dispatcher knows it, and no worker runs it: it is on its way to or from the store or a worker.
    OnItsWay(Incarnation),
    /// In the original's store: RUNNING, and no process runs it.
    ForGood,
}
