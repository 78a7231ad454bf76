//! The store takes the last adoption that arrives for the newest: R6 without a look at the seat.

use mpcsfaas_core::store::{Op, Reply};
use mpcsfaas_core::time::WallTime;
use mpcsfaas_transport_sim::tamper::{TamperStore, Tampered};

use super::Bug;

pub(super) const BUG: Bug = Bug::of_stores(
    "adoption-by-an-older-session",
    "the store grants an adoption of an older session than the last",
    || Box::new(AdoptionByAnOlderSession),
)
.wanting("workers that change their session while a request of the last one is still on its way");

/// Forgets the seat of what is to be adopted.
#[derive(Clone, Debug)]
struct AdoptionByAnOlderSession;

impl TamperStore for AdoptionByAnOlderSession {
    fn apply(&mut self, store: &mut Tampered<'_>, now: WallTime, op: Op) -> Reply {
        if let Op::Adopt { tasks, .. } = &op {
            for item in tasks {
                let row = store.read().task(item.task);
                if row.is_some_and(|row| row.attempt == item.attempt && row.seat > item.session) {
                    store.change(item.task, |row| row.seat = 0);
                }
            }
        }
        store.apply(now, op)
    }
}
