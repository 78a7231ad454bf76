//! What must hold between two calls.

use std::collections::BTreeSet;

use super::Dispatcher;
use super::belief::Place;
use super::roster::SeatState;
use super::timer::Timer;
use crate::id::WorkerKey;

impl Dispatcher {
    pub(super) fn check_all(&self) -> Result<(), String> {
        self.roster.check()?;
        self.check_credit()?;
        self.check_beliefs()?;
        self.check_requests()
    }

    /// A worker's tasks are those believed to use its credit, and no more than it gave (P4).
    fn check_credit(&self) -> Result<(), String> {
        for (worker, seat) in self.roster.iter() {
            let mut suspects = 0;
            for key in &seat.tasks {
                let belief = self.beliefs.get(key);
                if belief.and_then(|belief| belief.place.worker()) != Some(worker) {
                    return Err(format!(
                        "{worker} is charged for {key:?}, which is not there"
                    ));
                }
                suspects += u32::from(belief.is_some_and(|belief| belief.suspect));
            }
            if suspects != seat.suspects {
                return Err(format!(
                    "{worker}: {} suspects, counted {suspects}",
                    seat.suspects
                ));
            }
            if seat.is_dead() && !seat.tasks.is_empty() {
                return Err(format!("{worker} is dead and holds tasks"));
            }
        }
        Ok(())
    }

    fn check_beliefs(&self) -> Result<(), String> {
        let mut unplaced = 0;
        for (key, belief) in &self.beliefs {
            if let Some(worker) = belief.place.worker()
                && !self
                    .roster
                    .get(worker)
                    .is_some_and(|seat| seat.tasks.contains(key))
            {
                return Err(format!(
                    "{key:?} is believed at {worker}, which does not list it"
                ));
            }
            if belief.is_undecided() != self.wants.undecided.contains(key) {
                return Err(format!("claims are told wrongly of {key:?}"));
            }
            let wants = match &belief.place {
                Place::Unplaced(_) => {
                    unplaced += 1;
                    false
                }
                Place::At(worker, session) => {
                    self.check_session(worker, *session)?;
                    false
                }
                Place::Adopting(..) | Place::Committing { .. } | Place::Requeuing(..) => true,
            };
            if wants && !self.wants.contains(key) && !self.busy.contains(&key.task) {
                return Err(format!("{key:?} wants an operation that nobody will send"));
            }
        }
        let undecided = self.wants.undecided.iter();
        if let Some(gone) = undecided
            .into_iter()
            .find(|key| !self.beliefs.contains_key(key))
        {
            return Err(format!(
                "claims are told of {gone:?}, which is not believed in"
            ));
        }
        self.wants
            .check(|key| self.beliefs.get(key).map(|belief| belief.place.clone()))?;
        match unplaced == self.queue.unplaced {
            true => Ok(()),
            false => Err("the count of unplaced tasks is wrong".to_owned()),
        }
    }

    fn check_session(&self, worker: &WorkerKey, session: u64) -> Result<(), String> {
        match self.roster.get(worker) {
            Some(seat) if seat.session == session && !matches!(seat.state, SeatState::Dead(_)) => {
                Ok(())
            }
            _ => Err(format!(
                "a task is believed at {worker} in session {session}, which is over"
            )),
        }
    }

    /// A task is busy exactly while a request about it is unanswered (R6a).
    fn check_requests(&self) -> Result<(), String> {
        let mut busy = BTreeSet::new();
        for asked in self.asked.values() {
            for task in asked.tasks() {
                if !busy.insert(task) {
                    return Err(format!("two operations on {task} are under way"));
                }
            }
        }
        if busy != self.busy {
            return Err("busy tasks and unanswered requests disagree".to_owned());
        }
        if self.queue.polls() != self.timers.is_set(&Timer::Poll) {
            return Err("the queue is polled without a timer, or the other way round".to_owned());
        }
        let claims = self.asked.values().filter_map(|asked| asked.claim());
        let mine = claims.filter(|claim| claim.incarnation == self.incarnation);
        let numbers: BTreeSet<u64> = mine.map(|claim| claim.number).collect();
        match numbers == self.queue.under_way().collect() {
            true => Ok(()),
            false => Err("claims under way and unanswered requests disagree".to_owned()),
        }
    }
}
