//! What comes back from workers: results and hand-backs (R2, R7, R11).

use super::Dispatcher;
use super::belief::Place;
use crate::id::WorkerKey;
use crate::store::op::EndReason;
use crate::wire::message::{Finished, TaskRef};

impl Dispatcher {
    pub(super) fn on_finished(&mut self, worker: &WorkerKey, results: Vec<Finished>) {
        let Some(session) = self.roster.get(worker).map(|seat| seat.session) else {
            return;
        };
        for Finished { task, outcome } in results {
            // Not believed: this session has just been told to drop it, and will (R2).
            let Some(belief) = self.beliefs.get_mut(&task) else {
                continue;
            };
            let at = Some((worker.clone(), session));
            let place = Place::Committing { at, outcome };
            match &belief.place {
                // As it should be, and it goes on using the same credit.
                Place::At(at, of) if at == worker && *of == session => {
                    self.wants.add(task, &place);
                    belief.place = place;
                    self.wants.decide(task, belief.is_undecided());
                }
                _ => self.moved(task, place),
            }
        }
    }

    pub(super) fn on_returned(&mut self, worker: &WorkerKey, tasks: Vec<TaskRef>) {
        for key in tasks {
            let held = |place: &Place| match place {
                Place::At(at, _) | Place::Adopting(at, _) => at == worker,
                Place::Unplaced(_) | Place::Committing { .. } | Place::Requeuing(..) => false,
            };
            if self
                .beliefs
                .get(&key)
                .is_some_and(|belief| held(&belief.place))
            {
                let place = Place::Requeuing(EndReason::HandedBack, Some(worker.clone()));
                self.moved(key, place);
            }
        }
    }
}
