//! The checkers that judge runs of the simulated world.
//!
//! A run is a plan (`mpcsfaas_transport_sim::plan`) and leaves a history
//! (`mpcsfaas_transport_sim::history`): what was seen, and how it ended. The history is all that a
//! checker looks at, so it can be shown a made-up one that breaks its promise, and it judges the
//! original's processes as it judges ours.
//!
//! Reading order: [`checkers`] (what a checker is, what its bounds depend on, and one file for each
//! promise of `docs/PROTOCOL.md`), [`oracle`] (whether what a client saw can be explained), [`run`].

pub mod bugs;
pub mod campaign;
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
pub mod stall;
pub mod trace;

/// The world, for those who run seeds and scenarios from outside.
pub use mpcsfaas_transport_sim as world;
