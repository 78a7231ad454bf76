//! The routes of `/v1`: everything that is known of a task, and of the platform.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use mpcsfaas_core::explain::{Surroundings, explain};
use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::rfc3339::utc;
use mpcsfaas_core::store::op::{Holder, Overview, TaskView};
use mpcsfaas_core::store::{Op, Reply};
use mpcsfaas_core::task::{Failure, Outcome, Status};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Gateway;
use super::error::{ApiError, Refusal, ValidationError};
use super::params::TaskPath;
use crate::clock::wall_time;

/// Everything that is known of a task.
#[derive(Serialize, ToSchema)]
pub(super) struct TaskDetails {
    /// Which task.
    task_id: Uuid,
    /// What it runs.
    function_id: Uuid,
    /// `QUEUED`, `RUNNING`, `COMPLETED` or `FAILED`.
    status: &'static str,
    /// Why it waits, where it runs or how it ended, in one sentence for people.
    reason: String,
    /// When it was accepted.
    #[schema(format = DateTime)]
    submitted_at: String,
    /// When it ended.
    #[schema(format = DateTime)]
    finished_at: Option<String>,
    /// Its attempts, oldest first; at most the last 17.
    attempts: Vec<AttemptDetails>,
    /// How often a worker was lost under it.
    losses: u32,
    /// Why it failed, if it did.
    error: Option<ErrorDetails>,
    /// What the function printed, cut at the capture limit.
    output: String,
}

/// One attempt to run a task.
#[derive(Serialize, ToSchema)]
pub(super) struct AttemptDetails {
    /// Its number, from 1.
    attempt: u32,
    /// The worker, as far as the store was told.
    worker: Option<String>,
    /// The dispatcher.
    dispatcher: String,
    /// When a dispatcher took it.
    #[schema(format = DateTime)]
    started_at: String,
    /// When it ended.
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    /// Why it ended: `completed`, the kind of the failure, or why it was given back.
    reason: Option<&'static str>,
}

/// Why a task failed.
#[derive(Serialize, ToSchema)]
pub(super) struct ErrorDetails {
    /// The class of failure, such as `raised`, `timeout` or `killed`.
    kind: &'static str,
    /// The exception's type, if Python raised one.
    #[serde(rename = "type")]
    exception: String,
    /// The exception's text, or a sentence that names the reason.
    message: String,
    /// Python's traceback, or nothing.
    traceback: String,
    /// The exit code of a process that exited.
    exit_code: Option<i32>,
    /// The signal that ended a process.
    signal: Option<i32>,
}

/// The platform as its dispatchers reported it last.
#[derive(Serialize, ToSchema)]
pub(super) struct PlatformOverview {
    /// Tasks in the queue.
    queued: u64,
    /// Dispatchers with a live lease.
    dispatchers: Vec<DispatcherDetails>,
}

/// A dispatcher, as it reported itself when it renewed its lease.
#[derive(Serialize, ToSchema)]
pub(super) struct DispatcherDetails {
    /// Which one.
    dispatcher: String,
    /// `local`, `pull` or `push`; nothing before its first report, as everything else.
    mode: Option<&'static str>,
    /// Live workers.
    workers: Option<u32>,
    /// Their Python processes.
    processes: Option<u32>,
    /// Tasks they hold.
    held: Option<u32>,
    /// Tasks they could take now.
    free: Option<u32>,
    /// Whether it is leaving.
    draining: Option<bool>,
}

/// Tells everything that is known of a task.
#[utoipa::path(
    get, path = "/v1/tasks/{task_id}", tag = "Tasks", params(("task_id" = Uuid, Path)),
    responses(
        (status = 200, description = "The task", body = TaskDetails),
        (status = 404, description = "There is no such task", body = Refusal),
        (status = 422, description = "Not a UUID", body = ValidationError),
        (status = 503, description = "The store is away", body = Refusal),
    )
)]
pub(super) async fn task(
    State(gateway): State<Arc<Gateway>>,
    TaskPath(task): TaskPath,
) -> Result<Json<TaskDetails>, ApiError> {
    let view = match gateway.ask(Op::Inspect { task }).await? {
        Reply::Inspected(Some(view)) => view,
        Reply::Inspected(None) => return Err(ApiError::UnknownTask),
        other => return Err(ApiError::unexpected(&other)),
    };
    let overview = match view.status {
        Status::Queued => gateway.platform().await?,
        Status::Running | Status::Completed | Status::Failed => Overview::default(),
    };
    let around = Surroundings {
        overview: &overview,
        now: wall_time(),
        max_losses: gateway.config.max_losses,
    };
    let reason = explain(&view, around);
    Ok(Json(TaskDetails::new(task, *view, reason)))
}

