//! Where the time of a task goes: an event at each place on its way, for whoever asks.
//!
//! ```text
//!   gateway      read ─ submit ─ accepted                             heard ─ told
//!   dispatcher               claim ─ claimed ─ sent      finished ─ commit ─ committed
//!   worker                                arrived ─ given ─ replied ─ reported
//! ```
//!
//! The events are those of the target [`TARGET`] at the level TRACE, with the fields `task`, `hop`
//! and `at`: nanoseconds of the monotonic clock, which all processes of a machine share. Where nobody
//! asks, each place costs one comparison, and no clock is read. `mpcsfaas bench hops` asks.
//!
//! The original's workers are not followed.

use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::store::op::Claimed;
use mpcsfaas_core::store::{Op, Reply};
use mpcsfaas_core::wire::message::{FromDispatcher, FromWorker, ToDispatcher, ToWorker};
use mpcsfaas_core::worker::child::{ChildFact, ChildOrder};
use tracing::{Level, enabled, trace};

use crate::clock::monotonic_nanos;

/// The target of these events.
pub const TARGET: &str = "mpcsfaas::hops";

/// A place on the way of a task.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Hop {
    /// The gateway has read the request.
    Read,
    /// The gateway asks the store to accept the task.
    Submit,
    /// The store has answered that it did.
    Accepted,
    /// A dispatcher asks the store for tasks.
    Claim,
    /// It has got this one.
    Claimed,
    /// It gives the task to the connection with a worker.
    Sent,
    /// The worker has read it.
    Arrived,
    /// The worker gives it to a Python process.
    Given,
    /// It has read the result.
    Replied,
    /// It gives the result to the connection with its dispatcher.
    Reported,
    /// The dispatcher has read it.
    Finished,
    /// It asks the store to keep the result.
    Commit,
    /// The store has answered that it did.
    Committed,
    /// The gateway has heard of the end.
    Heard,
    /// It has made its answer to the client.
    Told,
}

impl Hop {
    /// All, in the order of declaration.
    pub const ALL: [Hop; 15] = [
        Hop::Read,
        Hop::Submit,
        Hop::Accepted,
        Hop::Claim,
        Hop::Claimed,
        Hop::Sent,
        Hop::Arrived,
        Hop::Given,
        Hop::Replied,
        Hop::Reported,
        Hop::Finished,
        Hop::Commit,
        Hop::Committed,
        Hop::Heard,
        Hop::Told,
    ];

    /// The name in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Hop::Read => "read",
            Hop::Submit => "submit",
            Hop::Accepted => "accepted",
            Hop::Claim => "claim",
            Hop::Claimed => "claimed",
            Hop::Sent => "sent",
            Hop::Arrived => "arrived",
            Hop::Given => "given",
            Hop::Replied => "replied",
            Hop::Reported => "reported",
            Hop::Finished => "finished",
            Hop::Commit => "commit",
            Hop::Committed => "committed",
            Hop::Heard => "heard",
            Hop::Told => "told",
        }
    }

    /// The place with this name.
    pub fn from_name(name: &str) -> Option<Hop> {
        Hop::ALL.into_iter().find(|hop| hop.as_str() == name)
    }
}

/// Whether anybody asks.
#[inline]
fn asked_for() -> bool {
    enabled!(target: TARGET, Level::TRACE)
}

/// The time, for a [`mark_since`] when it is known whom it concerns; `None` if nobody asks.
#[inline]
pub fn now() -> Option<u64> {
    asked_for().then(monotonic_nanos)
}

/// These tasks are here now. The tasks are looked at only if somebody asks.
#[inline]
pub fn mark(hop: Hop, tasks: impl IntoIterator<Item = TaskId>) {
    mark_since(hop, now(), tasks);
}

/// These tasks were here at `at`, a time of [`now`].
#[inline]
pub fn mark_since(hop: Hop, at: Option<u64>, tasks: impl IntoIterator<Item = TaskId>) {
    let Some(at) = at else { return };
    for task in tasks {
        trace!(target: TARGET, %task, hop = hop.as_str(), at);
    }
}

/// A request to the store that is under way, if somebody asks.
#[derive(Debug)]
pub struct Asked {
    at: u64,
    /// Those that it names: a claim names none.
    tasks: Vec<TaskId>,
}

/// The store is asked.
#[inline]
pub fn asking(op: &Op) -> Option<Asked> {
    now().and_then(|at| Asked::of(op, at))
}

impl Asked {
    fn of(op: &Op, at: u64) -> Option<Asked> {
        let (hop, tasks) = match op {
            Op::Submit(batch) => (Hop::Submit, batch.iter().map(|item| item.task).collect()),
            Op::Commit(batch) => (Hop::Commit, batch.iter().map(|item| item.task).collect()),
            Op::Claim(_) => (Hop::Claim, Vec::new()),
            _ => return None,
        };
        mark_since(hop, Some(at), tasks.iter().copied());
        Some(Asked { at, tasks })
    }

    /// It has answered.
    pub fn answered(self, reply: &Reply) {
        match reply {
            Reply::Submitted(_) => mark(Hop::Accepted, self.tasks),
            Reply::Committed(_) => mark(Hop::Committed, self.tasks),
            Reply::Claimed(claimed) => {
                let tasks = || claimed.iter().map(|claimed| claimed.task);
                mark_since(Hop::Claim, Some(self.at), tasks());
                mark(Hop::Claimed, tasks());
            }
            _ => {}
        }
    }
}

/// A dispatcher hears of tasks that the store has claimed before it was asked to. So it asked for them at that
/// moment, and had the answer.
#[inline]
pub fn claimed_ahead(tasks: &[Claimed]) {
    if let Some(at) = now() {
        let tasks = || tasks.iter().map(|claimed| claimed.task);
        mark_since(Hop::Claim, Some(at), tasks());
        mark_since(Hop::Claimed, Some(at), tasks());
    }
}

/// A dispatcher says something to a worker, who has read it if `hop` is [`Hop::Arrived`].
#[inline]
pub fn to_worker(hop: Hop, message: &FromDispatcher) {
    if let ToWorker::Run(runs) = &message.body {
        mark(hop, runs.iter().map(|run| run.task.task));
    }
}

/// A worker says something to its dispatcher, who has read it if `hop` is [`Hop::Finished`].
#[inline]
pub fn to_dispatcher(hop: Hop, message: &FromWorker) {
    if let ToDispatcher::Finished(finished) = &message.body {
        mark(hop, finished.iter().map(|finished| finished.task.task));
    }
}

/// A worker orders something of a Python process.
#[inline]
pub fn ordered(order: &ChildOrder) {
    if let ChildOrder::Execute { task, .. } = order {
        mark(Hop::Given, [*task]);
    }
}

/// A worker learns something of a Python process.
#[inline]
pub fn learned(fact: &ChildFact) {
    if let ChildFact::Replied { task, .. } = fact {
        mark(Hop::Replied, [*task]);
    }
}
