//! `mpcsfaas task`: what became of a task.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use comfy_table::{CellAlignment, Table};
use hyper::{Method, StatusCode};
use mpcsfaas_core::rfc3339;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use thiserror::Error;
use uuid::Uuid;

use crate::api::{ApiError, Refusal, Target};
use crate::failure::Failure;

/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// How many seconds one long poll waits.
const POLL_SECONDS: f64 = 30.0;

/// Arguments of `mpcsfaas task`.
#[derive(Debug, Args)]
pub struct TaskArgs {
    /// The task, as `run` or the client named it.
    #[arg(value_parser = task_id)]
    id: Uuid,
    /// The gateway to ask.
    #[arg(long, env = "MPCSFAAS_URL", default_value = "http://127.0.0.1:8000",
          value_parser = Target::from_url)]
    url: Target,
    /// Wait until the task has ended, at most so many seconds. Ends with 1 if it has not.
    #[arg(long, value_name = "SECONDS", value_parser = super::run::seconds)]
    wait: Option<Duration>,
    /// Cancel it: it becomes FAILED, and is killed where it runs.
    #[arg(long)]
    cancel: bool,
    /// Print what the API answers, as one line of JSON.
    #[arg(long)]
    json: bool,
}

/// Why an argument of the command line is no task.
#[derive(Debug, Error)]
#[error("expected a task's id, such as 473ac4c2-0884-4aa5-9109-c2f98935efc3")]
pub struct NotAnId;

fn task_id(text: &str) -> Result<Uuid, NotAnId> {
    Uuid::try_parse(text).map_err(|_| NotAnId)
}

