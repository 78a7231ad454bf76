//! Seeded runs of the simulated world, and the checkers that judge them.
//!
//! A seed draws a world and its faults (`mpcsfaas_transport_sim::Knobs::swarm`). [`run`] takes it
//! through three phases: trouble, in which anything may go wrong; healing, after which nothing does;
//! and a bounded time in which everything must come right. After each event the machine that moved
//! checks its own invariants, and every checker looks. [`checkers`] has one file for each promise
//! that is judged here; those of `docs/PROTOCOL.md` that are missing are tests of single machines
//! and of the real thing.
//!
//! The first broken promise ends a run, and a run is the same each time: `docs/TESTING.md` says how
//! to replay a seed.

pub mod bugs;
pub mod checkers;
pub mod determinism;
pub mod regression;
pub mod run;
pub mod scenario_file;
pub mod seed_model;
pub mod shared_socket;
pub mod shrink;
pub mod stall;
pub mod trace;
