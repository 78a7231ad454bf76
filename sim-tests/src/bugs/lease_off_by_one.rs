//! The store closes a lease one renewal before it is over: whoever wrote the reaper counted the
//! renewals that may fail, and miscounted (R4).

use std::time::Duration;

use mpcsfaas_core::store::{Op, Reply};
use mpcsfaas_core::time::WallTime;
use mpcsfaas_transport_sim::tamper::{TamperStore, Tampered};

use super::Bug;

pub(super) const BUG: Bug = Bug::of_stores(
    "lease-off-by-one",
    "the reaper closes a lease one renewal before it is over",
    || Box::new(LeaseOffByOne),
);

/// How often a lease is renewed.
const RENEWAL: Duration = Duration::from_secs(3);

/// Ends leases early, when somebody looks for those that are over.
#[derive(Clone, Debug)]
struct LeaseOffByOne;

impl TamperStore for LeaseOffByOne {
    fn apply(&mut self, store: &mut Tampered<'_>, now: WallTime, op: Op) -> Reply {
        if op == Op::Reap {
            store.change_leases(|_, lease| {
                if lease.expires_at <= now + RENEWAL {
                    lease.expires_at = now;
                }
            });
        }
        store.apply(now, op)
    }
}
