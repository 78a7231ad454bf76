//! Submitting tasks, their status, their results, and cancelling them.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use bytes::Bytes;
use mpcsfaas_core::id::{FunctionId, TaskId};
use mpcsfaas_core::store::op::{Cancelled, Submission, Submitted, TaskState};
use mpcsfaas_core::store::{Op, Reply};
use mpcsfaas_core::task::{Options, Outcome, Status};
use mpcsfaas_core::{mime_base64, pickle};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Gateway;
use super::body::{receive, work_on};
use super::error::{ApiError, BadPayload, Refusal, ValidationError};
use super::fields::{Fields, given, parse};
use super::functions::decode;
use super::params::{TaskPath, Wait};
use super::serve::Closing;
use crate::hops::{self, Hop};

/// The body of `POST /execute_function`.
#[derive(Deserialize, ToSchema)]
pub(super) struct ExecuteFunction {
    /// What to run.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Uuid)]
    function_id: Option<Value>,
    /// The pickled tuple `(args, kwargs)` in base64.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String)]
    payload: Option<Value>,
    /// Kill the task when it has run for so many seconds. Left out: as the function says.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<f64>, required = false)]
    timeout_s: Option<Value>,
    /// Rather fail the task than risk that it runs twice. Left out: as the function says.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<bool>, required = false)]
    at_most_once: Option<Value>,
    /// The task's id, made by the client: the same request again is then the same task.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Uuid>, required = false)]
    task_id: Option<Value>,
}

/// An accepted task.
#[derive(Serialize, ToSchema)]
pub(super) struct Accepted {
    /// The id to ask for it by.
    task_id: Uuid,
}

/// What a submit is answered: as soon as the task is accepted, or, if asked to wait, with its result.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Executed {
    /// Without `wait`.
    Accepted(Accepted),
    /// With `wait`.
    Result(TaskResult),
}

/// A task's state.
#[derive(Serialize, ToSchema)]
pub(super) struct TaskStatus {
    /// Which task.
    task_id: Uuid,
    /// `QUEUED`, `RUNNING`, `COMPLETED` or `FAILED`.
    status: &'static str,
}

/// A task's state and result.
#[derive(Serialize, ToSchema)]
pub(super) struct TaskResult {
    /// Which task.
    task_id: Uuid,
    /// `QUEUED`, `RUNNING`, `COMPLETED` or `FAILED`.
    status: &'static str,
    /// The pickled result in base64; of a FAILED task, the pickled message; until then empty.
    result: String,
}