/// Why there is nothing to show of a task.
#[derive(Debug, Error)]
pub enum TaskError {
    /// Nobody answers.
    #[error("no platform answers; start one with `mpcsfaas up`, or name it with --url: {0}")]
    Api(#[from] ApiError),
    /// There is no such task.
    #[error("{target} knows no task {id}; results are kept for 24 hours")]
    Unknown {
        /// The platform.
        target: Target,
        /// The task.
        id: Uuid,
    },
    /// It is too late to cancel it.
    #[error("task {0} had ended before it could be cancelled")]
    Ended(Uuid),
    /// The platform answered with another error.
    #[error("{target} answered {refusal}")]
    Refused {
        /// The platform.
        target: Target,
        /// Its answer.
        refusal: Refusal,
    },
    /// The answer is not what the API says.
    #[error("an answer is not the JSON that the API documents: {0}")]
    Answer(#[from] serde_json::Error),
    /// Standard output.
    #[error("cannot print the answer: {0}")]
    Print(#[source] io::Error),
    /// The wait is over.
    #[error("task {id} is {status} after {} s", .waited.as_secs_f64())]
    NotEnded {
        /// The task.
        id: Uuid,
        /// Its state.
        status: String,
        /// The bound.
        waited: Duration,
    },
}

impl TaskError {
    /// What the process ends with: 3 if the platform cannot be reached.
    pub const fn exit_code(&self) -> u8 {
        match self {
            TaskError::Api(_) => super::UNREACHABLE,
            _ => super::FAILED,
        }
    }
}

/// Shows a task, or cancels it.
///
/// # Errors
/// See [`TaskError`].
pub async fn run(args: TaskArgs) -> Result<ExitCode, TaskError> {
    let asking = Asking {
        target: args.url,
        id: args.id,
    };
    if args.cancel {
        let answer = asking.cancel().await?;
        let text = match args.json {
            true => format!("{answer}\n"),
            false => format!("task {} is cancelled\n", args.id),
        };
        return print(&text).map(|()| ExitCode::SUCCESS);
    }
    if let Some(limit) = args.wait {
        asking.wait(limit).await?;
    }
    let answer: Value = asking
        .ask(Method::GET, "/v1/tasks/", "", ANSWER_LIMIT)
        .await?;
    print(&match args.json {
        true => format!("{answer}\n"),
        false => show(&Details::deserialize(&answer)?),
    })?;
    let status = answer["status"].as_str().unwrap_or_default();
    match args.wait {
        Some(waited) if !matches!(status, "COMPLETED" | "FAILED") => Err(TaskError::NotEnded {
            id: args.id,
            status: status.to_owned(),
            waited,
        }),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn print(text: &str) -> Result<(), TaskError> {
    let printed = io::stdout().write_all(text.as_bytes());
    printed.map_err(TaskError::Print)
}

/// Questions about one task.
struct Asking {
    target: Target,
    id: Uuid,
}

impl Asking {
    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        route: &str,
        query: &str,
        limit: Duration,
    ) -> Result<T, TaskError> {
        let path = format!("{route}{}{query}", self.id);
        match self.target.ask(method, &path, limit).await? {
            Ok(answer) => Ok(answer),
            Err(refusal) => Err(match refusal.status {
                StatusCode::NOT_FOUND => TaskError::Unknown {
                    target: self.target.clone(),
                    id: self.id,
                },
                StatusCode::CONFLICT => TaskError::Ended(self.id),
                _ => TaskError::Refused {
                    target: self.target.clone(),
                    refusal,
                },
            }),
        }
    }

    async fn cancel(&self) -> Result<Value, TaskError> {
        self.ask(Method::DELETE, "/v1/tasks/", "", ANSWER_LIMIT)
            .await
    }

    /// Returns when the task has ended or the time is over.
    async fn wait(&self, limit: Duration) -> Result<(), TaskError> {
        #[derive(Deserialize)]
        struct Answer {
            status: String,
            #[serde(rename = "result")]
            _result: IgnoredAny,
        }
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let poll = left.as_secs_f64().min(POLL_SECONDS);
            let query = format!("?wait={poll:.3}");
            let limit = ANSWER_LIMIT + Duration::from_secs_f64(poll);
            let answer: Answer = self.ask(Method::GET, "/result/", &query, limit).await?;
            if matches!(answer.status.as_str(), "COMPLETED" | "FAILED") || left.is_zero() {
                return Ok(());
            }
        }
    }
}

/// Cancels a task that somebody is no longer waiting for. Returns whether it is cancelled.
pub async fn cancel(target: &Target, id: Uuid) -> bool {
    let asking = Asking {
        target: target.clone(),
        id,
    };
    asking.cancel().await.is_ok()
}

/// The answer of `GET /v1/tasks/{id}`.
#[derive(Debug, Deserialize)]
struct Details {
    task_id: Uuid,
    function_id: Uuid,
    status: String,
    reason: String,
    submitted_at: String,
    finished_at: Option<String>,
    attempts: Vec<Attempt>,
    losses: u32,
    error: Option<Failure>,
    output: String,
}

#[derive(Debug, Deserialize)]
struct Attempt {
    attempt: u32,
    worker: Option<String>,
    dispatcher: String,
    started_at: String,
    ended_at: Option<String>,
    reason: Option<String>,
}

/// All of it, for people, in 80 columns.
fn show(task: &Details) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<10} {value}");
    };
    line("task", &task.task_id.to_string());
    line("status", &task.status);
    line("reason", &task.reason);
    line("function", &task.function_id.to_string());
    line("submitted", &task.submitted_at);
    if let Some(finished) = &task.finished_at {
        let after = span(&task.submitted_at, Some(finished));
        line("ended", &format!("{finished}, after {after}"));
    }
    if task.losses > 0 {
        line(
            "losses",
            &format!("{} (workers lost under it)", task.losses),
        );
    }
    if !task.attempts.is_empty() {
        let _ = write!(text, "\n{}\n", attempts(task).trim_fmt());
    }
    if let Some(failure) = &task.error {
        let _ = write!(text, "\nfailed: {failure}\n");
    }
    if !task.output.is_empty() {
        let _ = write!(text, "\nprinted:\n{}\n", task.output.trim_end_matches('\n'));
    }
    text
}

