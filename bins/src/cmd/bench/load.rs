//! `mpcsfaas bench load`: no-op tasks through a running platform, in a closed or in an open loop.

mod open;

use std::io::{self, Write};
use std::num::NonZeroU64;
use std::time::Duration;

use clap::Args;
use comfy_table::Table;
use serde_json::json;
use thiserror::Error;

use crate::api::Target;
use crate::load::{self, Config, LoadError, LoadReport, Pace};

/// Connections of the closed loop: so many tasks are under way.
const CLOSED_CONNECTIONS: u16 = 16;

/// Connections of the open loop: enough that they do not bound what is under way.
const OPEN_CONNECTIONS: u16 = 128;

/// Arguments of `mpcsfaas bench load`.
#[derive(Debug, Args)]
pub(super) struct LoadArgs {
    /// The gateway to measure.
    #[arg(long, env = "MPCSFAAS_URL", default_value = "http://127.0.0.1:8000")]
    url: String,
    /// How many keep-alive connections, each with one task (or batch) on its way. Default: 16, with
    /// --rate 128.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    connections: Option<u16>,
    /// Make a new connection for each task, as clients do that keep none.
    #[arg(long, conflicts_with_all = ["rate", "batch"])]
    no_keep_alive: bool,
    /// How many tasks in all, without --rate.
    #[arg(long, default_value_t = 20_000, conflicts_with = "rate")]
    tasks: u64,
    /// Submit so many tasks a second, at a constant pace, and measure latency from when each was
    /// due.
    #[arg(long, value_name = "TASKS/S", value_parser = rate)]
    rate: Option<f64>,
    /// For how many seconds, with --rate. Default: 10.
    #[arg(long, value_name = "SECONDS", requires = "rate", value_parser = duration)]
    duration: Option<f64>,
    /// Submit batches of so many tasks, and collect their results together.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=load::MAX_BATCH))]
    batch: Option<u64>,
    /// How many seconds one long poll waits for a result.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(0..=60))]
    wait: u64,
    /// Give up when one task has not ended after this many seconds; with --rate, only that task.
    #[arg(long, default_value_t = 120)]
    patience: u64,
    /// Print the report as one line of JSON.
    #[arg(long)]
    json: bool,
}

/// Why an argument of the command line is none.
#[derive(Debug, Error)]
enum ArgumentError {
    /// Not a rate.
    #[error("expected a number of tasks a second, more than 0 and at most 1000000")]
    Rate,
    /// Not a time.
    #[error("expected a number of seconds, more than 0 and at most 86400")]
    Duration,
}

fn rate(text: &str) -> Result<f64, ArgumentError> {
    within(text, 1_000_000.0).ok_or(ArgumentError::Rate)
}

fn duration(text: &str) -> Result<f64, ArgumentError> {
    within(text, 86_400.0).ok_or(ArgumentError::Duration)
}

fn within(text: &str, most: f64) -> Option<f64> {
    let number = text.parse::<f64>().ok()?;
    (number > 0.0 && number <= most).then_some(number)
}

/// Why there is no figure, or one that describes something else.
#[derive(Debug, Error)]
pub enum BenchLoadError {
    /// The run was given up.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Tasks failed, so the figures describe something else.
    #[error("{failed} of {tasks} tasks failed or gave a wrong result")]
    Failures {
        /// How many.
        failed: u64,
        /// Of how many.
        tasks: u64,
    },
    /// The time is too short for one task.
    #[error("at {rate} tasks a second there is not one task in {duration} s")]
    NoTasks {
        /// Tasks a second.
        rate: f64,
        /// Seconds.
        duration: f64,
    },
    /// Standard output.
    #[error("cannot print the report: {0}")]
    Print(#[source] io::Error),
}

/// Measures and prints the report.
///
/// # Errors
/// [`BenchLoadError::Failures`] after the report was printed, all others without one.
pub(super) async fn run(args: LoadArgs) -> Result<(), BenchLoadError> {
    let target = Target::from_url(&args.url).map_err(LoadError::from)?;
    let pace = args.rate.map(|rate| pace(rate, &args)).transpose()?;
    let connections = args.connections.unwrap_or(match pace {
        Some(_) => OPEN_CONNECTIONS,
        None => CLOSED_CONNECTIONS,
    });
    let config = Config {
        function_id: load::register(&target, "len", load::NOOP_FUNCTION).await?,
        target,
        params: load::NOOP_PARAMS.to_owned(),
        expected: load::NOOP_RESULTS.map(str::to_owned).to_vec(),
        connections: usize::from(connections),
        keep_alive: !args.no_keep_alive,
        tasks: args.tasks,
        wait_s: args.wait,
        patience: Duration::from_secs(args.patience),
    };
    let (failed, tasks) = match pace {
        Some(pace) => {
            let report = load::open_loop(config, pace).await?;
            open::print(&report, args.json).map_err(BenchLoadError::Print)?;
            (report.figures.failed(), pace.tasks)
        }
        None => {
            let report = match args.batch {
                Some(batch) => load::closed_batches(config, batch).await?,
                None => load::closed_loop(config).await?,
            };
            print(&report, args.json).map_err(BenchLoadError::Print)?;
            (report.failed, args.tasks)
        }
    };
    match failed {
        0 => Ok(()),
        failed => Err(BenchLoadError::Failures { failed, tasks }),
    }
}

fn pace(rate: f64, args: &LoadArgs) -> Result<Pace, BenchLoadError> {
    let duration = args.duration.unwrap_or(10.0);
    // Both are bounded, so the product is far from what a u64 cannot hold.
    match NonZeroU64::new((rate * duration).round() as u64) {
        Some(tasks) => Ok(Pace {
            rate,
            tasks: tasks.get(),
            batch: args.batch,
        }),
        None => Err(BenchLoadError::NoTasks { rate, duration }),
    }
}

fn print(report: &LoadReport, json: bool) -> io::Result<()> {
    let mut stdout = io::stdout();
    match json {
        true => writeln!(stdout, "{}", as_json(report)),
        false => writeln!(stdout, "{}", as_table(report)),
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
