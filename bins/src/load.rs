//! A load generator: how many tasks a second the platform does, and how long one takes.
//!
//! Here is the closed loop; the open one is in `open`, and what both know of batches in `client`.
//! Each connection of the closed loop submits a task and waits for its result in one request, checks
//! the result and submits the next. So there are never more tasks on their way than connections, and
//! the latency is what a client sees: from before the submit is written, or a connection of its own
//! is made for it, until the result has been read.
//!
//! ```text
//!   connection 1  ── POST /execute_function?wait= ─▶  ◀─ id, result ── ↺
//!   ...
//!   connection n
//! ```

mod batches;
mod client;
#[cfg(test)]
mod fake_gateway;
mod figures;
mod open;
mod schedule;
mod verdict;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use hyper::Method;
use serde::Deserialize;
use serde_json::json;
use thiserror::Error;
use tokio::task::JoinSet;

pub use self::batches::closed_batches;
pub use self::client::MAX_BATCH;
pub use self::figures::Times;
pub use self::open::{OpenReport, Pace, open_loop};
pub use self::verdict::Verdict;
use crate::api::{ApiError, Connection, Refusal, Target};

/// `builtins.len`, pickled by reference: the cheapest callable that any Python can load.
pub const NOOP_FUNCTION: &str = "gASVFAAAAAAAAACMCGJ1aWx0aW5zlIwDbGVulJOULg==\n";

/// `(("",), {})`, pickled: the parameters of [`NOOP_FUNCTION`].
pub const NOOP_PARAMS: &str = "gASVCgAAAAAAAACMAJSFlH2UhpQu\n";

/// The results that count as right: `0`, pickled with protocol 4 or 5.
pub const NOOP_RESULTS: [&str; 2] = ["gARLAC4=", "gAVLAC4="];

/// The longest latency that the histogram tells apart, in microseconds: ten minutes.
const LONGEST_US: u64 = 600_000_000;

/// What to submit, how often, and over how many connections.
#[derive(Clone, Debug)]
pub struct Config {
    /// The gateway.
    pub target: Target,
    /// The function, as [`register`] named it.
    pub function_id: String,
    /// The pickled parameters in base64, the same for each task.
    pub params: String,
    /// The results in base64, trimmed, that count as right; if there are none, any result is.
    pub expected: Vec<String>,
    /// How many connections, each with one task on its way. At least 1.
    pub connections: usize,
    /// Whether each serves for the whole run, or for one task as the original's client has it. The
    /// closed loop of single tasks heeds it.
    pub keep_alive: bool,
    /// How many tasks in all.
    pub tasks: u64,
    /// The `wait` of one long poll, in seconds. A task that is not done by then is asked for again.
    pub wait_s: u64,
    /// How long one task may take before the run is given up.
    pub patience: Duration,
}

/// What a run measured.
#[derive(Clone, Debug)]
pub struct LoadReport {
    /// Tasks that ended COMPLETED with a right result.
    pub completed: u64,
    /// Tasks that were refused, ended FAILED or gave a wrong result.
    pub failed: u64,
    /// From the first submit to the last result, in seconds.
    pub seconds: f64,
    /// Submit to result of the completed tasks, in microseconds.
    pub latency_us: Histogram<u64>,
}

impl LoadReport {
    /// Completed tasks a second.
    pub fn tasks_per_second(&self) -> f64 {
        self.completed as f64 / self.seconds.max(f64::EPSILON)
    }

    /// The latency in milliseconds that the fraction `quantile` (0 to 1) of the tasks stayed below.
    pub fn latency_ms(&self, quantile: f64) -> f64 {
        self.latency_us.value_at_quantile(quantile) as f64 / 1e3
    }
}

/// Why a run was given up.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The gateway could not be asked.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Registration was refused.
    #[error("the gateway refused the function: {0}")]
    Refused(Refusal),
    /// A task did not end in time.
    #[error("task {task} was still {status} after {patience:?}")]
    Stuck {
        /// Which one.
        task: String,
        /// Its last status.
        status: String,
        /// The bound.
        patience: Duration,
    },
    /// The gateway is older than batches, or something stands before it.
    #[error("this gateway has no batch endpoint; leave --batch out to submit one task at a time")]
    NoBatch,
    /// No thread for the schedule.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] std::io::Error),
    /// A connection's task panicked.
    #[error("a connection ended abnormally")]
    Panicked(#[from] tokio::task::JoinError),
}

