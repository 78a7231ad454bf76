//! `mpcsfaas bench`: measures a running platform.

mod study;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use comfy_table::Table;
use serde_json::json;
use thiserror::Error;

use crate::api::Target;
use crate::load::{self, Config, LoadError, LoadReport};

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
    /// Each connection submits a task, waits for its result and submits the next. Ends with 1 if
    /// a task failed or gave a wrong result.
    Load(LoadArgs),
    /// Evaluate the platform: all modes, worker counts and workloads, with a report and plots.
    ///
    /// Starts platforms of its own on private ports, measures how they scale (weakly: tasks grow
    /// with the workers; strongly: they do not), and writes study.json, study.md and plots. Ends
    /// with 0 if every task was done, 1 if not, 2 if an argument or a file has to be put right.
    /// After Ctrl-C what was measured until then is kept.
    Study(study::StudyArgs),
}

#[derive(Debug, Args)]
struct LoadArgs {
    /// The gateway to measure.
    #[arg(long, env = "MPCSFAAS_URL", default_value = "http://127.0.0.1:8000")]
    url: String,
    /// How many keep-alive connections, each with one task on its way.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// How many tasks in all.
    #[arg(long, default_value_t = 20_000)]
    tasks: u64,
    /// How many seconds one long poll waits for a result.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(0..=60))]
    wait: u64,
    /// Give up when one task has not ended after this many seconds.
    #[arg(long, default_value_t = 120)]
    patience: u64,
    /// Print the report as one line of JSON.
    #[arg(long)]
    json: bool,
}

/// Why a measurement is none.
#[derive(Debug, Error)]
pub enum BenchError {
    /// The run was given up.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The study was given up.
    #[error(transparent)]
    Study(#[from] study::StudyError),
    /// Tasks failed, so the figures describe something else.
    #[error("{failed} of {tasks} tasks failed or gave a wrong result")]
    Failures {
        /// How many.
        failed: u64,
        /// Of how many.
        tasks: u64,
    },
}

impl BenchError {
    /// What the process ends with.
    pub const fn exit_code(&self) -> u8 {
        match self {
            BenchError::Study(error) => error.exit_code(),
            BenchError::Load(_) | BenchError::Failures { .. } => super::FAILED,
        }
    }
}

/// Carries out `mpcsfaas bench`.
///
/// # Errors
/// [`BenchError::Failures`] after the report was printed, [`BenchError::Load`] without one, and
/// [`BenchError::Study`].
pub async fn run(args: BenchArgs) -> Result<ExitCode, BenchError> {
    match args.kind {
        Kind::Load(args) => measure_load(args).await.map(|()| ExitCode::SUCCESS),
        Kind::Study(args) => Ok(study::run(args).await?),
    }
}

async fn measure_load(args: LoadArgs) -> Result<(), BenchError> {
    let target = Target::from_url(&args.url).map_err(LoadError::from)?;
    let function_id = load::register(&target, "len", load::NOOP_FUNCTION).await?;
    let report = load::closed_loop(Config {
        target,
        function_id,
        params: load::NOOP_PARAMS.to_owned(),
        expected: load::NOOP_RESULTS.map(str::to_owned).to_vec(),
        connections: usize::from(args.connections),
        tasks: args.tasks,
        wait_s: args.wait,
        patience: Duration::from_secs(args.patience),
    })
    .await?;
    if args.json {
        println!("{}", as_json(&report));
    } else {
        println!("{}", as_table(&report));
    }
    match report.failed {
        0 => Ok(()),
        failed => Err(BenchError::Failures {
            failed,
            tasks: args.tasks,
        }),
    }
}

fn as_json(report: &LoadReport) -> serde_json::Value {
    json!({
        "completed": report.completed,
        "failed": report.failed,
        "seconds": report.seconds,
        "tasks_per_s": report.tasks_per_second(),
        "p50_ms": report.latency_ms(0.50),
        "p95_ms": report.latency_ms(0.95),
        "p99_ms": report.latency_ms(0.99),
        "max_ms": report.latency_ms(1.0),
    })
}

fn as_table(report: &LoadReport) -> Table {
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "completed",
        "failed",
        "seconds",
        "tasks/s",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "max ms",
    ]);
    let ms = |quantile| format!("{:.2}", report.latency_ms(quantile));
    table.add_row([
        report.completed.to_string(),
        report.failed.to_string(),
        format!("{:.2}", report.seconds),
        format!("{:.0}", report.tasks_per_second()),
        ms(0.50),
        ms(0.95),
        ms(0.99),
        ms(1.0),
    ]);
    table
}
