//! A moment that a task waits for beside everything else.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::Sleep;

/// Something that rings once after it was set.
#[derive(Default)]
pub(super) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Sets it, unless it is.
    pub(super) fn set(&mut self, after: Duration) {
        self.0
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(after)));
    }

    /// Waits for it, for ever if it is not set.
    pub(super) async fn rings(&mut self) {
        match &mut self.0 {
            Some(time) => time.as_mut().await,
            None => std::future::pending().await,
        }
        self.0 = None;
    }
}
