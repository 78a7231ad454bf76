//! The one way in which a test waits: for a condition, with a bound.

use std::time::{Duration, Instant};

/// Waits until the condition gives a value.
pub(crate) async fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut value: impl FnMut() -> Option<T>,
) -> T {
    let step = Duration::from_millis(5);
    for _ in 0..limit.as_millis() / step.as_millis() {
        if let Some(value) = value() {
            return value;
        }
        tokio::time::sleep(step).await;
    }
    panic!("not within {limit:?}: {what}");
}

/// Waits until the condition holds, without a runtime. Says whether it did.
pub(crate) fn holds_within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + limit;
    while Instant::now() < until {
        if condition() {
            return true;
        }
        pause();
    }
    false
}

#[expect(
    clippy::disallowed_methods,
    reason = "the step of a bounded wait for a condition"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}
