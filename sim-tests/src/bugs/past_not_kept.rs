//! The store forgets an attempt that was given back: the row's history is skipped.

use mpcsfaas_core::store::{Op, Reply};
use mpcsfaas_core::time::WallTime;
use mpcsfaas_transport_sim::tamper::{TamperStore, Tampered};

use super::Bug;

pub(super) const BUG: Bug = Bug::of_stores(
    "past-not-kept",
    "the store does not remember the attempts that were given back",
    || Box::new(PastNotKept),
);

/// Empties the past of each row that is given back.
#[derive(Clone, Debug)]
struct PastNotKept;

impl TamperStore for PastNotKept {
    fn apply(&mut self, store: &mut Tampered<'_>, now: WallTime, op: Op) -> Reply {
        let gives_back = matches!(op, Op::Requeue(_) | Op::Reap | Op::Release { .. });
        let reply = store.apply(now, op);
        if gives_back {
            store.change_each(|_, row| row.past.clear());
        }
        reply
    }
}
