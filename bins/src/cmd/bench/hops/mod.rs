//! `mpcsfaas bench hops`: where the time of a lone task goes.
//!
//! ```text
//!   client ──▶ a platform that tells where each task is ──▶ logs ──▶ trail ──▶ figures ──▶ report
//!        └───▶ one that does not, in turns: what the telling takes
//! ```

mod client;
mod course;
mod figures;
mod report;
mod trail;

use std::io;
use std::time::Duration;

use clap::Args;
use mpcsfaas_core::store::op::Mode;
use mpcsfaas_transport_real::python::environment::EnvironmentError;
use thiserror::Error;

use self::client::TaskError;
use self::course::Course;
use self::report::Report;
use super::scratch::{Scratch, ScratchError};
use super::study::EMBEDDED;
use super::study::key_space::{KeySpace, KeySpaceError, without_password};
use super::study::site::SiteError;
use crate::api::ApiError;
use crate::cmd::dispatcher::ModeArg;
use crate::config::PythonArgs;
use crate::load::LoadError;
use crate::shutdown;

/// Arguments of `mpcsfaas bench hops`.
#[derive(Debug, Args)]
pub(super) struct HopsArgs {
    /// Which modes.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "local,pull,push"
    )]
    modes: Vec<ModeArg>,
    /// How many tasks in each mode.
    #[arg(long, value_name = "N", default_value_t = 500,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    tasks: u32,
    /// `embedded`, or the URL of a Redis. There the measurement has keys of its own, and removes
    /// them.
    #[arg(long, value_name = "STORE", default_value = "embedded")]
    store: String,
    /// Submit so many tasks a second, whatever has become of those before. Default: each when the
    /// one before has ended.
    #[arg(long, value_name = "PER_SECOND", value_parser = super::study::rate)]
    rate: Option<f64>,
    /// How many workers.
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=256))]
    workers: u32,
    /// Python processes of each worker.
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=1024))]
    processes: u32,
    /// Print the report as one line of JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    python: PythonArgs,
}

/// Why there are no figures.
#[derive(Debug, Error)]
pub enum HopsError {
    /// The Redis.
    #[error(transparent)]
    Redis(#[from] KeySpaceError),
    /// No Python with dill.
    #[error(transparent)]
    Python(#[from] EnvironmentError),
    /// A platform did not start or stop as it should.
    #[error("{} mode: {source}", .mode.as_str())]
    Site {
        /// In which mode.
        mode: Mode,
        /// What happened.
        source: SiteError,
    },
    /// The function was not taken.
    #[error(transparent)]
    Register(#[from] LoadError),
    /// A gateway is away.
    #[error("the platform is away: {0}")]
    Gateway(#[from] ApiError),
    /// A task was not done.
    #[error("{} mode: {source}", .mode.as_str())]
    Task {
        /// In which mode.
        mode: Mode,
        /// What became of it.
        source: TaskError,
    },
    /// The platform did not tell of any task from start to end.
    #[error("{} mode: the platform's log does not tell the whole way of any task", .0.as_str())]
    Untold(Mode),
    /// The temporary directory.
    #[error(transparent)]
    Scratch(#[from] ScratchError),
    /// Ctrl-C or SIGTERM.
    #[error("interrupted; nothing is left running")]
    Interrupted,
    /// Standard output.
    #[error("cannot print the report: {0}")]
    Print(#[source] io::Error),
    /// Signals.
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] io::Error),
}

impl HopsError {
    /// What the process ends with: 130 after Ctrl-C, else 1.
    pub const fn exit_code(&self) -> u8 {
        match self {
            HopsError::Interrupted => crate::cmd::INTERRUPTED,
            _ => crate::cmd::FAILED,
        }
    }
}

/// Measures and prints.
///
/// # Errors
/// See [`HopsError`].
pub(super) async fn run(args: HopsArgs) -> Result<(), HopsError> {
    let shutdown = shutdown::listen().map_err(HopsError::Signals)?;
    let redis = (args.store != EMBEDDED).then_some(args.store.as_str());
    let prepared = async {
        if let Some(url) = redis {
            KeySpace::new(url).server_version().await?;
        }
        let (python, _) = args.python.resolve().await?;
        Ok::<_, HopsError>(python)
    };
    let python = tokio::select! {
        prepared = prepared => prepared?,
        () = shutdown.clone().asked() => return Err(HopsError::Interrupted),
    };
    let course = Course {
        tasks: args.tasks,
        pause: args.rate.map(|rate| Duration::from_secs_f64(1.0 / rate)),
        workers: args.workers,
        processes: args.processes,
        redis,
        python: &python,
        scratch: Scratch::make("hops")?,
        shutdown,
    };
    let mut modes = Vec::new();
    for mode in args.modes.iter().copied().map(Mode::from) {
        if !modes.iter().any(|(measured, _)| *measured == mode) {
            eprintln!("measuring {} mode", mode.as_str());
            modes.push((mode, course.mode(mode).await?));
        }
    }
    drop(course);
    let report = Report {
        store: without_password(&args.store),
        rate: args.rate,
        tasks: args.tasks,
        modes: modes.into_iter().collect(),
    };
    report.print(args.json).map_err(HopsError::Print)
}
