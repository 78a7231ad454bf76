//! The store takes a result of any attempt: R2 without its fence.

use mpcsfaas_core::store::{Op, Reply};
use mpcsfaas_core::time::WallTime;
use mpcsfaas_transport_sim::tamper::{TamperStore, Tampered};

use super::Bug;

pub(super) const BUG: Bug = Bug::of_stores(
    "commit-without-fence",
    "the store takes a result of any attempt",
    || Box::new(CommitWithoutFence),
);

/// Says of each result that it is of the current attempt.
#[derive(Clone, Debug)]
struct CommitWithoutFence;

impl TamperStore for CommitWithoutFence {
    fn apply(&mut self, store: &mut Tampered<'_>, now: WallTime, mut op: Op) -> Reply {
        if let Op::Commit(batch) = &mut op {
            for commit in batch {
                let row = store.read().task(commit.task);
                commit.attempt = row.map_or(commit.attempt, |row| row.attempt);
            }
        }
        store.apply(now, op)
    }
}