/// Submits a task, and waits for its result if asked to.
#[utoipa::path(
    post, path = "/execute_function", tag = "Tasks", request_body = ExecuteFunction,
    params(
        ("wait" = Option<f64>, Query,
            description = "Answer as `/result/{task_id}` does: when the task ends, or after so many seconds; at most 60"),
    ),
    responses(
        (status = 200, description = "It is accepted and will end, whatever crashes", body = Executed),
        (status = 400, description = "The payload cannot be pickled parameters", body = Refusal),
        (status = 404, description = "There is no such function", body = Refusal),
        (status = 409, description = "The task id names a task of another function", body = Refusal),
        (status = 413, description = "The payload is over the limit", body = Refusal),
        (status = 422, description = "The body has not the right shape", body = ValidationError),
        (status = 429, description = "The queue is full", body = Refusal),
        (status = 503, description = "The store is away", body = Refusal),
    )
)]
pub(super) async fn execute(
    State(gateway): State<Arc<Gateway>>,
    Wait(wait): Wait,
    closing: Closing,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Executed>, ApiError> {
    let received = receive(&gateway, &headers, body).await?;
    let read = hops::now();
    let (bytes, limit) = (received.bytes.clone(), gateway.config.payload_limit);
    let asked = work_on(bytes.len(), move || asked_in(&bytes, limit)).await??;
    let defaults = gateway.function_options(asked.function).await?;
    let task = asked.task;
    hops::mark_since(Hop::Read, read, [task]);
    let submission = asked.submission(defaults)?;
    gateway.waits.expect([task]);
    match gateway.ask(Op::Submit(vec![submission])).await? {
        Reply::Submitted(verdicts) if verdicts.len() == 1 => accepted(verdicts[0])?,
        other => return Err(ApiError::unexpected(&other)),
    }
    drop(received);
    let task_id = Uuid::from_u128(task.0);
    if wait.is_zero() {
        return Ok(Json(Executed::Accepted(Accepted { task_id })));
    }
    // It is accepted, so trouble on the way to its result must not look like a refusal.
    let ended = gateway.result_of(task, wait, closing).await;
    Ok(Json(Executed::Result(ended.unwrap_or(TaskResult {
        task_id,
        status: Status::Queued.as_str(),
        result: String::new(),
    }))))
}

/// What the store said to a task.
pub(super) fn accepted(verdict: Submitted) -> Result<(), ApiError> {
    match verdict {
        Submitted::Accepted => Ok(()),
        Submitted::Conflict => Err(ApiError::TaskConflict),
        Submitted::QueueFull => Err(ApiError::QueueFull),
    }
}

/// What a client asks to run.
pub(super) struct Asked {
    pub(super) function: FunctionId,
    /// The parameters, or what is wrong with them: told only if there is such a function.
    params: Result<Bytes, ApiError>,
    timeout_ms: Option<u64>,
    at_most_once: Option<bool>,
    /// The id that the client has made, or a fresh one.
    pub(super) task: TaskId,
}

fn asked_in(bytes: &[u8], payload_limit: usize) -> Result<Asked, ApiError> {
    let body: ExecuteFunction = parse(bytes)?;
    let mut fields = Fields::new(bytes);
    let asked = Asked::of(body, &mut fields, payload_limit);
    fields.finish(asked)
}

fn params_in(payload: &str, limit: usize) -> Result<Bytes, ApiError> {
    let params = decode(payload, limit)?;
    pickle::check_params(&params).map_err(BadPayload::from)?;
    Ok(params)
}

impl Asked {
    /// Takes the fields of one task. What is wrong with them is kept in `fields`.
    pub(super) fn of(
        body: ExecuteFunction,
        fields: &mut Fields<'_>,
        payload_limit: usize,
    ) -> Asked {
        let function = FunctionId(fields.uuid("function_id", body.function_id));
        let payload = fields.text("payload", body.payload);
        let timeout_ms = fields.timeout_ms("timeout_s", body.timeout_s);
        let at_most_once = fields.flag("at_most_once", body.at_most_once);
        let task = fields.optional_uuid("task_id", body.task_id);
        Asked {
            function,
            params: params_in(&payload, payload_limit),
            timeout_ms,
            at_most_once,
            task: TaskId(task.unwrap_or_else(|| Uuid::new_v4().as_u128())),
        }
    }

    /// The task for the store.
    pub(super) fn submission(self, defaults: Options) -> Result<Submission, ApiError> {
        Ok(Submission {
            task: self.task,
            function: self.function,
            params: self.params?,
            options: Options {
                timeout_ms: self.timeout_ms.or(defaults.timeout_ms),
                at_most_once: self.at_most_once.unwrap_or(defaults.at_most_once),
            },
        })
    }
}

/// Tells a task's state.
#[utoipa::path(
    get, path = "/status/{task_id}", tag = "Tasks", params(("task_id" = Uuid, Path)),
    responses(
        (status = 200, description = "Its state", body = TaskStatus),
        (status = 404, description = "There is no such task", body = Refusal),
        (status = 422, description = "Not a UUID", body = ValidationError),
        (status = 503, description = "The store is away", body = Refusal),
    )
)]
pub(super) async fn status(
    State(gateway): State<Arc<Gateway>>,
    TaskPath(task): TaskPath,
) -> Result<Json<TaskStatus>, ApiError> {
    let state = gateway.read(task).await?;
    Ok(Json(TaskStatus {
        task_id: Uuid::from_u128(task.0),
        status: state.status.as_str(),
    }))
}

