//! `mpcsfaas bench study`: the evaluation of the platform, from start to report.
//!
//! ```text
//!   plan ─▶ trial ─▶ course ─▶ outcome ─┬─▶ study.json
//!   what     does     all       what     ├─▶ study.md
//!   to do    it work  runs      it says  └─▶ plots, as SVG and PNG
//! ```
//!
//! Reading order: [`plan`], [`course`] (platforms, one after the other; a [`site`] is one), [`pacing`]
//! (the client), [`outcome`] with [`statistics`], [`report`], [`plots`].

mod course;
mod functions;
pub(super) mod key_space;
mod machine;
mod outcome;
mod output;
mod pacing;
mod plan;
mod plots;
mod published;
mod report;
pub(super) mod site;
mod statistics;

use std::io;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use clap::Args;
use mpcsfaas_core::store::op::Mode;
use mpcsfaas_core::time::WallTime;
use thiserror::Error;

use self::course::Course;
use self::functions::Function;
use self::key_space::{KeySpace, KeySpaceError};
use self::machine::Machine;
use self::outcome::{RunRow, Setting, Study, Versions, WorkloadRow};
use self::output::Output;
use self::plan::{Pacing, Plan, PlanError, Scaling, Workload};
use self::site::SiteError;
use super::scratch::{Scratch, ScratchError};
use crate::api::ApiError;
use crate::cmd::dispatcher::ModeArg;
use crate::cmd::run::seconds;
use crate::config::PythonArgs;
use crate::load::LoadError;
use crate::python_client::{ClientError, PythonClient};
use crate::shutdown;

/// Arguments of `mpcsfaas bench study`.
#[derive(Debug, Args)]
pub struct StudyArgs {
    /// Which modes. In local mode one worker has the processes of all.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "local,pull,push"
    )]
    modes: Vec<ModeArg>,
    /// How many workers; each number is measured.
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,2,4,8",
          value_parser = clap::value_parser!(u32).range(1..=256))]
    workers: Vec<u32>,
    /// Python processes of each worker.
    #[arg(long, value_name = "N", default_value_t = 5,
          value_parser = clap::value_parser!(u32).range(1..=1024))]
    processes: u32,
    /// Weak scaling: so many tasks for each worker.
    #[arg(long, value_name = "N", default_value = "5")]
    tasks_per_worker: NonZeroU32,
    /// Strong scaling: so many tasks in all. Default: as many as weak scaling has at the most.
    #[arg(long, value_name = "N")]
    strong_tasks: Option<NonZeroU32>,
    /// What the tasks run: noop, cpu (sum of 1,000 squares), sleep (0.1 s), or FILE.py:FUNCTION,
    /// called without arguments. Each function is tried in this command's own Python first.
    #[arg(long, value_name = "WORKLOAD", value_delimiter = ',', default_value = "noop,cpu,sleep",
          value_parser = plan::workload)]
    workloads: Vec<Workload>,
    /// Which kinds of scaling.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "weak,strong")]
    scaling: Vec<Scaling>,
    /// How tasks are submitted.
    #[arg(long, value_enum, default_value = "original")]
    pacing: Pacing,
    /// Submissions a second, of open pacing [default: 50].
    #[arg(long, value_name = "PER_SECOND", value_parser = rate)]
    rate: Option<f64>,
    /// `embedded`, or the URL of a Redis. There the study has keys of its own, and removes them.
    #[arg(long, value_name = "STORE", default_value = "embedded")]
    store: String,
    /// How often each run is repeated.
    #[arg(long, value_name = "N", default_value = "3")]
    rounds: NonZeroU32,
    /// Tasks that have not ended after so many seconds of a run count as unfinished.
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = seconds)]
    patience: Duration,
    /// Where the report goes. It is made if need be, and must have no study in it.
    #[arg(long, value_name = "DIR", default_value = "mpcsfaas-study")]
    out: PathBuf,
    #[command(flatten)]
    python: PythonArgs,
}

/// The text is no rate.
#[derive(Debug, Error)]
#[error("expected a number of submissions a second, from 0.001 to 1000000")]
pub struct NoRate;

/// Submissions a second.
///
/// # Errors
/// It is no number, or out of bounds.
pub(super) fn rate(text: &str) -> Result<f64, NoRate> {
    let rate: f64 = text.parse().map_err(|_| NoRate)?;
    match (0.001..=1e6).contains(&rate) {
        true => Ok(rate),
        false => Err(NoRate),
    }
}