/// Tells how long the queue is and which dispatchers serve it.
#[utoipa::path(
    get, path = "/v1/overview", tag = "Platform",
    responses(
        (status = 200, description = "The platform", body = PlatformOverview),
        (status = 503, description = "The store is away", body = Refusal),
    )
)]
pub(super) async fn overview(
    State(gateway): State<Arc<Gateway>>,
) -> Result<Json<PlatformOverview>, ApiError> {
    gateway.platform().await.map(|seen| Json(seen.into()))
}

impl Gateway {
    /// The platform as the store knows it.
    pub(super) async fn platform(&self) -> Result<Overview, ApiError> {
        match self.ask(Op::Overview).await? {
            Reply::Overview(overview) => Ok(overview),
            other => Err(ApiError::unexpected(&other)),
        }
    }
}

impl TaskDetails {
    fn new(task: TaskId, view: TaskView, reason: String) -> TaskDetails {
        let attempts = attempts(&view);
        let (error, output) = match view.outcome {
            Some(Outcome { result, output }) => (
                result.err().map(ErrorDetails::from),
                String::from_utf8_lossy(&output).into_owned(),
            ),
            None => (None, String::new()),
        };
        TaskDetails {
            task_id: Uuid::from_u128(task.0),
            function_id: Uuid::from_u128(view.function.0),
            status: view.status.as_str(),
            reason,
            submitted_at: utc(view.submitted_at),
            finished_at: view.finished_at.map(utc),
            attempts,
            losses: view.losses,
            error,
            output,
        }
    }
}

/// The attempts that were given back, and the one that runs or brought the outcome.
fn attempts(view: &TaskView) -> Vec<AttemptDetails> {
    let details = |attempt, holder: &Holder| AttemptDetails {
        attempt,
        worker: holder.worker.as_ref().map(ToString::to_string),
        dispatcher: holder.dispatcher.to_string(),
        started_at: utc(holder.claimed_at),
        ended_at: None,
        reason: None,
    };
    let past = view.past.iter().map(|past| AttemptDetails {
        ended_at: Some(utc(past.ended_at)),
        reason: Some(past.reason.as_str()),
        ..details(past.attempt, &past.holder)
    });
    let ended_by = view.outcome.as_ref().map(|outcome| match &outcome.result {
        Ok(_) => "completed",
        Err(failure) => failure.kind.as_str(),
    });
    let last = view.holder.iter().map(|holder| AttemptDetails {
        ended_at: view.finished_at.map(utc),
        reason: ended_by,
        ..details(view.attempt, holder)
    });
    past.chain(last).collect()
}

impl ErrorDetails {
    /// Why a task failed, if it did.
    pub(super) fn of(outcome: &Outcome) -> Option<ErrorDetails> {
        outcome
            .result
            .as_ref()
            .err()
            .cloned()
            .map(ErrorDetails::from)
    }
}

impl From<Failure> for ErrorDetails {
    fn from(failure: Failure) -> ErrorDetails {
        ErrorDetails {
            kind: failure.kind.as_str(),
            exception: failure.exception,
            message: failure.message,
            traceback: failure.traceback,
            exit_code: failure.exit_code,
            signal: failure.signal,
        }
    }
}

impl From<Overview> for PlatformOverview {
    fn from(overview: Overview) -> PlatformOverview {
        let dispatchers = overview.dispatchers.into_iter();
        let details = |(incarnation, report): (mpcsfaas_core::id::Incarnation, _)| {
            let report: Option<mpcsfaas_core::store::op::Report> = report;
            DispatcherDetails {
                dispatcher: incarnation.to_string(),
                mode: report.map(|report| report.mode.as_str()),
                workers: report.map(|report| report.workers),
                processes: report.map(|report| report.processes),
                held: report.map(|report| report.held),
                free: report.map(|report| report.free),
                draining: report.map(|report| report.draining),
            }
        };
        PlatformOverview {
            queued: overview.queued,
            dispatchers: dispatchers.map(details).collect(),
        }
    }
}
