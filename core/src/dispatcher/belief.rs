//! What the dispatcher believes of a task, and what it wants of the store next.

use std::collections::btree_map::Entry;

use super::Dispatcher;
use crate::id::{Session, WorkerKey};
use crate::store::op::{Claimed, EndReason};
use crate::task::Outcome;
use crate::time::Instant;
use crate::wire::message::TaskRef;

/// What is believed of one attempt.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Belief {
    pub(super) place: Place,
    /// The session of its last adoption that the store confirmed (R3).
    pub(super) seat: Session,
    /// Whether the task has a loss, so that it shares no worker with another such (R14).
    pub(super) suspect: bool,
    /// Whether the store has it RUNNING under this incarnation, as far as its answers tell.
    pub(super) confirmed: bool,
    /// Since when it is at its worker.
    pub(super) since: Instant,
    /// Whether the store has been told which worker it is at.
    pub(super) noted: bool,
}

/// Where the attempt is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Place {
    /// Claimed, and on its way to a worker as soon as its function's body is here.
    Unplaced(Claimed),
    /// At a worker, in this session.
    At(WorkerKey, Session),
    /// At a worker that said so in its Hello; the store is asked (R6).
    Adopting(WorkerKey, Session),
    /// It ended; the result is on its way into the store (R2).
    Committing {
        /// Who waits for the Ack, and in which session. `None`: nobody, the dispatcher ended it.
        at: Option<(WorkerKey, Session)>,
        /// How it ended.
        outcome: Outcome,
    },
    /// It is on its way back into the queue (R3).
    Requeuing(EndReason, Option<WorkerKey>),
}

impl Place {
    /// The worker whose credit it uses.
    pub(super) fn worker(&self) -> Option<&WorkerKey> {
        match self {
            Place::At(worker, _) | Place::Adopting(worker, _) => Some(worker),
            Place::Committing { at, .. } => at.as_ref().map(|(worker, _)| worker),
            Place::Unplaced(_) | Place::Requeuing(..) => None,
        }
    }
}

impl Belief {
    fn new(now: Instant, place: Place, suspect: bool) -> Belief {
        Belief {
            place,
            seat: 0,
            suspect,
            confirmed: false,
            since: now,
            noted: false,
        }
    }

    /// Whether its task may be in the queue although a result or a worker of it is known here.
    pub(super) fn is_undecided(&self) -> bool {
        match self.place {
            Place::Adopting(..) => true,
            Place::Committing { .. } => !self.confirmed,
            Place::Unplaced(_) | Place::At(..) | Place::Requeuing(..) => false,
        }
    }
}

impl Dispatcher {
    /// Begins to believe in an attempt that has been claimed. Says whether it is new.
    pub(super) fn believe_claimed(&mut self, now: Instant, key: TaskRef, task: Claimed) -> bool {
        let Entry::Vacant(vacant) = self.beliefs.entry(key) else {
            return false;
        };
        let suspect = task.losses > 0;
        vacant.insert(Belief {
            confirmed: true,
            ..Belief::new(now, Place::Unplaced(task), suspect)
        });
        self.queue.unplaced += 1;
        true
    }

    /// Begins to believe in an attempt.
    pub(super) fn believe(&mut self, now: Instant, key: TaskRef, place: Place, suspect: bool) {
        let belief = Belief::new(now, place, suspect);
        self.use_credit(key, belief.place.worker(), suspect);
        self.wants.add(key, &belief.place);
        self.wants.decide(key, belief.is_undecided());
        let before = self.beliefs.insert(key, belief);
        debug_assert!(before.is_none(), "{key:?} is believed in already");
    }

    /// Moves an attempt to another place, and notes what that wants of the store.
    pub(super) fn moved(&mut self, key: TaskRef, place: Place) {
        let Some(belief) = self.beliefs.get_mut(&key) else {
            return;
        };
        self.wants.remove(key, &belief.place);
        self.wants.add(key, &place);
        let before = std::mem::replace(&mut belief.place, place);
        self.wants.decide(key, belief.is_undecided());
        let (after, suspect) = (belief.place.worker().cloned(), belief.suspect);
        // Also a worker's word can move it, before it has been placed.
        if matches!(before, Place::Unplaced(_)) {
            self.queue.unplaced -= 1;
        }
        if before.worker() != after.as_ref() {
            self.free_credit(key, before.worker(), suspect);
        }
        // Also at the same worker: a new session begins with an empty seat.
        self.use_credit(key, after.as_ref(), suspect);
    }

    /// Stops believing in an attempt.
    pub(super) fn forget(&mut self, key: TaskRef) -> Option<Belief> {
        let belief = self.beliefs.remove(&key)?;
        self.free_credit(key, belief.place.worker(), belief.suspect);
        self.wants.remove(key, &belief.place);
        self.wants.decide(key, false);
        Some(belief)
    }

    fn use_credit(&mut self, key: TaskRef, worker: Option<&WorkerKey>, suspect: bool) {
        let Some(worker) = worker else { return };
        self.roster.update(worker, |seat| seat.hold(key, suspect));
    }

    fn free_credit(&mut self, key: TaskRef, worker: Option<&WorkerKey>, suspect: bool) {
        let Some(worker) = worker else { return };
        self.roster
            .update(worker, |seat| seat.release(&key, suspect));
    }
}
