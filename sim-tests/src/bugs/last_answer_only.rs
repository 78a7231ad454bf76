//! The store keeps what it answered to the last claim only: if an earlier one under way is repeated, it
//! brings nothing, and what it took is nobody's (R1).

use mpcsfaas_core::store::{Op, Reply};
use mpcsfaas_core::time::WallTime;
use mpcsfaas_transport_sim::tamper::{TamperStore, Tampered};

use super::Bug;

pub(super) const BUG: Bug = Bug::of_stores(
    "last-answer-only",
    "only the answer to the last of several claims is kept",
    || Box::new(LastAnswerOnly),
);

/// Forgets all answers to claims before the last.
#[derive(Clone, Debug)]
struct LastAnswerOnly;

impl TamperStore for LastAnswerOnly {
    fn apply(&mut self, store: &mut Tampered<'_>, now: WallTime, op: Op) -> Reply {
        let is_claim = matches!(op, Op::Claim(_));
        let reply = store.apply(now, op);
        if is_claim {
            store.change_leases(|_, lease| {
                let last = lease.claim_number;
                lease.claim_answers.retain(|number, _| *number == last);
            });
        }
        reply
    }
}
