//! `mpcsfaas sim`: runs the platform in a simulated world, in which anything may go wrong.
//!
//! What a seed or a scenario file is, how it is run, judged and shrunk is in `mpcsfaas_sim_tests`;
//! here are arguments and what is printed.

mod ablation;
mod catalogue;
mod choice;
mod error;
mod exhaust;
mod page;
mod replay;
mod report;
mod run;
mod scenarios;
mod shrink;
mod stall;
mod story;
mod study;
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
    /// Stops at the first broken promise, with the knobs of its world and the command that shows it
    /// again. A thousand seeds of the swarm must also reach everything that there is to reach; what
    /// was missed is named, and counts as a failure. What is printed is the same with any number of
    /// threads, but for the rates in the last line.
    ///
    /// The mode `large` is one world of 1,000 workers and 100,000 tasks for each seed: give it few
    /// seeds, as in `mpcsfaas sim run --mode large --seeds 1`.
    Run(run::RunArgs),
    /// Run one seed or one scenario file again, and tell its story.
    ///
    /// The same seed in the same mode is the same run, event by event: the hash in the last line says
    /// so. Ends with 0 if every promise was kept, or if the promise broke that the file's `[expect]`
    /// says. With --mermaid alone, all else is printed as comments of the diagram. With --html the run,
    /// and what is left of it after shrinking if it fails, are a page for a browser.
    Replay(replay::ReplayArgs),
    /// Make a failure small: the fewest submits, faults and twists that break the same promise.
    ///
    /// A twist is a chance that went another way than usual, such as a message that was lost. What
    /// is left is printed as a scenario file, for `sim replay`, and as a test to paste. Ends with 1
    /// if the seed keeps every promise.
    Shrink(shrink::ShrinkArgs),
    /// Say how many seeds it takes to find each planted bug.
    ///
    /// Each bug is looked for in seeds of the swarm from 20 places on, and the same seeds are run
    /// without a bug. A row says in how many seeds half of the places, and 95 of 100, have found it,
    /// and which judge did. Ends with 1 if a seed breaks a promise without a bug, or if fewer than
    /// nine of ten bugs are found within 200 seeds by 95 of 100.
    Catalogue(catalogue::CatalogueArgs),
    /// Say which class of trouble is needed to find which planted bug.
    ///
    /// Each class is taken out of every world in turn, and each bug is looked for again. A class
    /// without which all are still found finds nothing alone.
    Ablation(ablation::AblationArgs),
    /// Play the failures of the Python original: by the original, and by ours in the same world.
    ///
    /// Each row is three runs: a model of the original with a fault, the same without it, and ours
    /// with it. Ends with 0 if the original fails with the fault only, and ours does not fail and
    /// keeps every promise. With a NAME it says what happens, and --trace or --mermaid tell how.
    Scenarios(scenarios::ScenariosArgs),
    /// Show how the Python original stalls, and what becomes of ours in the same place.
    ///
    /// The client stops some workers, starts others, and submits. The original goes on sending to the
    /// stopped ones until a scan finds them. Without options: what was measured on the original, beside
    /// its model and ours in the same conditions. With options: one condition, of your own. Ends with
    /// 1 if a task of ours waits for longer than the protocol allows, or a promise is broken.
    Stall(stall::StallArgs),
    /// Search a small world exhaustively: every order of what may happen in it, up to a depth.
    ///
    /// A step is a message, an answer of the store, a deadline, a Python child that ends, or a fault.
    /// All states at one distance from the beginning are looked at before any that is further, and
    /// every promise is judged on the way to each. First one fault may strike, then two, then all,
    /// in equal shares of the time. Ends with 1 at the first broken promise, with the shortest way
    /// to it. But for the rates, what is printed of the same depth is the same with any number of
    /// threads.
    Exhaust(exhaust::ExhaustArgs),
    /// Show how the platform scales, up to more workers than a machine can hold.
    ///
    /// Weak scaling: each worker gets as many tasks, so with more workers it should take as long. A row
    /// says how long it took in world time, how much is left of the speed with the fewest workers, and
    /// what the dispatcher did for each task, which should stay the same. What takes world time and
    /// what does not is said below the table. Ends with 1 if a task failed, ran twice or never ended.
    Study(study::StudyArgs),
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
        Kind::Catalogue(args) => catalogue::run(args),
        Kind::Ablation(args) => ablation::run(args),
        Kind::Scenarios(args) => scenarios::run(args),
        Kind::Stall(args) => stall::run(args),
        Kind::Exhaust(args) => exhaust::run(args),
        Kind::Study(args) => study::run(args),
    }
}

/// The exit code that says whether all went well.
fn exit_code(well: bool) -> ExitCode {
    match well {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(super::FAILED),
    }
}
