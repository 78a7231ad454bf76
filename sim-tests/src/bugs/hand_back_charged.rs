//! The store charges a task that came back unstarted as if its worker had been lost: R14 with one
//! reason too many.

use mpcsfaas_core::store::op::EndReason;
use mpcsfaas_core::store::{Op, Reply};
use mpcsfaas_core::task::Status;
use mpcsfaas_core::time::WallTime;
use mpcsfaas_transport_sim::tamper::{TamperStore, Tampered};

use super::Bug;

pub(super) const BUG: Bug = Bug::of_stores(
    "hand-back-charged",
    "the store charges a task that its worker handed back unstarted",
    || Box::new(HandBackCharged),
);

/// Marks a loss at each hand-back.
#[derive(Clone, Debug)]
struct HandBackCharged;

impl TamperStore for HandBackCharged {
    fn apply(&mut self, store: &mut Tampered<'_>, now: WallTime, op: Op) -> Reply {
        let handed_back = match &op {
            Op::Requeue(batch) => {
                let unstarted =
                    |reason| matches!(reason, EndReason::HandedBack | EndReason::NotHeld);
                let batch = batch.iter().filter(|item| unstarted(item.reason));
                batch.map(|item| (item.task, item.attempt)).collect()
            }
            _ => Vec::new(),
        };
        let reply = store.apply(now, op);
        for (task, attempt) in handed_back {
            store.change(task, |row| {
                row.marked |= row.status == Status::Queued && row.attempt == attempt;
            });
        }
        reply
    }
}
