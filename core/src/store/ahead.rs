//! Claims that are carried out ahead (R1).
//!
//! A claim that finds fewer tasks than it has places for leaves the others open. A task that is
//! submitted while nothing waits takes one of them: it is claimed in the same step, under the number
//! that the dispatcher will use next. To the dispatcher this is a claim that it has sent and whose answer it
//! has not heard. So nothing depends on the hint that tells of it.

use std::cmp::Reverse;

use super::Store;
use super::op::{AHEAD_BYTES, Ahead, Claimed, Notice};
use crate::id::{Incarnation, TaskId};
use crate::time::WallTime;

/// The open places, as one submit finds them, and what it puts there.
pub(super) struct Places {
    /// Whose, and how many are left.
    open: Vec<(Incarnation, u32)>,
    taken: Vec<(Incarnation, Vec<Claimed>)>,
}

impl Places {
    pub(super) fn are_open(&self) -> bool {
        !self.open.is_empty()
    }
}

impl Store {
    /// The open places, of those who have the most first.
    pub(super) fn open_places(&self, now: WallTime) -> Places {
        let mut open: Vec<(Incarnation, u32)> = match self.ready.is_empty() {
            true => self
                .leases
                .iter()
                .map(|(owner, lease)| (*owner, lease.places_ahead(now)))
                .collect(),
            false => Vec::new(),
        };
        open.retain(|(_, places)| *places > 0);
        open.sort_unstable_by_key(|(owner, places)| (Reverse(*places), *owner));
        open.reverse();
        Places {
            open,
            taken: Vec::new(),
        }
    }

    /// Claims a task that was just queued, if a place is open and nothing waits before it.
    pub(super) fn claim_ahead(&mut self, now: WallTime, task: TaskId, places: &mut Places) {
        let alone = self.ready.len() == 1;
        let Some((owner, left)) = places.open.last_mut().filter(|_| alone) else {
            return;
        };
        let owner = *owner;
        *left -= 1;
        if *left == 0 {
            places.open.pop();
        }
        let claimed = self.claim_one(now, owner, task);
        match places.taken.last_mut() {
            Some((last, tasks)) if *last == owner => tasks.extend(claimed),
            _ => places.taken.push((owner, claimed.into_iter().collect())),
        }
    }

    /// Keeps what was claimed as the answer to the next number of each dispatcher, and tells it.
    pub(super) fn close_places(&mut self, places: Places) {
        for (incarnation, tasks) in places.taken {
            let Some(lease) = self.leases.get_mut(&incarnation) else {
                continue;
            };
            let number = lease.claim_number + 1;
            let answer = tasks.iter().map(|task| (task.task, task.attempt)).collect();
            lease.keep_answer(number, answer);
            lease.take_places(tasks.len() as u32);
            self.changes.leases.insert(incarnation);
            let bytes: usize = tasks.iter().map(|task| task.params.len()).sum();
            self.notices.push_back(match bytes <= AHEAD_BYTES {
                true => Notice::Claimed(Ahead {
                    incarnation,
                    number,
                    tasks,
                }),
                false => Notice::Queued,
            });
        }
    }
}