/// Tells a task's state and result, and waits for it if asked to.
#[utoipa::path(
    get, path = "/result/{task_id}", tag = "Tasks",
    params(
        ("task_id" = Uuid, Path),
        ("wait" = Option<f64>, Query,
            description = "Answer when the task ends, or after so many seconds; at most 60"),
    ),
    responses(
        (status = 200, description = "Its state, and its result if it has ended", body = TaskResult),
        (status = 404, description = "There is no such task", body = Refusal),
        (status = 422, description = "Not a UUID, or not a time", body = ValidationError),
        (status = 503, description = "The store is away", body = Refusal),
    )
)]
pub(super) async fn result(
    State(gateway): State<Arc<Gateway>>,
    TaskPath(task): TaskPath,
    Wait(wait): Wait,
    closing: Closing,
) -> Result<Json<TaskResult>, ApiError> {
    gateway.result_of(task, wait, closing).await.map(Json)
}

/// Cancels a task that has not ended.
#[utoipa::path(
    delete, path = "/v1/tasks/{task_id}", tag = "Tasks", params(("task_id" = Uuid, Path)),
    responses(
        (status = 200, description = "It is FAILED now; if it runs, its process is ended within some seconds", body = TaskStatus),
        (status = 404, description = "There is no such task", body = Refusal),
        (status = 409, description = "It had ended before", body = Refusal),
        (status = 422, description = "Not a UUID", body = ValidationError),
        (status = 503, description = "The store is away", body = Refusal),
    )
)]
pub(super) async fn cancel(
    State(gateway): State<Arc<Gateway>>,
    TaskPath(task): TaskPath,
) -> Result<Json<TaskStatus>, ApiError> {
    match gateway.ask(Op::Cancel { task }).await? {
        Reply::Cancelled(Cancelled::Done) => Ok(Json(TaskStatus {
            task_id: Uuid::from_u128(task.0),
            status: Status::Failed.as_str(),
        })),
        Reply::Cancelled(Cancelled::AlreadyEnded) => Err(ApiError::AlreadyEnded),
        Reply::Cancelled(Cancelled::Unknown) => Err(ApiError::UnknownTask),
        other => Err(ApiError::unexpected(&other)),
    }
}

impl Gateway {
    async fn read(&self, task: TaskId) -> Result<TaskState, ApiError> {
        if let Some(state) = self.waits.recent(task) {
            return Ok(state);
        }
        match self.ask(Op::Read(vec![task])).await? {
            Reply::States(mut states) if states.len() == 1 => {
                states.pop().flatten().ok_or(ApiError::UnknownTask)
            }
            other => Err(ApiError::unexpected(&other)),
        }
    }

    /// The state and the result, when the task has ended or after `wait`.
    async fn result_of(
        &self,
        task: TaskId,
        wait: Duration,
        closing: Closing,
    ) -> Result<TaskResult, ApiError> {
        let wait = wait.min(self.config.wait_limit);
        let state = match wait.is_zero() {
            true => self.read(task).await?,
            false => self.read_at_end(task, wait, closing).await?,
        };
        let result = match state.outcome {
            Some(outcome) => encoded(outcome).await?,
            None => String::new(),
        };
        hops::mark(Hop::Told, [task]);
        Ok(TaskResult {
            task_id: Uuid::from_u128(task.0),
            status: state.status.as_str(),
            result,
        })
    }

    /// The state when the task has ended, the time has run out or the gateway shuts down.
    async fn read_at_end(
        &self,
        task: TaskId,
        wait: Duration,
        closing: Closing,
    ) -> Result<TaskState, ApiError> {
        let mut endings = self.waits.endings(&[task])?;
        tokio::select! {
            ended = endings.some() => {
                let state = ended?.pop().and_then(|(_, state)| state);
                return state.ok_or(ApiError::UnknownTask);
            }
            () = tokio::time::sleep(wait) => {}
            () = closing.closed() => {}
        }
        self.read(task).await
    }
}

/// The result as the original's clients read it.
pub(super) async fn encoded(outcome: Outcome) -> Result<String, ApiError> {
    let pickled = match outcome.result {
        Ok(result) => result,
        Err(failure) if failure.pickled_message.is_empty() => {
            pickle::pickle_str(&failure.message).into()
        }
        Err(failure) => failure.pickled_message,
    };
    work_on(pickled.len(), move || mime_base64::encode_mime(&pickled)).await
}
