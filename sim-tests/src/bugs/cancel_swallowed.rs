//! The store says that a running task is cancelled, and leaves it as it is: only the branch for
//! queued tasks was written.

use mpcsfaas_core::store::op::Cancelled;
use mpcsfaas_core::store::{Op, Reply};
use mpcsfaas_core::task::Status;
use mpcsfaas_core::time::WallTime;
use mpcsfaas_transport_sim::tamper::{TamperStore, Tampered};

use super::Bug;

pub(super) const BUG: Bug = Bug::of_stores(
    "cancel-swallowed",
    "the store says that a running task is cancelled, and lets it run on",
    || Box::new(CancelSwallowed),
);

/// Confirms the cancellation of a running task and forgets it.
#[derive(Clone, Debug)]
struct CancelSwallowed;

impl TamperStore for CancelSwallowed {
    fn apply(&mut self, store: &mut Tampered<'_>, now: WallTime, op: Op) -> Reply {
        if let Op::Cancel { task } = &op
            && let Some(row) = store.read().task(*task)
            && row.status == Status::Running
        {
            return Reply::Cancelled(Cancelled::Done);
        }
        store.apply(now, op)
    }
}
