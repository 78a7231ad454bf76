//! What push and pull dispatchers do alike.

use super::*;
use crate::seed_model::{DispatcherConfig, LocalDispatcher, PullDispatcher, PushDispatcher};

fn machines() -> [Box<dyn Guest>; 3] {
    let config = DispatcherConfig::default();
    [
        Box::new(PushDispatcher::new(Instant::ZERO, config)),
        Box::new(PullDispatcher::new(Instant::ZERO, config)),
        Box::new(LocalDispatcher::new(Instant::ZERO, 1)),
    ]
}

fn redis_ops(guest: &mut dyn Guest, fact: Option<Fact>) -> Vec<RedisOp> {
    let mut orders = Vec::new();
    guest.step(Instant::ZERO, fact, &mut orders);
    let ops = orders.into_iter().filter_map(|order| match order {
        Order::Redis { op, .. } => Some(op),
        _ => None,
    });
    ops.collect()
}

/// 1
#[test]
fn at_its_start_a_dispatcher_subscribes_and_looks_for_no_older_task() {
    for mut guest in machines() {
        let asked = redis_ops(guest.as_mut(), None);
        assert_eq!(asked, [RedisOp::Subscribe], "{guest:?}");
    }
}

/// 15
#[test]
fn a_lost_subscription_is_never_renewed() {
    for mut guest in machines() {
        redis_ops(guest.as_mut(), None);
        for fact in [Fact::RedisLost, Fact::RedisBack] {
            assert!(
                redis_ops(guest.as_mut(), Some(fact)).is_empty(),
                "{guest:?}"
            );
        }
    }
}

#[test]
fn a_machine_that_has_not_started_is_due_at_once() {
    for guest in machines() {
        assert_eq!(guest.deadline(), Some(Instant::ZERO));
    }
}