/// A line for each attempt. Workers and dispatchers by the beginning of their names, as far as it
/// takes to find them in a log; JSON has them whole.
fn attempts(task: &Details) -> Table {
    let mut table = Table::new();
    table.load_preset(super::TABLE);
    table.set_header([
        "attempt",
        "worker",
        "dispatcher",
        "began after",
        "took",
        "ended by",
    ]);
    for attempt in &task.attempts {
        table.add_row([
            attempt.attempt.to_string(),
            attempt.worker.as_deref().map_or("?".to_owned(), short),
            short(&attempt.dispatcher),
            span(&task.submitted_at, Some(&attempt.started_at)),
            span(&attempt.started_at, attempt.ended_at.as_deref()),
            attempt.reason.clone().unwrap_or_default(),
        ]);
    }
    for right in [0, 3, 4] {
        if let Some(column) = table.column_mut(right) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn short(name: &str) -> String {
    name.chars().take(10).collect()
}

/// The time between two of the API's times.
fn span(from: &str, to: Option<&str>) -> String {
    let Some(to) = to else {
        return "(running)".to_owned();
    };
    match (rfc3339::parse(from), rfc3339::parse(to)) {
        (Some(from), Some(to)) => {
            let millis = to.millis_since(from);
            let seconds = millis / 1_000;
            match seconds {
                0..60 => format!("{seconds}.{:03} s", millis % 1_000),
                60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
                _ => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
            }
        }
        _ => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::json;

    fn details() -> Value {
        json!({
            "task_id": "473ac4c2-0884-4aa5-9109-c2f98935efc3",
            "function_id": "00000000-0000-0000-0000-000000000007",
            "status": "FAILED",
            "reason": "failed: ValueError: no more",
            "submitted_at": "2024-02-29T12:00:00.000Z",
            "finished_at": "2024-02-29T12:02:05.500Z",
            "attempts": [
                {
                    "attempt": 1, "worker": "w-0123456789abcdef",
                    "dispatcher": "d-fedcba9876543210.0",
                    "started_at": "2024-02-29T12:00:00.012Z",
                    "ended_at": "2024-02-29T12:00:03.000Z", "reason": "worker_lost"
                },
                {
                    "attempt": 2, "worker": null, "dispatcher": "d-fedcba9876543210.0",
                    "started_at": "2024-02-29T12:00:03.100Z",
                    "ended_at": "2024-02-29T12:02:05.500Z", "reason": "raised"
                }
            ],
            "losses": 1,
            "error": {
                "kind": "raised", "type": "ValueError", "message": "no more",
                "traceback": "Traceback (most recent call last):\n  ...\nValueError: no more\n",
                "exit_code": null, "signal": null
            },
            "output": "about to fail\n"
        })
    }

    fn shown(details: &Value) -> String {
        let text = show(&Details::deserialize(details).unwrap());
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        text.trim_end().to_owned()
    }

    #[test]
    fn a_failed_task_is_shown_with_its_attempts() {
        let expected = "\
task       473ac4c2-0884-4aa5-9109-c2f98935efc3
status     FAILED
reason     failed: ValueError: no more
function   00000000-0000-0000-0000-000000000007
submitted  2024-02-29T12:00:00.000Z
ended      2024-02-29T12:02:05.500Z, after 2 min 5 s
losses     1 (workers lost under it)

 attempt   worker       dispatcher   began after        took   ended by
───────────────────────────────────────────────────────────────────────────
       1   w-01234567   d-fedcba98       0.012 s     2.988 s   worker_lost
       2   ?            d-fedcba98       3.100 s   2 min 2 s   raised

failed: ValueError: no more (raised)
Traceback (most recent call last):
  ...
ValueError: no more

printed:
about to fail";
        assert_eq!(shown(&details()), expected);
    }

    #[test]
    fn a_task_that_waits_is_shown_with_why() {
        let mut details = details();
        for (name, value) in [
            ("status", json!("QUEUED")),
            ("reason", json!("queued: no dispatcher is running")),
            ("finished_at", Value::Null),
            ("attempts", json!([])),
            ("losses", json!(0)),
            ("error", Value::Null),
            ("output", json!("")),
        ] {
            details[name] = value;
        }
        let expected = "\
task       473ac4c2-0884-4aa5-9109-c2f98935efc3
status     QUEUED
reason     queued: no dispatcher is running
function   00000000-0000-0000-0000-000000000007
submitted  2024-02-29T12:00:00.000Z";
        assert_eq!(shown(&details), expected);
    }

    #[test]
    fn spans_are_told_at_the_precision_that_one_cares_for() {
        let from = "2024-02-29T12:00:00.000Z";
        let rows = [
            ("2024-02-29T12:00:59.999Z", "59.999 s"),
            ("2024-02-29T13:59:59.000Z", "1 h 59 min"),
            ("2024-02-29T11:00:00.000Z", "0.000 s"),
            ("tomorrow", "?"),
        ];
        for (to, told) in rows {
            assert_eq!(span(from, Some(to)), told, "{to}");
        }
        assert_eq!(span(from, None), "(running)");
    }
}
