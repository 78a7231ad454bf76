//! The order of events: by time, then by the order in which they were scheduled.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use mpcsfaas_core::time::Instant;

/// Events that lie ahead.
#[derive(Clone, Debug)]
pub struct Heap<E> {
    entries: BinaryHeap<Entry<E>>,
    next: u64,
}

#[derive(Clone, Debug)]
struct Entry<E> {
    at: Instant,
    number: u64,
    event: E,
}

impl<E> Default for Heap<E> {
    fn default() -> Heap<E> {
        Heap {
            entries: BinaryHeap::new(),
            next: 0,
        }
    }
}

impl<E> Heap<E> {
    /// Schedules an event.
    pub fn push(&mut self, at: Instant, event: E) {
        self.entries.push(Entry {
            at,
            number: self.next,
            event,
        });
        self.next += 1;
    }

    /// The next event and its time.
    pub fn pop(&mut self) -> Option<(Instant, E)> {
        self.entries.pop().map(|entry| (entry.at, entry.event))
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    /// The standard heap gives the greatest first, so the earliest is the greatest.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}