/// Why there is no study, or only a part of one.
#[derive(Debug, Error)]
pub enum StudyError {
    /// What was asked for cannot be measured.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// There is a study already.
    #[error("there is a study in {} already; name another directory with --out", .0.display())]
    Taken(PathBuf),
    /// The Python client cannot run.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A function cannot be loaded, pickled or called.
    #[error("workload {workload}: {message}")]
    Unusable {
        /// Which one.
        workload: String,
        /// What Python says.
        message: String,
    },
    /// Python ended before it had pickled everything.
    #[error("the Python client ended with {status}. It said:\n{said}")]
    Broken {
        /// How.
        status: ExitStatus,
        /// The end of its standard error.
        said: String,
    },
    /// The Redis.
    #[error(transparent)]
    Redis(#[from] KeySpaceError),
    /// A platform did not start or stop as it should.
    #[error("{} mode, {workers} workers: {source}", .mode.as_str())]
    Site {
        /// In which mode.
        mode: Mode,
        /// With so many workers.
        workers: u32,
        /// What happened.
        source: SiteError,
    },
    /// Before anything was measured, tasks were not done.
    #[error(
        "{} mode, workload {workload}: of {tasks} tasks {failed} failed, {refused} were refused and \
         {unfinished} did not end in time. One more: {why}",
        .mode.as_str()
    )]
    Trial {
        /// In which mode.
        mode: Mode,
        /// What they ran.
        workload: String,
        /// How many there were.
        tasks: u32,
        /// So many failed.
        failed: usize,
        /// So many were not accepted.
        refused: usize,
        /// So many did not end.
        unfinished: usize,
        /// What became of one more.
        why: String,
    },
    /// The gateway did not answer as it should.
    #[error("the platform is away: {0}")]
    Gateway(#[from] ApiError),
    /// A function was not taken.
    #[error(transparent)]
    Register(#[from] LoadError),
    /// A file.
    #[error("cannot write {}: {source}", .path.display())]
    Write {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A plot.
    #[error("cannot draw a plot: {0}")]
    Plot(#[from] plots::PlotError),
    /// Ctrl-C or SIGTERM.
    #[error("interrupted; the platform has been stopped")]
    Interrupted,
    /// Signals.
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] io::Error),
}

impl StudyError {
    /// What the process ends with: 130 after Ctrl-C, 2 if something has to be put right, else 1.
    pub const fn exit_code(&self) -> u8 {
        use crate::cmd::{FAILED, INTERRUPTED, USAGE};
        match self {
            StudyError::Interrupted => INTERRUPTED,
            StudyError::Plan(_) | StudyError::Taken(_) | StudyError::Unusable { .. } => USAGE,
            _ => FAILED,
        }
    }

    fn write(path: &Path) -> impl FnOnce(io::Error) -> StudyError + use<'_> {
        move |source| StudyError::Write {
            path: path.to_owned(),
            source,
        }
    }
}

impl From<ScratchError> for StudyError {
    fn from(ScratchError { path, source }: ScratchError) -> StudyError {
        StudyError::Write { path, source }
    }
}

/// Carries out `mpcsfaas bench study`: 0 if every task was done, 1 if not.
///
/// # Errors
/// See [`StudyError`]. What was measured until then is written all the same.
pub async fn run(args: StudyArgs) -> Result<ExitCode, StudyError> {
    let shutdown = shutdown::listen().map_err(StudyError::Signals)?;
    let plan = Plan::of(&args)?;
    let output = Output::claim(&args.out)?;
    let scratch = Scratch::make("study")?;
    let machine = Machine::here();
    let started_at = now();
    let prepared = tokio::select! {
        prepared = prepare(&args, &plan, &scratch) => prepared?,
        () = shutdown.clone().asked() => return Err(StudyError::Interrupted),
    };
    let course = Course {
        plan: &plan,
        functions: &prepared.functions,
        python: prepared.client.python(),
        redis: prepared.redis.as_deref(),
        scratch: &scratch,
        shutdown,
    };
    course.trial().await?;
    let mut runs = Vec::new();
    let ended = course.measure(&mut runs).await;
    if runs.is_empty() {
        return ended.map(|()| ExitCode::SUCCESS);
    }
    let study = study(
        &plan,
        &prepared,
        runs,
        (machine, started_at),
        ended.as_ref().err(),
    );
    let all_done = study.cells.iter().all(|cell| cell.success_percent == 100.0);
    output.write(&study)?;
    ended?;
    Ok(match all_done {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(crate::cmd::FAILED),
    })
}

/// All that must be there before a platform is started.
struct Prepared {
    client: PythonClient,
    versions: Versions,
    functions: Vec<Function>,
    /// The URL of a Redis that answers.
    redis: Option<String>,
}

async fn prepare(args: &StudyArgs, plan: &Plan, scratch: &Scratch) -> Result<Prepared, StudyError> {
    let redis = (args.store != EMBEDDED).then(|| args.store.clone());
    let redis_version = match &redis {
        Some(url) => Some(KeySpace::new(url).server_version().await?),
        None => None,
    };
    let client = PythonClient::prepare(&args.python, |line| eprintln!("{line}")).await?;
    let python = client.versions().await?;
    let said = scratch.path().join("functions.log");
    let functions = functions::pickle(&client, &plan.workloads, &said).await?;
    let versions = Versions {
        mpcsfaas: env!("CARGO_PKG_VERSION").to_owned(),
        optimised: !cfg!(debug_assertions),
        python: python.python,
        dill: python.dill,
        redis: redis_version,
    };
    Ok(Prepared {
        client,
        versions,
        functions,
        redis,
    })
}

/// The store that needs no server.
pub const EMBEDDED: &str = "embedded";

fn study(
    plan: &Plan,
    prepared: &Prepared,
    runs: Vec<RunRow>,
    (machine, started_at): (Machine, String),
    stopped_by: Option<&StudyError>,
) -> Study {
    let workloads: Vec<WorkloadRow> = prepared.functions.iter().map(WorkloadRow::from).collect();
    let store = match &prepared.redis {
        Some(url) => key_space::without_password(url),
        None => EMBEDDED.to_owned(),
    };
    let command = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let shown = command.map(|word| key_space::without_password(&word));
    Study {
        format: outcome::FORMAT,
        complete: stopped_by.is_none(),
        stopped_by: stopped_by.map(StudyError::to_string),
        started_at,
        ended_at: now(),
        command: shown.collect(),
        versions: prepared.versions.clone(),
        machine,
        setting: Setting::of(plan, store),
        cells: outcome::cells(&runs, plan.processes, &workloads),
        fits: outcome::fits(&runs),
        workloads,
        runs,
    }
}

fn now() -> String {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let millis = since_1970.unwrap_or_default().as_millis();
    mpcsfaas_core::rfc3339::utc(WallTime(u64::try_from(millis).unwrap_or(u64::MAX)))
}
