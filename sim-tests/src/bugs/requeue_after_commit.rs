//! The store puts back a task that has ended: R3 without a look at the status.

use mpcsfaas_core::store::{Op, Reply};
use mpcsfaas_core::task::Status;
use mpcsfaas_core::time::WallTime;
use mpcsfaas_transport_sim::tamper::{TamperStore, Tampered};

use super::Bug;

pub(super) const BUG: Bug = Bug::of_stores(
    "requeue-after-commit",
    "the store puts back a task that has ended",
    || Box::new(RequeueAfterCommit),
);

/// Makes QUEUED again what a Requeue of the same attempt names, ended or not.
#[derive(Clone, Debug)]
struct RequeueAfterCommit;

impl TamperStore for RequeueAfterCommit {
    fn apply(&mut self, store: &mut Tampered<'_>, now: WallTime, op: Op) -> Reply {
        if let Op::Requeue(batch) = &op {
            for item in batch {
                store.change(item.task, |row| {
                    if row.status.is_terminal() && row.attempt == item.attempt {
                        row.status = Status::Queued;
                        row.outcome = None;
                        row.finished_at = None;
                        row.holder = None;
                    }
                });
            }
        }
        store.apply(now, op)
    }
}
