//! Of several claims that it has carried out ahead the store keeps the last answer only: if the hint of an
//! earlier one is lost, its tasks are nobody's (R1b).

use mpcsfaas_core::store::{Op, Reply};
use mpcsfaas_core::time::WallTime;
use mpcsfaas_transport_sim::tamper::{TamperStore, Tampered};

use super::Bug;

pub(super) const BUG: Bug = Bug::of_stores(
    "ahead-answer-forgotten",
    "of several claims that are carried out ahead only the last answer is kept",
    || Box::new(AheadAnswerForgotten),
);

/// Forgets what was claimed ahead and not asked for, when there is more.
#[derive(Clone, Debug)]
struct AheadAnswerForgotten;

impl TamperStore for AheadAnswerForgotten {
    fn apply(&mut self, store: &mut Tampered<'_>, now: WallTime, op: Op) -> Reply {
        if matches!(op, Op::Submit(_)) {
            store.change_leases(|_, lease| {
                let asked = lease.asked_number;
                lease.claim_answers.retain(|number, _| *number <= asked);
            });
        }
        store.apply(now, op)
    }
}
