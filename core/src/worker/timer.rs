//! What the passing of time does to a worker.

use super::Worker;
use crate::time::Instant;

impl Worker {
    pub(super) fn on_timeout(&mut self, now: Instant) {
        self.tend_slots(now);
        self.hand_on(now);
        self.tell_results(now);
        self.tend_link(now);
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        [
            self.link_deadline(),
            self.slot_deadline(),
            self.drain_deadline(),
            self.waiting_deadline(),
            self.untold.due,
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
