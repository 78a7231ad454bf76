//! The gateway.

use super::*;
use crate::seed_model::Gateway;

fn submitted() -> Fact {
    Fact::Submitted {
        task: T1,
        function: Bytes::from_static(b"function"),
        params: Bytes::from_static(b"params"),
    }
}

#[test]
fn a_task_is_written_then_published_then_accepted() {
    let mut bench = Bench::start(Gateway::new(Instant::ZERO));
    bench.tell(submitted());
    bench.answer();
    assert_eq!(bench.status(T1), Status::Queued);
    assert!(bench.orders.is_empty());
    assert_eq!(bench.asked[0].1, RedisOp::Publish(T1));
    bench.answer();
    assert_eq!(bench.orders, [Order::Accept(T1)]);
}

#[test]
fn without_redis_nothing_is_accepted() {
    let mut bench = Bench::start(Gateway::new(Instant::ZERO));
    bench.away = true;
    bench.tell(submitted());
    bench.answer();
    assert!(bench.asked.is_empty());
    assert!(bench.orders.is_empty());
}
