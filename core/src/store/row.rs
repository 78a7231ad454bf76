//! What the store keeps of a task and of a lease.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::op::{
    AHEAD_NUMBER_LIMIT, CLAIMS_AHEAD, CLAIMS_KEPT, Holder, PAST_LIMIT, PastAttempt, Report,
    Submission, TaskState,
};
use crate::id::{Attempt, FunctionId, Session, TaskId};
use crate::task::{FailureKind, Options, Outcome, Status};
use crate::time::WallTime;

/// A task's row.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Row {
    /// What it runs.
    pub function: FunctionId,
    /// The pickled `(args, kwargs)`; empty once it has ended.
    pub params: Bytes,
    /// How to run it.
    pub options: Options,
    /// Its place in the order of submission. A task that is given back returns to this place,
    /// which is in front of every task that has not been claimed yet.
    pub seq: u64,
    /// Its state.
    pub status: Status,
    /// The number of its last attempt, 0 before the first claim.
    pub attempt: Attempt,
    /// The session of the current attempt's last adoption, 0 if there was none (R6).
    pub seat: Session,
    /// How often a worker was lost under it.
    pub losses: u32,
    /// A loss that the next claim will charge (R14).
    pub marked: bool,
    /// When it was accepted.
    pub submitted_at: WallTime,
    /// When it ended.
    pub finished_at: Option<WallTime>,
    /// Who has or had the last attempt. `None` while QUEUED, or if the store itself ended it there.
    pub holder: Option<Holder>,
    /// Attempts that ended without an outcome, oldest first.
    pub past: Vec<PastAttempt>,
    /// How it ended.
    pub outcome: Option<Outcome>,
}

impl Row {
    pub(super) fn new(seq: u64, now: WallTime, submission: Submission) -> Row {
        Row {
            function: submission.function,
            params: submission.params,
            options: submission.options,
            seq,
            status: Status::Queued,
            attempt: 0,
            seat: 0,
            losses: 0,
            marked: false,
            submitted_at: now,
            finished_at: None,
            holder: None,
            past: Vec::new(),
            outcome: None,
        }
    }

    /// What is told to whoever waits for it.
    pub(super) fn state(&self) -> TaskState {
        TaskState {
            status: self.status,
            outcome: self.outcome.clone(),
        }
    }

    /// Whether it may be to blame for a lost worker, so that it shares no worker with another such.
    pub const fn is_suspect(&self) -> bool {
        self.losses > 0 || self.marked
    }

    /// Remembers an ended attempt, forgetting the oldest over the limit.
    pub(super) fn remember(&mut self, past: PastAttempt) {
        self.past.push(past);
        if self.past.len() > PAST_LIMIT {
            self.past.remove(0);
        }
    }

    /// Takes the current attempt back out of the past: it is alive after all.
    pub(super) fn recall(&mut self) {
        if self.holder.is_none() && self.past.last().is_some_and(|p| p.attempt == self.attempt) {
            self.holder = self.past.pop().map(|past| past.holder);
        }
    }
}

/// A dispatcher's lease record.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Lease {
    /// When it is over.
    pub expires_at: WallTime,
    /// The number of the last claim, 0 before the first.
    pub claim_number: u64,
    /// What was answered to the last claims, by their numbers: of those whose numbers differ by a
    /// multiple of [`CLAIMS_KEPT`] only the last (R1).
    pub claim_answers: BTreeMap<u64, Vec<(TaskId, Attempt)>>,
    /// The largest number under which the dispatcher itself has asked.
    pub asked_number: u64,
    /// What the last claim has left open, for new tasks to take.
    pub standing: Option<Standing>,
    /// What the dispatcher reported last.
    pub report: Option<Report>,
}

/// Places that a claim has left open.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Standing {
    /// How many.
    pub places: u32,
    /// When they are over.
    pub until: WallTime,
}

impl Lease {
    /// Keeps what was answered to a claim, and forgets what is too old to be asked for again.
    pub(super) fn keep_answer(&mut self, number: u64, answer: Vec<(TaskId, Attempt)>) {
        self.claim_number = self.claim_number.max(number);
        let place = number % CLAIMS_KEPT;
        self.claim_answers
            .retain(|kept, _| kept % CLAIMS_KEPT != place);
        self.claim_answers.insert(number, answer);
    }

    /// So many places are open until then, or until the next claim.
    pub(super) fn leave_open(&mut self, places: u32, until: WallTime) {
        self.standing = (places > 0).then_some(Standing { places, until });
    }

    /// How many new tasks may be claimed for it ahead at `now`.
    pub(super) fn places_ahead(&self, now: WallTime) -> u32 {
        let next = self.claim_number.saturating_add(1);
        let open = self.is_live(now)
            && next < AHEAD_NUMBER_LIMIT
            && next <= self.asked_number.saturating_add(CLAIMS_AHEAD);
        let standing = self
            .standing
            .filter(|standing| open && now < standing.until);
        standing.map_or(0, |standing| standing.places)
    }

    /// So many of the open places are taken.
    pub(super) fn take_places(&mut self, taken: u32) {
        if let Some(standing) = &mut self.standing {
            standing.places = standing.places.saturating_sub(taken);
        }
        self.standing = self.standing.filter(|standing| standing.places > 0);
    }

    /// Whether it is live at `now`. A lease ends *at* its expiry.
    pub fn is_live(&self, now: WallTime) -> bool {
        now < self.expires_at
    }
}

/// The outcome that the store itself gives to a task. All homes of the store use this text.
pub fn ended_by_store(kind: FailureKind) -> Outcome {
    let message = match kind {
        FailureKind::WorkerLost => {
            "worker lost: the worker died each time this task was tried; its attempts say when"
        }
        FailureKind::Lost => {
            "lost: the worker or dispatcher went away, and an at-most-once task is not run again"
        }
        FailureKind::Cancelled => "cancelled",
        FailureKind::Raised
        | FailureKind::Exit
        | FailureKind::Exited
        | FailureKind::Killed
        | FailureKind::Timeout
        | FailureKind::UnpickleFunction
        | FailureKind::UnpickleParams
        | FailureKind::NotCallable
        | FailureKind::PickleResult
        | FailureKind::ResultTooLarge
        | FailureKind::FunctionMissing => kind.as_str(),
    };
    Outcome::failed(kind, message)
}
