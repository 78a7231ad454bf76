//! The contract that every machine keeps, and the one way to drive it.
//!
//! ```text
//!            facts (past tense)                 orders (imperative)
//!   driver ───────────────────▶ ┌─────────┐ ───────────────────▶ driver
//!            handle_input(now)  │ machine │  poll_output()
//!            handle_timeout(now)└─────────┘  poll_timeout() ─▶ next deadline
//! ```
//!
//! A machine does no I/O, reads no clock, draws no entropy and never waits. One call of
//! `handle_input` or `handle_timeout` is one mutation; the driver then drains `poll_output` until
//! it is `None`, obeys each order, and only then reads `poll_timeout`. [`step`] is exactly that.
//!
//! An input is a fact that has happened and cannot be refused. An output is an order that the
//! driver carries out without a decision of its own.

use std::fmt::Debug;
use std::hash::Hash;

use crate::time::Instant;

/// A sans-IO state machine. `Clone + Eq + Hash`, so that a search can fork it and tell states apart.
pub trait Machine: Clone + Eq + Hash + Debug {
    /// A fact about the world.
    type Input;
    /// An order to the driver.
    type Output;

    /// Takes in one fact. `now` never runs backwards; a driver clamps it.
    fn handle_input(&mut self, now: Instant, input: Self::Input);

    /// Takes in that time has passed. Harmless when no deadline is due.
    fn handle_timeout(&mut self, now: Instant);

    /// The next order, or `None` when all have been drained.
    fn poll_output(&mut self) -> Option<Self::Output>;

    /// When `handle_timeout` wants to be called, or `None` if only an input can matter. Read it
    /// after the outputs have been drained.
    fn poll_timeout(&self) -> Option<Instant>;

    /// Checks everything that must hold between two calls. Tests, the simulator and the fuzzers
    /// call it; production does not.
    ///
    /// # Errors
    /// The invariant that does not hold, in words.
    fn check(&self) -> Result<(), String>;
}

/// One mutation, then drain: calls `handle_input` (or `handle_timeout` without an input), gives
/// each output to `obey` and returns the next deadline.
pub fn step<M: Machine>(
    machine: &mut M,
    now: Instant,
    input: Option<M::Input>,
    mut obey: impl FnMut(M::Output),
) -> Option<Instant> {
    match input {
        Some(input) => machine.handle_input(now, input),
        None => machine.handle_timeout(now),
    }
    while let Some(output) = machine.poll_output() {
        obey(output);
    }
    machine.poll_timeout()
}
