//! A task that came back unstarted is charged as if its worker had been lost: R14 with one reason
//! too many.

use mpcsfaas_core::store::op::EndReason;
use mpcsfaas_core::store::{Op, Reply};
use mpcsfaas_core::time::WallTime;
use mpcsfaas_transport_sim::tamper::{TamperStore, Tampered};

use super::Bug;

pub(super) const BUG: Bug = Bug::of_stores(
    "hand-back-charged",
    "the store charges a task that its worker handed back unstarted",
    || Box::new(HandBackCharged),
);

/// Says of each hand-back that the worker was lost.
#[derive(Debug)]
struct HandBackCharged;

impl TamperStore for HandBackCharged {
    fn apply(&mut self, store: &mut Tampered<'_>, now: WallTime, mut op: Op) -> Reply {
        if let Op::Requeue(batch) = &mut op {
            for item in batch {
                if matches!(item.reason, EndReason::HandedBack | EndReason::NotHeld) {
                    item.reason = EndReason::WorkerLost;
                }
            }
        }
        store.apply(now, op)
    }
}
