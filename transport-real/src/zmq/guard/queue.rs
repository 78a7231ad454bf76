//! Handshakes under way: so many at once, and no address can keep the others out.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use parking_lot::Mutex;
use tokio::task::AbortHandle;

/// The connections that have not finished their handshake.
#[derive(Debug)]
pub(super) struct Queue {
    limit: usize,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    next: u64,
    /// By number, so the oldest is first.
    taken: BTreeMap<u64, (IpAddr, AbortHandle)>,
    by_address: HashMap<IpAddr, usize>,
}

impl Queue {
    pub(super) fn new(limit: usize) -> Queue {
        Queue {
            limit,
            places: Mutex::default(),
        }
    }

    /// Takes a connection in, and starts its handshake by `start`, which gets the number under which
    /// to leave. If there is no room, the oldest handshake of the address that has most is ended:
    /// a flood from one address ends its own.
    pub(super) fn enter(&self, address: IpAddr, start: impl FnOnce(u64) -> AbortHandle) {
        let mut places = self.places.lock();
        if places.taken.len() >= self.limit {
            places.make_room();
        }
        let number = places.next;
        places.next += 1;
        let handle = start(number);
        places.taken.insert(number, (address, handle));
        *places.by_address.entry(address).or_default() += 1;
    }

    /// Ends one handshake, if there is one: when the system has no descriptor left.
    pub(super) fn make_room(&self) {
        self.places.lock().make_room();
    }

    /// Gives a place back. Says whether it was still held: otherwise the handshake has been ended.
    pub(super) fn leave(&self, number: u64) -> bool {
        self.places.lock().remove(number).is_some()
    }
}

impl Places {
    fn make_room(&mut self) {
        let most = self.by_address.iter().max_by_key(|(_, count)| **count);
        let Some(address) = most.map(|(address, _)| *address) else {
            return;
        };
        let mut taken = self.taken.iter();
        let oldest = taken.find_map(|(number, (of, _))| (*of == address).then_some(*number));
        if let Some(handle) = oldest.and_then(|number| self.remove(number)) {
            handle.abort();
        }
    }

    fn remove(&mut self, number: u64) -> Option<AbortHandle> {
        let (address, handle) = self.taken.remove(&number)?;
        if let Some(count) = self.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
        Some(handle)
    }
}
