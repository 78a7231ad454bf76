//! `mpcsfaas bench queue`: what a long queue costs, and what an idle platform does.
//!
//! ```text
//!   idle     a platform with workers, left alone            processor time, memory
//!   fill     no workers; batches through the gateway   ┐    rates, processor time a task, by how
//!   drain    stub workers of this process              ┘    many were queued; memory in between
//! ```

mod course;
mod figures;
mod processes;
mod report;
mod stub;

use std::io;
use std::time::Duration;

use clap::Args;
use mpcsfaas_transport_real::python::environment::EnvironmentError;
use thiserror::Error;

use self::course::Course;
use self::report::Report;
use super::scratch::{Scratch, ScratchError};
use super::study::EMBEDDED;
use super::study::key_space::{KeySpace, KeySpaceError, without_password};
use super::study::site::SiteError;
use crate::api::{ApiError, Refusal};
use crate::cmd::run::seconds;
use crate::config::PythonArgs;
use crate::load::LoadError;
use crate::shutdown;

/// Arguments of `mpcsfaas bench queue`.
#[derive(Debug, Args)]
pub(super) struct QueueArgs {
    /// How many tasks to queue. A store takes a million.
    #[arg(long, value_name = "N", default_value_t = 1_000_000,
          value_parser = clap::value_parser!(u64).range(1_000..=1_000_000))]
    tasks: u64,
    /// The pickled parameters of each task, in bytes.
    #[arg(long, value_name = "N", default_value_t = 200,
          value_parser = clap::value_parser!(u32).range(16..=65_536))]
    bytes: u32,
    /// `embedded`, or the URL of a Redis. There the measurement has keys of its own, and removes
    /// them.
    #[arg(long, value_name = "STORE", default_value = "embedded")]
    store: String,
    /// How many stub workers drain the queue, each as if it had 8 processes.
    #[arg(long, value_name = "N", default_value_t = 2,
          value_parser = clap::value_parser!(u32).range(1..=64))]
    workers: u32,
    /// For how long the idle platform is watched; 0 leaves it out.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = idle)]
    idle: Duration,
    /// Give up if nothing was drained for so many seconds.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    patience: Duration,
    /// Print the report as one line of JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    python: PythonArgs,
}

/// The text is no time.
#[derive(Debug, Error)]
#[error("expected a number of seconds, from 0 to 3600")]
pub struct NoTime;

fn idle(text: &str) -> Result<Duration, NoTime> {
    let seconds: f64 = text.parse().map_err(|_| NoTime)?;
    match (0.0..=3600.0).contains(&seconds) {
        true => Ok(Duration::from_secs_f64(seconds)),
        false => Err(NoTime),
    }
}

/// Why there are no figures.
#[derive(Debug, Error)]
pub enum QueueError {
    /// The Redis.
    #[error(transparent)]
    Redis(#[from] KeySpaceError),
    /// No Python with dill.
    #[error(transparent)]
    Python(#[from] EnvironmentError),
    /// The platform did not start or stop as it should.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// It did not start in time.
    #[error("no dispatcher had come after {} s", .0.as_secs())]
    NoDispatcher(Duration),
    /// The function was not taken.
    #[error(transparent)]
    Register(#[from] LoadError),
    /// The gateway is away.
    #[error("the platform is away: {0}")]
    Gateway(#[from] ApiError),
    /// It takes no more.
    #[error("after {queued} tasks the gateway refused a batch: {refusal}")]
    Refused {
        /// So many were queued.
        queued: u64,
        /// What it said.
        refusal: Refusal,
    },
    /// One of them.
    #[error("after {queued} tasks one was refused: {detail}")]
    TaskRefused {
        /// So many were queued.
        queued: u64,
        /// What the gateway said.
        detail: String,
    },
    /// Nothing happens.
    #[error("{queued} tasks were queued, and none was taken for {} s", .patience.as_secs())]
    Stuck {
        /// So many.
        queued: u64,
        /// The bound.
        patience: Duration,
    },
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

impl QueueError {
    /// What the process ends with: 130 after Ctrl-C, else 1.
    pub const fn exit_code(&self) -> u8 {
        match self {
            QueueError::Interrupted => crate::cmd::INTERRUPTED,
            _ => crate::cmd::FAILED,
        }
    }
}

/// Measures and prints.
///
/// # Errors
/// See [`QueueError`].
pub(super) async fn run(args: QueueArgs) -> Result<(), QueueError> {
    let shutdown = shutdown::listen().map_err(QueueError::Signals)?;
    let redis = (args.store != EMBEDDED).then_some(args.store.as_str());
    let prepared = async {
        if let Some(url) = redis {
            KeySpace::new(url).server_version().await?;
        }
        let (python, _) = args.python.resolve().await?;
        Ok::<_, QueueError>(python)
    };
    let python = tokio::select! {
        prepared = prepared => prepared?,
        () = shutdown.clone().asked() => return Err(QueueError::Interrupted),
    };
    let course = Course {
        tasks: args.tasks,
        bytes: args.bytes as usize,
        workers: args.workers,
        patience: args.patience,
        redis,
        python: &python,
        scratch: Scratch::make("queue")?,
        shutdown,
    };
    let mut idle = Vec::new();
    if !args.idle.is_zero() {
        eprintln!(
            "watching an idle platform for {} s",
            args.idle.as_secs_f64()
        );
        idle = course.idle(args.idle).await?;
    }
    let queue = course.queue().await?;
    drop(course);
    let report = Report {
        store: without_password(&args.store),
        tasks: args.tasks,
        bytes: args.bytes,
        idle,
        queue,
    };
    report.print(args.json).map_err(QueueError::Print)
}
