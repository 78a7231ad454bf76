//! Why there is nothing to show of a simulation.

use std::io;
use std::path::PathBuf;

use mpcsfaas_sim_tests::run::Violation;
use mpcsfaas_sim_tests::scenario_file::ScenarioError;
use thiserror::Error;

use crate::cmd;

/// Why `mpcsfaas sim` could not do what it was told.
#[derive(Debug, Error)]
pub enum SimError {
    /// A scenario file.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A scenario file says what cannot be.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// There are no such seeds.
    #[error("there are no {seeds} seeds from {first} on: the last is {}", u64::MAX)]
    Seeds {
        /// The first.
        first: u64,
        /// How many.
        seeds: u64,
    },
    /// A task that this run does not have.
    #[error("the run has no task `{0}`: write a name that --trace shows, such as t7, or a UUID")]
    NoTask(String),
    /// A mode of the original that does not have what a scenario plays.
    #[error(
        "the original does not fail like this in this mode: without --mode, those are shown in which it does"
    )]
    NoMode,
    /// A stall of which there is more to compute than anybody would wait for.
    #[error(
        "too much to compute: take fewer --seeds or workers, a smaller --batch or a shorter --timeout"
    )]
    TooMuch,
    /// A study of more tasks than a store takes, or anybody would wait for.
    #[error(
        "too many tasks: at most 1,000,000 in a run, and 50,000,000 in all; take fewer workers, conditions, --tasks-per-worker or --seeds"
    )]
    TooManyTasks,
    /// A dispatcher of a study that could do nothing but listen to beats.
    #[error(
        "with this --step-cost and so many workers the dispatcher would have more than half of its time taken by beats: take less of either"
    )]
    StepCost,
    /// Nothing broke, so there is nothing to shrink.
    #[error("{0} keeps every promise: there is nothing to shrink")]
    Kept(String),
    /// A run and the plan that was written down of it fail in two ways.
    #[error(
        "the simulation is wrong: written down as a plan, the run is another; {first}, but {}",
        .second.as_ref().map_or_else(|| "no promise is broken".to_owned(), ToString::to_string)
    )]
    Differs {
        /// How the run failed.
        first: Violation,
        /// How the plan fails.
        second: Option<Violation>,
    },
    /// A file for what was found.
    #[error("cannot write {path}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Standard output.
    #[error("cannot print: {0}")]
    Print(#[source] io::Error),
}

impl SimError {
    /// What the process ends with: 2 if an argument or a file has to be put right.
    pub const fn exit_code(&self) -> u8 {
        match self {
            SimError::Read { .. }
            | SimError::Scenario(_)
            | SimError::Seeds { .. }
            | SimError::NoTask(_)
            | SimError::NoMode
            | SimError::TooMuch
            | SimError::TooManyTasks
            | SimError::StepCost => cmd::USAGE,
            SimError::Kept(_)
            | SimError::Differs { .. }
            | SimError::Write { .. }
            | SimError::Print(_) => cmd::FAILED,
        }
    }
}
