//! Made-up histories.

use std::time::Duration;

use mpcsfaas_core::id::{Attempt, Incarnation, TaskId, WorkerId};
use mpcsfaas_core::store::RequestId;
use mpcsfaas_core::store::op::{EndReason, Submitted};
use mpcsfaas_core::task::{FailureKind, Status};
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::{Flow, TaskRef};
use mpcsfaas_transport_sim::history::{Ask, End, Ended, Row, Seen, What, WorkerState};
use mpcsfaas_transport_sim::place::Place;
use mpcsfaas_transport_sim::plan::{Fault, Plan, Shape, Trouble};

use super::{Checker, Setting};

pub(crate) const D0: Place = Place::Dispatcher(0);
pub(crate) const W0: Place = Place::Worker(0);
pub(crate) const W1: Place = Place::Worker(1);

/// A history that is being made up.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    now: Instant,
    seen: Vec<Seen>,
}

impl History {
    /// A history in which the store's, the dispatcher's and two workers' processes have started.
    pub(crate) fn new() -> History {
        [D0, W0, W1]
            .into_iter()
            .fold(History::default(), |history, node| {
                history.see(What::Arrived(node))
            })
    }

    /// What follows is seen at this time, in milliseconds.
    pub(crate) fn at(mut self, millis: u64) -> History {
        self.now = at(millis);
        self
    }

    pub(crate) fn see(mut self, what: What) -> History {
        let at = self.now;
        self.seen.push(Seen { at, what });
        self
    }

    pub(crate) fn row(self, row: Row) -> History {
        self.see(What::Row(row))
    }

    pub(crate) fn submitted(self, task: TaskId) -> History {
        let at_most_once = false;
        self.see(What::Submitted { task, at_most_once })
    }

    pub(crate) fn answered(self, task: TaskId, answer: Submitted) -> History {
        self.see(What::Answered { task, answer })
    }

    pub(crate) fn started(self, at: Place, task: TaskRef) -> History {
        self.see(What::Started { at, task })
    }

    pub(crate) fn stopped(self, at: Place, task: TaskRef) -> History {
        let by_itself = true;
        self.see(What::Stopped {
            at,
            task,
            by_itself,
        })
    }

    /// D0 sends this request to the store.
    pub(crate) fn asked(self, request: RequestId, ask: Ask) -> History {
        let by = D0;
        self.see(What::Asked { by, request, ask })
    }

    /// The store is about to carry out a request of D0's.
    pub(crate) fn served(self, ask: Ask) -> History {
        self.see(What::Served { of: D0, ask })
    }

    pub(crate) fn struck(self, node: Place, what: Trouble) -> History {
        let at = self.now;
        self.see(What::Struck(Fault { at, node, what }))
    }

    pub(crate) fn ended(self, node: Place) -> History {
        let by_itself = false;
        self.see(What::Ended { node, by_itself })
    }

    /// A checker's verdict, and how often its premise held.
    pub(crate) fn judge(self, checker: &mut dyn Checker) -> Result<u64, String> {
        self.seen
            .iter()
            .try_for_each(|seen| checker.observe(seen))?;
        Ok(checker.premises())
    }

    /// The same, with the end of the run.
    pub(crate) fn judge_end(self, checker: &mut dyn Checker, end: &End) -> Result<u64, String> {
        self.judge(checker)?;
        checker.finish(end)?;
        Ok(checker.premises())
    }
}

/// How the judgement of a history must fail: with a text that says all of this.
#[track_caller]
pub(crate) fn assert_broken(verdict: Result<u64, String>, words: &[&str]) {
    let text = verdict.expect_err("the promise is broken");
    for word in words {
        assert!(text.contains(word), "`{text}` does not say `{word}`");
    }
}

/// World time, in milliseconds.
pub(crate) fn at(millis: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(millis)
}

/// A setting with a latency of 1 ms.
pub(crate) fn setting() -> Setting {
    let shape = Shape {
        salt: 0,
        dispatchers: vec![Instant::ZERO],
        workers: Vec::new(),
        flow: Flow::Push,
        latency: Duration::from_millis(1),
        queue_limit: 1_000,
        claim_limit: 256,
        timeout: Duration::from_secs(3),
    };
    Setting::of(&Plan {
        shape,
        submits: Vec::new(),
        faults: Vec::new(),
        twists: Vec::new(),
        heal_at: Instant::ZERO,
    })
}

pub(crate) fn task(number: u128) -> TaskId {
    TaskId(number)
}

pub(crate) fn attempt(number: u128, attempt: Attempt) -> TaskRef {
    let task = TaskId(number);
    TaskRef { task, attempt }
}

pub(crate) fn owner(boot: u64) -> Incarnation {
    Incarnation { boot, epoch: 0 }
}

pub(crate) fn queued(task: TaskRef) -> Row {
    Row {
        task: task.task,
        status: Status::Queued,
        attempt: task.attempt,
        owner: None,
        seat: 0,
        losses: 0,
        marked: false,
        given_back: None,
        outcome: None,
    }
}

/// QUEUED again, for a reason.
pub(crate) fn given_back(task: TaskRef, reason: EndReason) -> Row {
    Row {
        marked: reason.is_loss(),
        given_back: Some(reason),
        ..queued(task)
    }
}

pub(crate) fn running(task: TaskRef) -> Row {
    Row {
        status: Status::Running,
        owner: Some(owner(1)),
        ..queued(task)
    }
}

pub(crate) fn completed(task: TaskRef) -> Row {
    Row {
        status: Status::Completed,
        outcome: Some(Ended {
            digest: u64::from(task.attempt),
            result_of: Some(task.attempt),
            failure: None,
        }),
        ..queued(task)
    }
}

pub(crate) fn failed(task: TaskRef, kind: FailureKind) -> Row {
    Row {
        status: Status::Failed,
        outcome: Some(Ended {
            digest: kind as u64,
            result_of: None,
            failure: Some(kind),
        }),
        ..queued(task)
    }
}

/// What the worker at this place is called, in every life.
pub(crate) fn id_of(node: Place) -> WorkerId {
    match node {
        Place::Worker(index) => WorkerId(index as u64),
        Place::Client | Place::Store | Place::Dispatcher(_) => panic!("{node} is no worker"),
    }
}

/// A worker with two idle processes that D0 has welcomed.
pub(crate) fn worker(node: Place) -> WorkerState {
    WorkerState {
        node,
        id: id_of(node),
        session: 1,
        welcome: true,
        dispatcher: Some(D0),
        held: 0,
        running: 0,
        credit: 3,
        ready: 2,
        over_credit: false,
        leaving: false,
    }
}

/// An end at which nothing is left to do.
pub(crate) fn end(millis: u64) -> End {
    End {
        at: at(millis),
        healed_at: Instant::ZERO,
        done_at: Some(at(millis)),
        waits: Vec::new(),
        outside: Vec::new(),
    }
}
