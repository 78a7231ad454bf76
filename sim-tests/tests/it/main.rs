//! Whole runs of the simulated world: seeds, planted bugs, scenario files, and that the same seed is
//! the same run.

mod determinism;
mod planted;
mod scenario_files;
mod seeds;
mod small_scope;
