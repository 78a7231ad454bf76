//! What must hold between two calls.

use super::Worker;
use super::hold::Held;

impl Worker {
    pub(super) fn check_all(&self) -> Result<(), String> {
        self.check_slots()?;
        let waiting = self
            .held
            .values()
            .filter(|held| matches!(held, Held::Waiting { .. }))
            .count();
        if waiting != self.waiting.len() {
            return Err("the waiting line and the held tasks disagree".to_owned());
        }
        if self.counters.over_credit > 0 {
            return Err("P4: the worker was given more tasks than its credit".to_owned());
        }
        if self.functions.len() != self.function_order.len() {
            return Err("a cached function has no place in the order of forgetting".to_owned());
        }
        Ok(())
    }
}
