//! The one way in which a test waits: for a condition, with a bound.

use std::time::Duration;

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
