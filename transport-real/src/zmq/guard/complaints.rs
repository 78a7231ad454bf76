//! What is logged of peers that do not behave: a line a second, however many there are.

use std::time::Duration;

use mpcsfaas_core::time::Instant;
use parking_lot::Mutex;

use crate::clock::Clock;

const PAUSE: Duration = Duration::from_secs(1);

/// Decides which complaints are logged.
#[derive(Debug)]
pub(super) struct Complaints {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: Instant,
    unsaid: u64,
}

impl Complaints {
    pub(super) fn new() -> Complaints {
        Complaints {
            clock: Clock::start(),
            state: Mutex::default(),
        }
    }

    /// If a complaint may be logged now: how many have not been since the last that was.
    pub(super) fn unsaid(&self) -> Option<u64> {
        let now = self.clock.now();
        let mut state = self.state.lock();
        if now < state.next {
            state.unsaid += 1;
            return None;
        }
        state.next = now + PAUSE;
        Some(std::mem::take(&mut state.unsaid))
    }
}
