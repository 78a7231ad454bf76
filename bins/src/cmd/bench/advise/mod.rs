//! `mpcsfaas bench advise`: how to run a function, by the figures of that function.
//!
//! ```text
//!   profile    the function by itself, in a Python of its own
//!   measure    through each mode, on a private platform with all processes that could be of use,
//!              then through the best mode with one process
//!   rules      which settings follow
//! ```

mod measure;
mod profile;
mod report;
mod rules;

use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use clap::Args;
use mpcsfaas_core::store::op::Mode;
use thiserror::Error;

use self::measure::{Laboratory, Measured};
use self::report::Report;
use super::scratch::{Scratch, ScratchError};
use crate::cmd::dispatcher::ModeArg;
use crate::cmd::run::{FunctionPath, function_path, seconds};
use crate::config::PythonArgs;
use crate::failure::Failure;
use crate::load::LoadError;
use crate::platform::PlatformError;
use crate::python_client::{ClientError, PythonClient};
use crate::shutdown;

/// How many times the limit of one call a task may take: others may be before it.
const PATIENCE: u32 = 30;

/// Arguments of `mpcsfaas bench advise`.
#[derive(Debug, Args)]
pub(super) struct AdviseArgs {
    /// The function, such as jobs.py:area. It is called many times.
    #[arg(value_name = "FILE.py:FUNCTION", value_parser = function_path)]
    function: FunctionPath,
    /// Its arguments, each a Python literal: 3, "'text'", "[1, 2]", "{'a': (1, None)}".
    #[arg(value_name = "ARGS", allow_negative_numbers = true)]
    args: Vec<String>,
    /// Which modes to try.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "local,pull,push"
    )]
    modes: Vec<ModeArg>,
    /// Give up if one call of the function takes longer than so many seconds.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    limit: Duration,
    /// Print the report as one line of JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    python: PythonArgs,
}

/// Why there is no advice.
#[derive(Debug, Error)]
pub enum AdviseError {
    /// No such file, or it cannot be read.
    #[error("cannot read {}: {source}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file, the function or an argument.
    #[error("{0}")]
    Unusable(String),
    /// The function, called by itself.
    #[error("the function raised {message}\n{traceback}")]
    Raised {
        /// The exception, in a line.
        message: String,
        /// Where.
        traceback: String,
    },
    /// Something takes too long to be measured.
    #[error("{what} within {} s; --limit sets another limit", .limit.as_secs_f64())]
    Slow {
        /// What did not happen.
        what: &'static str,
        /// The bound.
        limit: Duration,
    },
    /// Nothing happens.
    #[error("Python did not start within {} s", .0.as_secs())]
    NotStarted(Duration),
    /// The Python that measures ended without a word.
    #[error("the Python that measures the function ended with {status}. It said:\n{said}")]
    Silent {
        /// How.
        status: ExitStatus,
        /// The end of what it printed.
        said: String,
    },
    /// The Python client cannot run.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A platform did not start, run or stop as it should.
    #[error("{} mode: {source}", .mode.as_str())]
    Platform {
        /// Which one.
        mode: Mode,
        /// What happened.
        source: PlatformError,
    },
    /// A measurement was given up.
    #[error("{} mode: {source}", .mode.as_str())]
    Load {
        /// In which mode.
        mode: Mode,
        /// What happened.
        source: LoadError,
    },
    /// It runs by itself, and not on a worker.
    #[error(
        "{} mode: the function works by itself and fails on a worker: {failure}",
        .mode.as_str()
    )]
    Failed {
        /// In which mode.
        mode: Mode,
        /// How.
        failure: Failure,
    },
    /// It works, and then it does not.
    #[error("{} mode: {failed} of {tasks} tasks failed", .mode.as_str())]
    Unsteady {
        /// In which mode.
        mode: Mode,
        /// How many.
        failed: u64,
        /// Of how many.
        tasks: u64,
    },
    /// The temporary directory.
    #[error(transparent)]
    Scratch(#[from] ScratchError),
    /// Ctrl-C or SIGTERM.
    #[error("interrupted; nothing is left running")]
    Interrupted,
    /// No mode at all.
    #[error("there is no mode to try")]
    NoMode,
    /// Standard output.
    #[error("cannot print the report: {0}")]
    Print(#[source] io::Error),
    /// Signals.
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] io::Error),
}

impl AdviseError {
    /// What the process ends with: 2 for what the caller has to put right, 130 after Ctrl-C, else 1.
    pub const fn exit_code(&self) -> u8 {
        match self {
            AdviseError::File { .. } | AdviseError::Unusable(_) => crate::cmd::USAGE,
            AdviseError::Interrupted => crate::cmd::INTERRUPTED,
            _ => crate::cmd::FAILED,
        }
    }
}

/// Measures and prints the advice.
///
/// # Errors
/// See [`AdviseError`].
pub(super) async fn run(args: AdviseArgs) -> Result<(), AdviseError> {
    let shutdown = shutdown::listen().map_err(AdviseError::Signals)?;
    args.function
        .readable()
        .map_err(|source| AdviseError::File {
            file: args.function.file.clone(),
            source,
        })?;
    let client = tokio::select! {
        client = PythonClient::prepare(&args.python, |line| eprintln!("{line}")) => client?,
        () = shutdown.clone().asked() => return Err(AdviseError::Interrupted),
    };
    let scratch = Scratch::make("advise")?;
    eprintln!("measuring {} by itself", args.function.function);
    let profile = profile::measure(
        &client,
        &args.function,
        &args.args,
        args.limit,
        scratch.path(),
        &shutdown,
    )
    .await?;
    let laboratory = Laboratory {
        client: &client,
        scratch: &scratch,
        profile: &profile,
        shutdown: &shutdown,
        patience: args.limit * PATIENCE,
    };
    let processors = processors();
    let useful = rules::useful_processes(&profile, processors);
    let mut measured: Vec<Measured> = Vec::new();
    for mode in args.modes.into_iter().map(Mode::from) {
        if measured.iter().any(|measured| measured.mode == mode) {
            continue;
        }
        eprintln!("measuring it in {} mode, {useful} processes", mode.as_str());
        measured.push(laboratory.measure(mode, useful).await?);
    }
    let (best, _) = rules::best_mode(&measured).ok_or(AdviseError::NoMode)?;
    let mode = best.mode;
    let mut one = None;
    if useful > 1 {
        eprintln!("measuring it in {} mode, 1 process", mode.as_str());
        one = Some(laboratory.measure(mode, 1).await?);
    }
    let report = Report::of(profile.clone(), processors, measured, one);
    let report = report.ok_or(AdviseError::NoMode)?;
    report.print(args.json).map_err(AdviseError::Print)
}

fn processors() -> u32 {
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    u32::try_from(processors).unwrap_or(u32::MAX)
}
