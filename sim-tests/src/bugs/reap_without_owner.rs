//! The store gives back what a dead dispatcher has claimed, also what another has adopted since:
//! the reaper goes through its list without a look at who owns the task now (R4).

use std::collections::BTreeMap;

use mpcsfaas_core::id::{Attempt, Incarnation, TaskId};
use mpcsfaas_core::store::{Op, Reply};
use mpcsfaas_core::task::Status;
use mpcsfaas_core::time::WallTime;
use mpcsfaas_transport_sim::tamper::{TamperStore, Tampered};

use super::Bug;

pub(super) const BUG: Bug = Bug::of_stores(
    "reap-without-owner",
    "the reaper takes what a dead dispatcher has claimed from whoever has adopted it",
    || Box::<ReapWithoutOwner>::default(),
)
.wanting("more adoptions by another dispatcher before the lease of the first is over");

/// Remembers who claimed each task, and takes him for its owner.
#[derive(Clone, Debug, Default)]
struct ReapWithoutOwner {
    claims: BTreeMap<TaskId, (Attempt, Incarnation)>,
}

impl TamperStore for ReapWithoutOwner {
    fn apply(&mut self, store: &mut Tampered<'_>, now: WallTime, op: Op) -> Reply {
        if op == Op::Reap {
            self.take_back(store, now);
        }
        let claimer = match &op {
            Op::Claim(claim) => Some(claim.incarnation),
            _ => None,
        };
        let reply = store.apply(now, op);
        if let (Some(claimer), Reply::Claimed(tasks)) = (claimer, &reply) {
            let claimed = tasks.iter().map(|c| (c.task, (c.attempt, claimer)));
            self.claims.extend(claimed);
        }
        reply
    }
}

impl ReapWithoutOwner {
    /// Says of what the dead have claimed that it is theirs.
    fn take_back(&self, store: &mut Tampered<'_>, now: WallTime) {
        let leases = store.read().leases();
        let over = leases.filter(|(_, lease)| !lease.is_live(now));
        let dead: Vec<Incarnation> = over.map(|(owner, _)| owner).collect();
        store.change_each(|task, row| {
            if let (Status::Running, Some(holder)) = (row.status, &mut row.holder)
                && let Some((attempt, claimer)) = self.claims.get(&task)
                && *attempt == row.attempt
                && dead.contains(claimer)
            {
                holder.dispatcher = *claimer;
            }
        });
    }
}
