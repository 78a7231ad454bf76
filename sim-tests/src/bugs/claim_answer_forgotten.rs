//! The store does not remember what it answered to a claim: a repeat takes further tasks, and those
//! of the answer that was lost are nobody's (R1).

use mpcsfaas_core::store::{Op, Reply};
use mpcsfaas_core::time::WallTime;
use mpcsfaas_transport_sim::tamper::{TamperStore, Tampered};

use super::Bug;

pub(super) const BUG: Bug = Bug::of_stores(
    "claim-answer-forgotten",
    "a claim that is repeated takes further tasks",
    || Box::new(ClaimAnswerForgotten),
);

/// Forgets the number of each claim that is repeated, and what came after it.
#[derive(Clone, Debug)]
struct ClaimAnswerForgotten;

impl TamperStore for ClaimAnswerForgotten {
    fn apply(&mut self, store: &mut Tampered<'_>, now: WallTime, op: Op) -> Reply {
        if let Op::Claim(claim) = &op {
            store.change_leases(|owner, lease| {
                if owner == claim.incarnation && claim.number <= lease.asked_number {
                    lease.claim_answers.remove(&claim.number);
                    lease.claim_number = claim.number - 1;
                    lease.asked_number = claim.number - 1;
                }
            });
        }
        store.apply(now, op)
    }
}
