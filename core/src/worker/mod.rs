//! The worker as a state machine.

pub mod child;
