//! The store claims a task that was given back under its old number: R1 without its "+ 1".

use mpcsfaas_core::store::{Op, Reply};
use mpcsfaas_core::time::WallTime;
use mpcsfaas_transport_sim::tamper::{TamperStore, Tampered};

use super::Bug;

pub(super) const BUG: Bug = Bug::of_stores(
    "attempt-not-raised",
    "a task that was given back is claimed under its old number",
    || Box::new(AttemptNotRaised),
);

/// Takes back the number of each attempt but the first.
#[derive(Clone, Debug)]
struct AttemptNotRaised;

impl TamperStore for AttemptNotRaised {
    fn apply(&mut self, store: &mut Tampered<'_>, now: WallTime, op: Op) -> Reply {
        let Op::Claim(claim) = &op else {
            return store.apply(now, op);
        };
        let (owner, number) = (claim.incarnation, claim.number);
        let lease = store.read().lease(owner);
        let repeated = lease.is_some_and(|lease| lease.claim_number >= claim.number);
        let mut reply = store.apply(now, op);
        if let Reply::Claimed(tasks) = &mut reply
            && !repeated
        {
            for claimed in tasks.iter_mut().filter(|claimed| claimed.attempt > 1) {
                claimed.attempt -= 1;
                store.change(claimed.task, |row| row.attempt -= 1);
            }
            let answer: Vec<_> = tasks.iter().map(|c| (c.task, c.attempt)).collect();
            store.change_leases(|incarnation, lease| {
                if incarnation == owner {
                    lease.claim_answers.insert(number, answer.clone());
                }
            });
        }
        reply
    }
}
