//! The store carries out the first half of a batch of results and says that it has all of them:
//! whoever wrote the loop lost the error of one item.

use mpcsfaas_core::store::op::Verdict;
use mpcsfaas_core::store::{Op, Reply};
use mpcsfaas_core::time::WallTime;
use mpcsfaas_transport_sim::tamper::{TamperStore, Tampered};

use super::Bug;

pub(super) const BUG: Bug = Bug::of_stores(
    "batch-half-committed",
    "the store keeps half of a batch of results and confirms all of it",
    || Box::new(BatchHalfCommitted),
);

/// Forgets the second half of each batch of results.
#[derive(Clone, Debug)]
struct BatchHalfCommitted;

impl TamperStore for BatchHalfCommitted {
    fn apply(&mut self, store: &mut Tampered<'_>, now: WallTime, mut op: Op) -> Reply {
        let mut all = 0;
        if let Op::Commit(batch) = &mut op {
            all = batch.len();
            batch.truncate(all.div_ceil(2));
        }
        let mut reply = store.apply(now, op);
        if let Reply::Committed(verdicts) = &mut reply {
            verdicts.resize(all, Verdict::Ok);
        }
        reply
    }
}
