//! `mpcsfaas sim study`: how the platform scales in the simulated world, and what that costs the
//! dispatcher.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use clap::builder::TypedValueParser;
use mpcsfaas_core::wire::message::Flow;
use mpcsfaas_sim_tests::scenario_file::{TimeError, read_time};
use mpcsfaas_sim_tests::study::{self, Cost, Point, Row, Workload};
use nix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use thiserror::Error;

use super::choice::{Choice, one_of};
use super::report::{bar, print};
use super::{SimError, exit_code};

/// Arguments of `mpcsfaas sim study`.
#[derive(Debug, Args)]
pub(super) struct StudyArgs {
    /// Numbers of workers. The efficiency of each is measured by the smallest.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "1,10,100,1000", value_parser = count(MOST_WORKERS))]
    workers: Vec<usize>,
    /// Python processes of each worker.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=64))]
    processes: u32,
    /// Tasks for each worker, all submitted at the same moment.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "5", value_parser = count(MOST_TASKS))]
    tasks_per_worker: Vec<usize>,
    /// How long a message travels, and a store request each way: up to 200ms.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "0.1ms,1ms,20ms", value_parser = latency)]
    latency: Vec<Duration>,
    /// How workers take tasks.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "pull,push", value_parser = one_of(FLOWS))]
    modes: Vec<Flow>,
    /// What the tasks do.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "noop,sleep,cpu", value_parser = one_of(WORKLOADS))]
    workloads: Vec<Workload>,
    /// How long a task of `sleep` runs, and one of `cpu` in the mean.
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = runs)]
    runs: Duration,
    /// How long the dispatcher takes for each step, in world time: one message, answer or deadline
    /// after the other. Up to 1ms.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = step_cost)]
    step_cost: Duration,
    /// How many seeds, from 1 on. They differ in when workers start, in the identities of tasks, and
    /// in how long a task of `cpu` runs.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    seeds: u64,
    /// Leave out the dispatcher's processor time, the one figure that the seeds do not determine.
    #[arg(long)]
    no_processor_time: bool,
    /// Print one JSON object for each row.
    #[arg(long)]
    json: bool,
}

const FLOWS: [Choice<Flow>; 2] = [
    ("pull", "when they ask", Flow::Pull),
    ("push", "as they come", Flow::Push),
];

const WORKLOADS: [Choice<Workload>; 3] = [
    ("noop", "nothing", Workload::Noop),
    ("sleep", "all take the same time", Workload::Sleep),
    (
        "cpu",
        "each takes its own time, from half of the usual to half more",
        Workload::Cpu,
    ),
];

/// The most workers: a dispatcher has no more connections, if it is not told otherwise.
const MOST_WORKERS: u64 = 4_096;

/// The most tasks of a worker.
const MOST_TASKS: u64 = 10_000;

/// The most tasks of all runs together: minutes in a release build.
const MOST_WORK: u64 = 50_000_000;

/// The longest link: what the protocol waits for must be far beyond an answer's way.
const LONGEST_LINK: Duration = Duration::from_millis(200);

const LONGEST_RUN: Duration = Duration::from_secs(60);

const LONGEST_STEP: Duration = Duration::from_millis(1);

/// So much of its time a dispatcher may spend on beats alone. Beyond it, it would be measured how
/// long a queue grows.
const MOST_IDLE_LOAD: f64 = 0.5;

/// Why an argument is no time for it.
#[derive(Debug, Error)]
enum LengthError {
    #[error(transparent)]
    Time(#[from] TimeError),
    #[error("it must be more than 0")]
    Nothing,
    #[error("at most {0:?}")]
    Long(Duration),
}

fn count(most: u64) -> impl TypedValueParser<Value = usize> {
    clap::value_parser!(u64)
        .range(1..=most)
        .map(|number| number as usize)
}

fn latency(text: &str) -> Result<Duration, LengthError> {
    length(text, LONGEST_LINK)
}

fn runs(text: &str) -> Result<Duration, LengthError> {
    length(text, LONGEST_RUN)
}

fn step_cost(text: &str) -> Result<Duration, LengthError> {
    match read_time(text)? {
        time if time > LONGEST_STEP => Err(LengthError::Long(LONGEST_STEP)),
        time => Ok(time),
    }
}

fn length(text: &str, longest: Duration) -> Result<Duration, LengthError> {
    match read_time(text)? {
        Duration::ZERO => Err(LengthError::Nothing),
        time if time > longest => Err(LengthError::Long(longest)),
        time => Ok(time),
    }
}

pub(super) fn run(args: &StudyArgs) -> Result<ExitCode, SimError> {
    let points = args.points();
    args.check(&points)?;
    let clock = (!args.no_processor_time).then_some(processor_time as study::Clock);
    let bar = bar(points.len() as u64 * args.seeds, "runs");
    let rows = study::study(&points, 1..args.seeds + 1, clock, || bar.inc(1));
    bar.finish_and_clear();
    print(&match args.json {
        true => rows
            .iter()
            .map(|row| format!("{}\n", as_json(row)))
            .collect(),
        false => format!(
            "{}\n{}{}",
            study::text(&rows),
            study::legend(&points),
            args.doubt()
        ),
    })?;
    Ok(exit_code(rows.iter().all(Row::is_well)))
}

/// What this thread has used of a processor.
fn processor_time() -> Option<Duration> {
    let used = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).ok()?;
    Some(Duration::from(used))
}

