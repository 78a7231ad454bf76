//! The store takes a result of any attempt: R2 without its fence.

use mpcsfaas_core::store::{Op, Reply, Store};
use mpcsfaas_core::time::WallTime;
use mpcsfaas_transport_sim::tamper::TamperStore;

/// Says of each result that it is of the current attempt.
#[derive(Clone, Debug)]
pub(super) struct CommitWithoutFence;

impl TamperStore for CommitWithoutFence {
    fn apply(&mut self, store: &mut Store, now: WallTime, mut op: Op) -> Reply {
        if let Op::Commit(batch) = &mut op {
            for commit in batch {
                let row = store.task(commit.task);
                commit.attempt = row.map_or(commit.attempt, |row| row.attempt);
            }
        }
        store.apply(now, op)
    }
}
