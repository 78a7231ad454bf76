//! The store lets a worker have adopted what it once had: R6 without a look at the attempt.

use mpcsfaas_core::store::{Op, Reply};
use mpcsfaas_core::time::WallTime;
use mpcsfaas_transport_sim::tamper::{TamperStore, Tampered};

use super::Bug;

pub(super) const BUG: Bug = Bug::of_stores(
    "adoption-without-attempt",
    "the store grants an adoption whichever attempt the worker holds",
    || Box::new(AdoptionWithoutAttempt),
);

/// Says of each adoption that it is of the current attempt.
#[derive(Clone, Debug)]
struct AdoptionWithoutAttempt;

impl TamperStore for AdoptionWithoutAttempt {
    fn apply(&mut self, store: &mut Tampered<'_>, now: WallTime, mut op: Op) -> Reply {
        if let Op::Adopt { tasks, .. } = &mut op {
            for item in tasks {
                let row = store.read().task(item.task);
                item.attempt = row.map_or(item.attempt, |row| row.attempt);
            }
        }
        store.apply(now, op)
    }
}
