//! A moment that a task waits for beside everything else.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::Sleep;

/// Something that rings once after it was set.
pub(super) struct Alarm {
    time: Pin<Box<Sleep>>,
    is_set: bool,
}

impl Alarm {
    pub(super) fn new() -> Alarm {
        Alarm {
            time: Box::pin(tokio::time::sleep(Duration::ZERO)),
            is_set: false,
        }
    }

    /// Sets it, unless it is.
    pub(super) fn set(&mut self, after: Duration) {
        if !self.is_set {
            self.is_set = true;
            self.time
                .as_mut()
                .reset(tokio::time::Instant::now() + after);
        }
    }

    /// Waits for it, for ever if it is not set.
    pub(super) async fn rings(&mut self) {
        match self.is_set {
            true => self.time.as_mut().await,
            false => std::future::pending().await,
        }
        self.is_set = false;
    }
}
