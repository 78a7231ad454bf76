//! `mpcsfaas sim`: runs the platform in a simulated world, in which anything may go wrong.
//!
//! What a seed or a scenario file is, how it is run, judged and shrunk is in `mpcsfaas_sim_tests`;
//! here are arguments and what is printed.

mod error;
mod replay;
mod report;
mod run;
mod shrink;
mod stall;
mod target;

use std::process::ExitCode;

use clap::{Args, Subcommand};

pub use self::error::SimError;

/// Arguments of `mpcsfaas sim`.
#[derive(Debug, Args)]
pub struct SimArgs {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// Run many seeds: each draws a world and its troubles, and every promise is judged.
    ///
    /// Stops at the first broken promise, with all that is needed to see it again. A thousand seeds
    /// of the swarm must also reach everything that there is to reach; what was missed is named, and
    /// counts as a failure. What is printed is the same with any number of threads.
    Run(run::RunArgs),
    /// Run one seed or one scenario file again, and tell its story.
    ///
    /// Ends with 0 if every promise was kept, or if the promise broke that the file's [expect] says.
    /// With --mermaid alone, all else is printed as comments of the diagram.
    Replay(replay::ReplayArgs),
    /// Make a failure small: the fewest submits, faults and turns that break the same promise.
    ///
    /// Prints it as a scenario file, and as a test to paste. Ends with 1 if the seed keeps every
    /// promise.
    Shrink(shrink::ShrinkArgs),
    /// Show how the Python original stalls, and by which rule.
    Stall(stall::StallArgs),
}

/// Carries out `mpcsfaas sim`. It computes and never waits, so it needs no runtime.
///
/// # Errors
/// See [`SimError`]. A broken promise is none: it is what the exit code says.
pub fn run(args: &SimArgs) -> Result<ExitCode, SimError> {
    match &args.kind {
        Kind::Run(args) => run::run(args),
        Kind::Replay(args) => replay::run(args),
        Kind::Shrink(args) => shrink::run(args),
        Kind::Stall(args) => stall::run(args),
    }
}

/// The exit code that says whether all went well.
fn exit_code(well: bool) -> ExitCode {
    match well {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(super::FAILED),
    }
}