impl StudyArgs {
    /// All conditions, in the order of the rows.
    fn points(&self) -> Vec<Point> {
        let workers = sorted(&self.workers);
        let mut points = Vec::new();
        for workload in distinct(&self.workloads) {
            for flow in distinct(&self.modes) {
                for latency in sorted(&self.latency) {
                    for tasks_per_worker in sorted(&self.tasks_per_worker) {
                        points.extend(workers.iter().map(|workers| Point {
                            workload,
                            flow,
                            latency,
                            workers: *workers,
                            processes: self.processes,
                            tasks_per_worker,
                            runs: self.runs,
                            step_cost: self.step_cost,
                        }));
                    }
                }
            }
        }
        points
    }

    /// Whether it can be run, and is not too much.
    fn check(&self, points: &[Point]) -> Result<(), SimError> {
        let busy = points.iter().map(Point::idle_load);
        if busy.fold(0.0, f64::max) > MOST_IDLE_LOAD {
            return Err(SimError::StepCost);
        }
        // A store takes no more at once.
        let full = |point: &Point| point.tasks() as u64 > MOST_QUEUED;
        let tasks: u64 = points.iter().map(|point| point.tasks() as u64).sum();
        match points.iter().any(full) || tasks.saturating_mul(self.seeds) > MOST_WORK {
            true => Err(SimError::TooManyTasks),
            false => Ok(()),
        }
    }

    /// What should be known of the last column.
    fn doubt(&self) -> &'static str {
        match cfg!(debug_assertions) && !self.no_processor_time {
            true => {
                "This is a debug build: the processor times say nothing about a release build.\n"
            }
            false => "",
        }
    }
}

/// The limit of a store's queue.
const MOST_QUEUED: u64 = 1_000_000;

fn sorted<T: Ord + Copy>(values: &[T]) -> Vec<T> {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.dedup();
    values
}

/// In the order given.
fn distinct<T: PartialEq + Copy>(values: &[T]) -> Vec<T> {
    let mut kept = Vec::new();
    for value in values {
        if !kept.contains(value) {
            kept.push(*value);
        }
    }
    kept
}

fn as_json(row: &Row) -> Value {
    let point = &row.point;
    let flow = FLOWS.iter().find(|(.., flow)| *flow == point.flow);
    json!({
        "workload": point.workload.name(),
        "mode": flow.map(|(name, ..)| name),
        "latency_ms": millis(point.latency),
        "workers": point.workers,
        "processes": point.processes,
        "tasks_per_worker": point.tasks_per_worker,
        "tasks": point.tasks(),
        "runs_ms": millis(point.runs),
        "step_cost_us": point.step_cost.as_secs_f64() * 1e6,
        "seeds": row.seeds,
        "completion_ms": millis(row.completion),
        "tasks_per_s": row.throughput(),
        "p50_ms": millis(row.p50),
        "p95_ms": millis(row.p95),
        "p99_ms": millis(row.p99),
        "efficiency": row.efficiency,
        "unfinished": row.unfinished,
        "disturbed": row.disturbed,
        "dispatcher": cost_json(row),
    })
}

/// For each task, but the claims: those are of a run.
fn cost_json(row: &Row) -> Value {
    let Cost {
        messages,
        replies,
        doorbells,
        wakes,
        sent,
        requests,
        claims,
        ..
    } = row.cost;
    json!({
        "steps": row.per_task(row.cost.steps()),
        "orders": row.per_task(row.cost.orders()),
        "messages_received": row.per_task(messages),
        "store_replies": row.per_task(replies),
        "doorbells": row.per_task(doorbells),
        "wakes": row.per_task(wakes),
        "messages_sent": row.per_task(sent),
        "store_requests": row.per_task(requests),
        "claims_a_run": claims / row.seeds.max(1),
        "processor_us": row.processor_per_task(),
    })
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
