//! Attempts whose belief wants an operation of the store, by the kind of operation: so that a
//! store that lags behind costs nothing while there is no room for more of a kind.

use std::collections::BTreeSet;

use super::belief::Place;
use crate::id::TaskId;
use crate::wire::message::TaskRef;

/// What waits for its turn. An attempt is in at most one of the lines.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Wants {
    pub(super) commits: BTreeSet<TaskRef>,
    pub(super) requeues: BTreeSet<TaskRef>,
    pub(super) adoptions: BTreeSet<TaskRef>,
    /// Those whose turn came while another operation on their task was under way.
    pub(super) held_back: BTreeSet<TaskId>,
    /// Attempts whose task may be in the queue although a result or a worker of theirs is known
    /// here: no claim is to take it (R1).
    pub(super) undecided: BTreeSet<TaskRef>,
}

impl Wants {
    /// An attempt is in this place now.
    pub(super) fn add(&mut self, key: TaskRef, place: &Place) {
        if let Some(line) = self.line(place) {
            line.insert(key);
        }
    }

    /// An attempt is no longer in this place.
    pub(super) fn remove(&mut self, key: TaskRef, place: &Place) {
        if let Some(line) = self.line(place) {
            line.remove(&key);
        }
    }

    /// Whether an attempt is undecided now. Hardly any is.
    pub(super) fn decide(&mut self, key: TaskRef, undecided: bool) {
        if undecided {
            self.undecided.insert(key);
        } else if !self.undecided.is_empty() {
            self.undecided.remove(&key);
        }
    }

    /// An operation on a task has been answered. Says whether something waits for that.
    pub(super) fn take_held_back(&mut self, task: TaskId) -> bool {
        !self.held_back.is_empty() && self.held_back.remove(&task)
    }

    pub(super) fn contains(&self, key: &TaskRef) -> bool {
        let lines = [&self.commits, &self.requeues, &self.adoptions];
        lines.iter().any(|line| line.contains(key))
    }

    /// Every attempt stands in the line of its place.
    pub(super) fn check(&self, place_of: impl Fn(&TaskRef) -> Option<Place>) -> Result<(), String> {
        let mut again = Wants::default();
        let lines = [&self.commits, &self.requeues, &self.adoptions];
        for key in lines.into_iter().flatten() {
            if let Some(place) = place_of(key) {
                again.add(*key, &place);
            }
        }
        let same = again.commits == self.commits
            && again.requeues == self.requeues
            && again.adoptions == self.adoptions;
        match same {
            true => Ok(()),
            false => Err("an attempt stands in the wrong line for the store".to_owned()),
        }
    }

    fn line(&mut self, place: &Place) -> Option<&mut BTreeSet<TaskRef>> {
        match place {
            Place::Committing { .. } => Some(&mut self.commits),
            Place::Requeuing(..) => Some(&mut self.requeues),
            Place::Adopting(..) => Some(&mut self.adoptions),
            Place::Unplaced(_) | Place::At(..) => None,
        }
    }
}
