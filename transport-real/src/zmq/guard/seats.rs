//! Who is in: the connections that the ROUTER has, by their identities.
//!
//! An identity is let in once. A second connection that claims it waits, and is refused when its
//! handshake has taken too long: an honest worker's identity is fresh in every session, so whoever
//! claims one that is in use must not get what the first is sent, nor end it. But a peer that keeps
//! its identity must get back in after its connection has died, also where this end has not heard
//! of that: one that has been silent for longer than a live worker ever is makes way. In any case
//! the newcomer comes in only after the ROUTER has let the old connection go, because its late end
//! would remove the new one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use mpcsfaas_core::time::Instant;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::Notify;
use tokio::time::timeout_at;

use crate::clock::Clock;

/// There are as many connections as may be, and none is silent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("there are {0} connections already")]
pub(super) struct Full(usize);

/// The table of all seats.
#[derive(Debug)]
pub(super) struct Seats {
    limit: usize,
    silence: Duration,
    clock: Clock,
    table: Mutex<Table>,
    /// Rings when a seat has become free.
    freed: Notify,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    seats: BTreeMap<u64, Arc<Place>>,
    identities: HashMap<Bytes, u64>,
}

/// One connection, as the table knows it.
#[derive(Debug)]
struct Place {
    /// From when on its peer counts as silent, in nanoseconds of the clock; or [`BUSY`] or [`OVER`].
    silent_from: AtomicU64,
    /// Rings when it is to make way.
    leave: Notify,
}

/// A peer whose bytes wait for the ROUTER is not silent.
const BUSY: u64 = u64::MAX;

/// A peer that has gone is.
const OVER: u64 = 0;

/// What came of asking for a seat.
enum Asked {
    Taken(u64, Arc<Place>),
    /// Somebody else is in the way, and may be told to leave at this time if nothing is heard.
    Wait(Instant),
    Refused(Full),
}

impl Seats {
    pub(super) fn new(limit: usize, silence: Duration) -> Seats {
        Seats {
            limit,
            silence,
            clock: Clock::start(),
            table: Mutex::default(),
            freed: Notify::new(),
        }
    }

    /// Takes a seat; waits until nobody has the identity, or whoever is silent has made way. A peer
    /// without an identity gets one of the ROUTER's, which is nobody else's.
    ///
    /// # Errors
    /// See [`Full`].
    pub(super) async fn take(self: &Arc<Self>, identity: &Bytes) -> Result<Seat, Full> {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // From here on it is not missed.
            freed.as_mut().enable();
            match self.ask(identity) {
                Asked::Taken(number, place) => {
                    return Ok(Seat {
                        seats: Arc::clone(self),
                        number,
                        identity: identity.clone(),
                        place,
                    });
                }
                Asked::Refused(why) => return Err(why),
                Asked::Wait(until) => {
                    // Late or not, it asks again.
                    let _ = timeout_at(self.clock.to_tokio(until), freed).await;
                }
            }
        }
    }

    fn ask(&self, identity: &Bytes) -> Asked {
        let now = self.clock.now();
        let mut table = self.table.lock();
        let holder = table.identities.get(identity);
        if let Some(holder) = holder.and_then(|number| table.seats.get(number)) {
            return Asked::Wait(self.make_leave(holder, now));
        }
        if table.seats.len() >= self.limit {
            let places = table.seats.values();
            let longest = places.min_by_key(|place| place.silent_from.load(Ordering::Relaxed));
            return match longest.filter(|place| place.is_silent(now)) {
                Some(place) => Asked::Wait(self.make_leave(place, now)),
                None => Asked::Refused(Full(self.limit)),
            };
        }
        let number = table.next;
        table.next += 1;
        let place = Arc::new(Place {
            silent_from: AtomicU64::new((now + self.silence).as_nanos()),
            leave: Notify::new(),
        });
        table.seats.insert(number, Arc::clone(&place));
        if !identity.is_empty() {
            table.identities.insert(identity.clone(), number);
        }
        Asked::Taken(number, place)
    }

    /// Tells a peer to leave if it is silent. Returns when to ask again at the latest.
    fn make_leave(&self, place: &Place, now: Instant) -> Instant {
        if place.is_silent(now) {
            place.leave.notify_one();
            return now + self.silence;
        }
        let silent_from = place.silent_from.load(Ordering::Relaxed);
        Instant::from_nanos(silent_from).min(now + self.silence)
    }
}

impl Place {
    fn is_silent(&self, now: Instant) -> bool {
        self.silent_from.load(Ordering::Relaxed) <= now.as_nanos()
    }
}

/// A seat that is taken; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    number: u64,
    identity: Bytes,
    place: Arc<Place>,
}

impl Seat {
    pub(super) fn identity(&self) -> &Bytes {
        &self.identity
    }

    /// The peer has said something that is now being passed on.
    pub(super) fn busy(&self) {
        self.place.silent_from.store(BUSY, Ordering::Relaxed);
    }

    /// What the peer said has been passed on.
    pub(super) fn heard(&self) {
        let silent_from = self.seats.clock.now() + self.seats.silence;
        let nanos = silent_from.as_nanos();
        self.place.silent_from.store(nanos, Ordering::Relaxed);
    }

    /// Nothing more will come of this peer: whoever wants its identity may wait for it.
    pub(super) fn over(&self) {
        self.place.silent_from.store(OVER, Ordering::Relaxed);
    }

    /// Through which others can make it leave.
    pub(super) fn leaver(&self) -> Leaver {
        Leaver(Arc::clone(&self.place))
    }

    /// Returns when it is to make way for another.
    pub(super) async fn told_to_leave(&self) {
        self.place.leave.notified().await;
    }
}

/// Makes the connection of a seat leave.
#[derive(Clone, Debug)]
pub(super) struct Leaver(Arc<Place>);

impl Leaver {
    pub(super) fn leave(&self) {
        self.0.leave.notify_one();
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut table = self.seats.table.lock();
        table.seats.remove(&self.number);
        if !self.identity.is_empty() {
            table.identities.remove(&self.identity);
        }
        drop(table);
        self.seats.freed.notify_waiters();
    }
}
