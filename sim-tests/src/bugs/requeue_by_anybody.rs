//! The store puts back a task whoever asks: R3 without a look at owner and seat.

use mpcsfaas_core::store::{Op, Reply};
use mpcsfaas_core::time::WallTime;
use mpcsfaas_transport_sim::tamper::{TamperStore, Tampered};

use super::Bug;

pub(super) const BUG: Bug = Bug::of_stores(
    "requeue-by-anybody",
    "the store puts back a task that another session has adopted",
    || Box::new(RequeueByAnybody),
);

/// Says of each Requeue that the owner asks for it, in its present seat.
#[derive(Clone, Debug)]
struct RequeueByAnybody;

impl TamperStore for RequeueByAnybody {
    fn apply(&mut self, store: &mut Tampered<'_>, now: WallTime, mut op: Op) -> Reply {
        if let Op::Requeue(batch) = &mut op {
            for item in batch {
                let Some(row) = store.read().task(item.task) else {
                    continue;
                };
                item.seat = row.seat;
                if let Some(holder) = &row.holder {
                    item.owner = holder.dispatcher;
                }
            }
        }
        store.apply(now, op)
    }
}