/// Registers a pickled function, in base64, and returns its id.
///
/// # Errors
/// [`LoadError::Refused`] if the gateway does not take it, and what [`closed_loop`] says of
/// connections.
pub async fn register(target: &Target, name: &str, payload: &str) -> Result<String, LoadError> {
    #[derive(Deserialize)]
    struct Registered {
        function_id: String,
    }
    let mut client = Connection::connect(target).await?;
    let body = Bytes::from(json!({"name": name, "payload": payload}).to_string());
    let registered: Result<Registered, Refusal> =
        client.ask(Method::POST, "/register_function", body).await?;
    registered
        .map(|registered| registered.function_id)
        .map_err(LoadError::Refused)
}

/// Runs `config.tasks` tasks and reports.
///
/// # Errors
/// The first connection that breaks, or the first task that outlasts the patience, gives up the
/// whole run: a figure with holes in it would be no figure. Refused and failed tasks are counted.
pub async fn closed_loop(config: Config) -> Result<LoadReport, LoadError> {
    let config = Arc::new(config);
    let taken = Arc::new(AtomicU64::new(0));
    let mut clients = Vec::with_capacity(config.connections);
    for _ in 0..config.connections.max(1) {
        clients.push(Connection::connect(&config.target).await?);
    }
    let started = Instant::now();
    let mut loops: JoinSet<Result<Tally, LoadError>> = JoinSet::new();
    for client in clients {
        loops.spawn(one_connection(client, config.clone(), taken.clone()));
    }
    let mut total = Tally::new();
    while let Some(ended) = loops.join_next().await {
        total.add(&ended??);
    }
    Ok(LoadReport {
        completed: total.latency_us.len(),
        failed: total.failed,
        seconds: started.elapsed().as_secs_f64(),
        latency_us: total.latency_us,
    })
}

/// What one connection has seen so far.
struct Tally {
    failed: u64,
    latency_us: Histogram<u64>,
}

impl Tally {
    fn new() -> Tally {
        Tally {
            failed: 0,
            latency_us: Histogram::new_with_max(LONGEST_US, 3)
                .expect("the bounds are constants that the histogram allows"),
        }
    }

    fn add(&mut self, other: &Tally) {
        self.failed += other.failed;
        self.latency_us
            .add(&other.latency_us)
            .expect("both histograms have the same bounds");
    }
}

async fn one_connection(
    mut client: Connection,
    config: Arc<Config>,
    taken: Arc<AtomicU64>,
) -> Result<Tally, LoadError> {
    let submission =
        json!({"function_id": config.function_id, "payload": config.params}).to_string();
    let submission = Bytes::from(submission);
    let mut tally = Tally::new();
    while taken.fetch_add(1, Ordering::Relaxed) < config.tasks {
        let started = Instant::now();
        if !config.keep_alive {
            client = Connection::connect(&config.target).await?;
        }
        if one_task(&mut client, &config, submission.clone()).await? {
            let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
            tally.latency_us.saturating_record(micros);
        } else {
            tally.failed += 1;
        }
    }
    Ok(tally)
}

/// Submits one task and waits for its end: whether it gave a right result.
async fn one_task(
    client: &mut Connection,
    config: &Config,
    submission: Bytes,
) -> Result<bool, LoadError> {
    #[derive(Deserialize)]
    struct Answer {
        task_id: String,
        status: String,
        result: String,
    }
    let deadline = Instant::now() + config.patience;
    let wait_s = config.wait_s;
    let mut path = format!("/execute_function?wait={wait_s}");
    let (mut method, mut body) = (Method::POST, submission);
    loop {
        let answer: Result<Answer, Refusal> = client.ask(method, &path, body).await?;
        let Ok(answer) = answer else {
            return Ok(false);
        };
        match answer.status.as_str() {
            "COMPLETED" => {
                let result = answer.result.trim();
                let expected = &config.expected;
                return Ok(expected.is_empty() || expected.iter().any(|right| right == result));
            }
            "FAILED" => return Ok(false),
            _ if Instant::now() >= deadline => {
                return Err(LoadError::Stuck {
                    task: answer.task_id,
                    status: answer.status,
                    patience: config.patience,
                });
            }
            // It takes longer than one long poll.
            _ => {
                path = format!("/result/{}?wait={wait_s}", answer.task_id);
                (method, body) = (Method::GET, Bytes::new());
            }
        }
    }
}

#[cfg(test)]
mod tests;
