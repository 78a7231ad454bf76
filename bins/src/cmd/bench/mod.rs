//! `mpcsfaas bench`: measures the platform. Each kind of measurement has a file.

mod advise;
mod dispatcher;
mod hops;
mod load;
mod queue;
mod scratch;
mod study;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use thiserror::Error;

use self::advise::{AdviseArgs, AdviseError};
use self::dispatcher::{BenchDispatcherError, DispatcherArgs};
use self::hops::{HopsArgs, HopsError};
use self::load::{BenchLoadError, LoadArgs};
use self::queue::{QueueArgs, QueueError};
use self::study::{StudyArgs, StudyError};

/// Arguments of `mpcsfaas bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// Run many no-op tasks through a running platform and report throughput and latency.
    ///
    /// Without --rate, each connection submits a task, waits for its result and submits the next.
    /// With --rate, tasks are submitted when they are due, whatever became of those before, and a
    /// task's latency counts from when it was due. Ends with 1 if a task failed or gave a wrong
    /// result.
    Load(LoadArgs),
    /// Measure a Python function of a file, and recommend how to run it.
    ///
    /// Calls the function by itself, then runs it through each mode on a private platform, and says
    /// for each setting what to take and which figure says so. Starts all it needs on ports that are
    /// free, with stores in a temporary directory, and leaves nothing behind. Takes half a minute,
    /// or longer if the function does. Ends with 1 if the function fails, 2 if the file or an
    /// argument has to be put right.
    Advise(AdviseArgs),
    /// Measure what a dispatcher costs, by what its socket costs.
    ///
    /// Takes no-op tasks from a store in memory through a dispatcher to stub workers over TCP and back,
    /// and counts the processor time of the dispatcher's thread: its machine, codec, guard and socket.
    /// Then a bare ROUTER of the same ZMQ library, on such a thread, answers as many messages of the
    /// same size (a message has many tasks), and then as many bytes with a message for each task.
    /// Needs no Python and no server. Takes some seconds. Ends with 1 if a round got stuck.
    Dispatcher(DispatcherArgs),
    /// Show where the time of a lone task goes, from the client to Python and back.
    ///
    /// Runs private platforms in each mode, on ports that are free, and lets no-op tasks through
    /// them, one after the other: the median and the tail of each hop, its share of the whole, and
    /// what the tracing itself takes. Any platform tells the same with `--log mpcsfaas::hops=trace`.
    Hops(HopsArgs),
    /// Fill the queue and drain it: rates, processor time and memory by how long it is.
    ///
    /// Runs private platforms: one that idles with workers, to see what doing nothing takes, and one
    /// without, which is filled through POST /v1/tasks:batch. Then workers that are a part of this
    /// command drain it; they run no Python, so that the figures are those of gateway, dispatcher and
    /// store.
    Queue(QueueArgs),
    /// Evaluate the platform: all modes, worker counts and workloads, with a report and plots.
    ///
    /// Starts platforms of its own on private ports, measures how they scale (weakly: tasks grow
    /// with the workers; strongly: they do not), and writes study.json, study.md and plots. Ends
    /// with 0 if every task was done, 1 if not, 2 if an argument or a file has to be put right.
    /// After Ctrl-C what was measured until then is kept.
    Study(StudyArgs),
}

/// Why a measurement is none.
#[derive(Debug, Error)]
pub enum BenchError {
    /// `bench load`.
    #[error(transparent)]
    Load(#[from] BenchLoadError),
    /// `bench advise`.
    #[error(transparent)]
    Advise(#[from] AdviseError),
    /// `bench dispatcher`.
    #[error(transparent)]
    Dispatcher(#[from] BenchDispatcherError),
    /// `bench hops`.
    #[error(transparent)]
    Hops(#[from] HopsError),
    /// `bench queue`.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// `bench study`.
    #[error(transparent)]
    Study(#[from] StudyError),
}

impl BenchError {
    /// What the process ends with.
    pub const fn exit_code(&self) -> u8 {
        match self {
            BenchError::Load(_) | BenchError::Dispatcher(_) => super::FAILED,
            BenchError::Advise(error) => error.exit_code(),
            BenchError::Hops(error) => error.exit_code(),
            BenchError::Queue(error) => error.exit_code(),
            BenchError::Study(error) => error.exit_code(),
        }
    }
}

/// Carries out `mpcsfaas bench`.
///
/// # Errors
/// See [`BenchError`].
pub async fn run(args: BenchArgs) -> Result<ExitCode, BenchError> {
    match args.kind {
        Kind::Load(args) => load::run(args).await?,
        Kind::Advise(args) => advise::run(args).await?,
        Kind::Dispatcher(args) => dispatcher::run(args).await?,
        Kind::Hops(args) => hops::run(args).await?,
        Kind::Queue(args) => queue::run(args).await?,
        Kind::Study(args) => return Ok(study::run(args).await?),
    }
    Ok(ExitCode::SUCCESS)
}
