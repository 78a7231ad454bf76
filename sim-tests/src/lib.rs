//! Judges of the simulated world: whether a run kept its promises, and what to do if it did not.
//!
//! A run is a plan ([`world::plan`]) and leaves a history ([`world::history`]): what was seen, and
//! how it ended. The history is all that a checker looks at, so it can be shown a made-up one that
//! breaks its promise.
//!
//! ```text
//!   seed, file ──▶ run ──▶ history ──▶ checkers, oracle ──▶ violation ──▶ shrink ──▶ scenario_file,
//!                   └──▶ trace                                                        regression
//! ```
//!
//! Reading order: [`run`] (trouble, healing, and the time after), [`checkers`] (what a checker is,
//! what its bounds depend on, and one file for each promise of `docs/PROTOCOL.md`), [`oracle`]
//! (whether what a client saw can be explained); [`campaign`] (many seeds, and what they reached),
//! [`determinism`], `code` (of which version a seed is), [`bugs`] (planted, to see that they are
//! found); for a failure: [`trace`], [`shrink`], [`scenario_file`], [`regression`]; the Python
//! original: [`seed_model`] (its processes), [`scenarios`] (its failures, played by it and by
//! ours), [`stall`] and [`shared_socket`] (the two causes for which its push mode stalls); how the
//! platform scales: [`study`].
//!
//! `docs/TESTING.md` leads from a failing seed to a test; `docs/SIMULATION.md` is the reference.

pub mod bugs;
pub mod campaign;
pub mod catalogue;
pub mod checkers;
pub mod code;
pub mod determinism;
pub mod oracle;
pub mod regression;
pub mod run;
pub mod scenario_file;
pub mod scenarios;
pub mod seed_model;
pub mod shared_socket;
pub mod shrink;
pub mod small_scope;
pub mod stall;
pub mod study;
pub mod trace;

/// The world, for those who run seeds and scenarios from outside.
pub use mpcsfaas_transport_sim as world;
