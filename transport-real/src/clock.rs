//! The only place that reads a clock.

use std::time::SystemTime;

use mpcsfaas_core::time::{Instant, WallTime};

/// A monotonic clock whose origin is the moment it was made.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: std::time::Instant,
}

impl Clock {
    /// A clock that reads zero now.
    pub fn start() -> Clock {
        Clock {
            origin: std::time::Instant::now(),
        }
    }

    /// The time now.
    pub fn now(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// The same instant as tokio's timers name it.
    pub fn to_tokio(&self, at: Instant) -> tokio::time::Instant {
        let offset = std::time::Duration::from_nanos(at.as_nanos());
        (self.origin + offset).into()
    }
}

/// Nanoseconds of the monotonic clock that all processes of a machine share, from an origin of the
/// system's. What is read in one process can be compared with what is read in another.
pub fn monotonic_nanos() -> u64 {
    // It can fail only where there is no such clock.
    nix::time::ClockId::CLOCK_MONOTONIC
        .now()
        .map_or(0, |since| {
            u64::try_from(std::time::Duration::from(since).as_nanos()).unwrap_or(u64::MAX)
        })
}

/// The wall clock, which serves as the store's clock where the store lives in this process.
pub fn wall_time() -> WallTime {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    WallTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
