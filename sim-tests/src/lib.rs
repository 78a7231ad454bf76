//! Seeded runs of the simulated world, and the checkers that judge them.
//!
//! [`run`] takes a seed through trouble, healing and the time after; `checkers` has one file for
//! each promise.

pub mod checkers;
pub mod run;
