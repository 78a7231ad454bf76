//! The store gives a task back without the mark that a worker was lost under it: R14 was forgotten,
//! and a task that ends its worker goes round for ever.

use mpcsfaas_core::store::{Op, Reply};
use mpcsfaas_core::time::WallTime;
use mpcsfaas_transport_sim::tamper::{TamperStore, Tampered};

use super::Bug;

pub(super) const BUG: Bug = Bug::of_stores(
    "losses-not-counted",
    "the store charges no task with the workers that were lost under it",
    || Box::new(LossesNotCounted),
);

/// Erases each mark at once.
#[derive(Clone, Debug)]
struct LossesNotCounted;

impl TamperStore for LossesNotCounted {
    fn apply(&mut self, store: &mut Tampered<'_>, now: WallTime, op: Op) -> Reply {
        let gives_back = matches!(op, Op::Requeue(_) | Op::Reap);
        let reply = store.apply(now, op);
        if gives_back {
            store.change_each(|_, row| row.marked = false);
        }
        reply
    }
}
