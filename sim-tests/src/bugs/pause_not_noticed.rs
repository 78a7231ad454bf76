//! A dispatcher that stood still takes its own silence for that of its workers: R10 was forgotten.

use std::time::Duration;

use mpcsfaas_core::Machine;
use mpcsfaas_core::dispatcher::{Dispatcher, Input};
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::tamper::Tamper;

use super::Bug;

pub(super) const BUG: Bug = Bug::of_dispatchers(
    "pause-not-noticed",
    "a dispatcher that stood still thinks that its workers did",
    || Box::<PauseNotNoticed>::default(),
);

/// A step of the clock that no dispatcher takes for a pause.
const STEP: Duration = Duration::from_secs(1);

/// Shows the dispatcher a clock that never jumps.
#[derive(Clone, Debug, Default)]
struct PauseNotNoticed {
    last: Option<Instant>,
}

impl Tamper<Dispatcher> for PauseNotNoticed {
    fn input(&mut self, now: Instant, _dispatcher: &Dispatcher, input: Input) -> Vec<Input> {
        self.last = Some(now);
        vec![input]
    }

    fn timeout(&mut self, now: Instant, dispatcher: &mut Dispatcher) -> bool {
        let mut shown = self.last.unwrap_or(now);
        while shown + STEP < now {
            shown = shown + STEP;
            dispatcher.handle_timeout(shown);
        }
        self.last = Some(now);
        true
    }
}
