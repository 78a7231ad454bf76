//! The order of events: by time, then by the order in which they were scheduled.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use mpcsfaas_core::time::Instant;

/// Events that lie ahead. The heap itself moves only small keys; an event stays where it was put,
/// and is handed out there.
#[derive(Clone, Debug)]
pub struct Heap<E> {
    keys: BinaryHeap<Reverse<(Instant, u64, u32)>>,
    /// When each was scheduled, and it.
    events: Vec<Option<(Instant, Box<E>)>>,
    free: Vec<u32>,
    next: u64,
    /// The time of the event that was handed out last, and when that one had been scheduled.
    now: Instant,
    scheduled: Instant,
}

impl<E> Default for Heap<E> {
    fn default() -> Heap<E> {
        Heap {
            keys: BinaryHeap::new(),
            events: Vec::new(),
            free: Vec::new(),
            next: 0,
            now: Instant::ZERO,
            scheduled: Instant::ZERO,
        }
    }
}

impl<E> Heap<E> {
    /// Schedules an event.
    pub fn push(&mut self, at: Instant, event: E) {
        let event = (self.now, Box::new(event));
        let place = match self.free.pop() {
            Some(place) => {
                self.events[place as usize] = Some(event);
                place
            }
            None => {
                self.events.push(Some(event));
                (self.events.len() - 1) as u32
            }
        };
        self.keys.push(Reverse((at, self.next, place)));
        self.next += 1;
    }

    /// The next event and its time.
    pub fn pop(&mut self) -> Option<(Instant, Box<E>)> {
        let Reverse((at, _, place)) = self.keys.pop()?;
        self.free.push(place);
        let (scheduled, event) = self.events[place as usize].take()?;
        self.now = self.now.max(at);
        self.scheduled = scheduled;
        Some((at, event))
    }

    /// When the event that was handed out last had been scheduled.
    pub fn scheduled(&self) -> Instant {
        self.scheduled
    }

    /// How many events lie ahead.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether nothing lies ahead.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_then_in_the_order_of_scheduling() {
        let mut heap = Heap::default();
        for (at, name) in [(2, "c"), (1, "a"), (2, "d"), (1, "b")] {
            heap.push(Instant::from_nanos(at), name);
        }
        let order: Vec<&str> = std::iter::from_fn(|| heap.pop())
            .map(|(_, name)| *name)
            .collect();
        assert_eq!(order, ["a", "b", "c", "d"]);
        heap.push(Instant::ZERO, "e");
        assert_eq!(heap.pop(), Some((Instant::ZERO, Box::new("e"))));
        assert!(heap.is_empty());
    }

    #[test]
    fn an_event_knows_when_it_was_scheduled() {
        let mut heap = Heap::default();
        heap.push(Instant::from_nanos(5), "sends");
        heap.pop();
        heap.push(Instant::from_nanos(8), "arrives");
        heap.pop();
        assert_eq!(heap.scheduled(), Instant::from_nanos(5));
    }
}
