//! Large messages under way: so many bytes of them at once.
//!
//! The ROUTER keeps the part of a message that has come until the rest has. One such part is within
//! the limit of a message; those of all peers together would be within none.

use std::collections::BTreeMap;
use std::time::Duration;

use mpcsfaas_core::time::Instant;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::seats::{Leaver, Seat};
use crate::clock::Clock;

/// Messages up to this size are not counted, in bytes.
const SMALL: u64 = 64 << 10;

/// What is counted in one piece, in bytes.
const UNIT: u64 = 1 << 10;

/// How often those that wait look whether somebody takes too long.
const LOOK: Duration = Duration::from_millis(100);

/// The bytes of large messages that may be under way.
#[derive(Debug)]
pub(super) struct Budget {
    units: u32,
    free: Semaphore,
    patience: Duration,
    clock: Clock,
    holders: Mutex<Holders>,
}

#[derive(Debug, Default)]
struct Holders {
    next: u64,
    /// Since when, and whom to tell to leave. By number, so the oldest is first.
    held: BTreeMap<u64, (Instant, Leaver)>,
}

impl Budget {
    /// Whoever is still at it after `patience` is ended if others wait.
    pub(super) fn new(bytes: u64, patience: Duration) -> Budget {
        let units = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX);
        Budget {
            units,
            free: Semaphore::new(units as usize),
            patience,
            clock: Clock::start(),
            holders: Mutex::default(),
        }
    }

    /// Waits until a message of so many bytes may be passed on. In the order of asking.
    async fn take(&self, bytes: u64, seat: &Seat) -> Share<'_> {
        // A message that is larger than all there is takes all there is.
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let taken = self.free.acquire_many(units.min(self.units));
        tokio::pin!(taken);
        let permit = loop {
            match timeout(LOOK, &mut taken).await {
                Ok(permit) => break permit.ok(),
                Err(_) => self.end_the_slowest(),
            }
        };
        let mut holders = self.holders.lock();
        let number = holders.next;
        holders.next += 1;
        let holder = (self.clock.now(), seat.leaver());
        holders.held.insert(number, holder);
        Share {
            budget: self,
            bytes,
            number,
            _permit: permit,
        }
    }

    fn end_the_slowest(&self) {
        let now = self.clock.now();
        let holders = self.holders.lock();
        if let Some((since, leaver)) = holders.held.values().next()
            && *since + self.patience <= now
        {
            leaver.leave();
        }
    }
}

/// A part of the budget, which is given back when this is dropped.
#[derive(Debug)]
struct Share<'a> {
    budget: &'a Budget,
    bytes: u64,
    number: u64,
    /// None only if the budget were closed, which nobody does.
    _permit: Option<SemaphorePermit<'a>>,
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.budget.holders.lock().held.remove(&self.number);
    }
}

/// What one connection has of the budget.
#[derive(Debug)]
pub(super) struct Account<'a> {
    budget: &'a Budget,
    seat: &'a Seat,
    share: Option<Share<'a>>,
}

impl<'a> Account<'a> {
    pub(super) const fn new(budget: &'a Budget, seat: &'a Seat) -> Account<'a> {
        Account {
            budget,
            seat,
            share: None,
        }
    }

    /// Waits until the message under way may have so many bytes; 0 if there is none.
    pub(super) async fn cover(&mut self, bytes: u64) {
        if bytes <= SMALL {
            self.share = None;
        } else if self.share.as_ref().is_none_or(|share| share.bytes < bytes) {
            // Given back first: two that hold a part and wait for more would wait for each other.
            self.share = None;
            self.share = Some(self.budget.take(bytes, self.seat).await);
        }
    }
}
