//! The store puts back every task for every reason: R16 was forgotten.

use std::collections::BTreeSet;

use mpcsfaas_core::store::{Op, Reply};
use mpcsfaas_core::time::WallTime;
use mpcsfaas_transport_sim::tamper::{TamperStore, Tampered};

use super::Bug;

pub(super) const BUG: Bug = Bug::of_stores(
    "at-most-once-again",
    "the store puts back an at-most-once task that may have started",
    || Box::new(AtMostOnceAgain),
);

/// Hides what may run at most once while something is given back.
#[derive(Clone, Debug)]
struct AtMostOnceAgain;

impl TamperStore for AtMostOnceAgain {
    fn apply(&mut self, store: &mut Tampered<'_>, now: WallTime, op: Op) -> Reply {
        if !matches!(op, Op::Requeue(_) | Op::Reap | Op::Release { .. }) {
            return store.apply(now, op);
        }
        let mut once = BTreeSet::new();
        store.change_each(|task, row| {
            if std::mem::take(&mut row.options.at_most_once) {
                once.insert(task);
            }
        });
        let reply = store.apply(now, op);
        store.change_each(|task, row| row.options.at_most_once |= once.contains(&task));
        reply
    }
}
