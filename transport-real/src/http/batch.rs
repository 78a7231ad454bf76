//! Many tasks in one request: submitting them, and waiting for whichever end first.
//!
//! A client that has many tasks pays for HTTP, and the store for a step, once a batch and not once a
//! task. What is wrong with the shape of one item is wrong with the request; what the platform says
//! to one task (no such function, a full queue) stands at its place in the answer.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use mpcsfaas_core::id::{FunctionId, TaskId};
use mpcsfaas_core::store::op::{Submission, Submitted, TaskState};
use mpcsfaas_core::store::{Op, Reply};
use mpcsfaas_core::task::{Options, Outcome};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Gateway;
use super::body::{receive, work_on};
use super::error::{ApiError, Detail, Refusal, ValidationError};
use super::fields::{Fields, parse};
use super::inspect::ErrorDetails;
use super::refuse::{echo, missing};
use super::serve::Closing;
use super::tasks::{Asked, ExecuteFunction, accepted, encoded};
use super::wait::Ended;
use crate::hops::{self, Hop};

/// The most items of a request.
const BATCH_LIMIT: usize = 1_000;

/// At most so many tasks are read in one step: each may bring a result of the payload limit.
const READ_BATCH: usize = 32;

/// No more is read for an answer that has so many bytes of results.
const ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// The body of `POST /v1/tasks:batch`.
#[derive(Deserialize, ToSchema)]
pub(super) struct ExecuteBatch {
    /// Tasks to submit, 1 to 1,000. Give each an id of your own, and you can send the same request
    /// again when you got no answer.
    #[serde(default)]
    #[schema(value_type = Vec<ExecuteFunction>, min_items = 1, max_items = 1000)]
    tasks: Option<Vec<ExecuteFunction>>,
}

/// What became of a batch.
#[derive(Serialize, ToSchema)]
pub(super) struct SubmittedBatch {
    /// One for each task of the request, in its order.
    tasks: Vec<SubmittedItem>,
}

/// What became of one task of a batch.
#[derive(Serialize, ToSchema)]
pub(super) struct SubmittedItem {
    /// The id to ask for it by.
    task_id: Uuid,
    /// Why it was not accepted, as the status that a request of its own would have got: 400, 404,
    /// 409, 413 or 429. Left out if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// The same in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// The body of `POST /v1/results`.
#[derive(Deserialize, ToSchema)]
pub(super) struct AskResults {
    /// Tasks to ask for, 1 to 1,000.
    #[serde(default)]
    #[schema(value_type = Vec<Uuid>, min_items = 1, max_items = 1000)]
    task_ids: Option<Vec<Uuid>>,
    /// Answer when the first of them ends, or after so many seconds; at most 60.
    #[serde(default)]
    #[schema(value_type = Option<f64>, required = false)]
    wait: Option<f64>,
}

/// Which tasks have ended.
#[derive(Serialize, ToSchema)]
pub(super) struct Results {
    /// Those that have. Ask again for the others: what would be too much for one answer comes in the
    /// next.
    results: Vec<ResultItem>,
}

/// A task that has ended, or does not exist.
#[derive(Serialize, ToSchema)]
pub(super) struct ResultItem {
    /// Which task.
    task_id: Uuid,
    /// `COMPLETED`, `FAILED`, or `UNKNOWN` if there is no such task.
    status: &'static str,
    /// The pickled result in base64; of a FAILED task, the pickled message.
    result: String,
    /// Why it failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorDetails>,
}

/// Submits many tasks.
#[utoipa::path(
    post, path = "/v1/tasks:batch", tag = "Tasks", request_body = ExecuteBatch,
    responses(
        (status = 200, description = "What became of each", body = SubmittedBatch),
        (status = 413, description = "The body is over the limit", body = Refusal),
        (status = 422, description = "The body has not the right shape", body = ValidationError),
        (status = 503, description = "The store is away", body = Refusal),
    )
)]
pub(super) async fn submit(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<SubmittedBatch>, ApiError> {
    let received = receive(&gateway, &headers, body).await?;
    let read = hops::now();
    let (bytes, limit) = (received.bytes.clone(), gateway.config.payload_limit);
    let asked = work_on(bytes.len(), move || tasks_in(&bytes, limit)).await??;
    hops::mark_since(Hop::Read, read, asked.iter().map(|asked| asked.task));
    let mut known = Known::new();
    let mut verdicts: Vec<(TaskId, Result<(), ApiError>)> = Vec::with_capacity(asked.len());
    let (mut places, mut batch) = (Vec::new(), Vec::new());
    for asked in asked {
        let (task, place) = (asked.task, verdicts.len());
        let verdict = match gateway.options_of(asked.function, &mut known).await? {
            Some(defaults) => asked.submission(defaults),
            None => Err(ApiError::UnknownFunction),
        };
        let verdict = verdict.map(|submission| {
            places.push(place);
            batch.push(submission);
        });
        verdicts.push((task, verdict));
    }
    for (place, verdict) in places.into_iter().zip(gateway.submit(batch).await?) {
        verdicts[place].1 = accepted(verdict);
    }
    let tasks = verdicts.into_iter().map(SubmittedItem::of).collect();
    Ok(Json(SubmittedBatch { tasks }))
}

/// The functions of a batch, each asked for once; `None` if there is no such function.
type Known = HashMap<FunctionId, Option<Options>>;

impl Gateway {
    /// The options of a function of a batch. A store that does not answer refuses the whole batch:
    /// to ask it for the next function would take as long again.
    async fn options_of(
        &self,
        function: FunctionId,
        known: &mut Known,
    ) -> Result<Option<Options>, ApiError> {
        if let Some(options) = known.get(&function) {
            return Ok(*options);
        }
        let options = match self.function_options(function).await {
            Ok(options) => Some(options),
            Err(ApiError::UnknownFunction) => None,
            Err(other) => return Err(other),
        };
        known.insert(function, options);
        Ok(options)
    }

    /// Submits in one step.
    async fn submit(&self, batch: Vec<Submission>) -> Result<Vec<Submitted>, ApiError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let count = batch.len();
        self.waits.expect(batch.iter().map(|item| item.task));
        match self.ask(Op::Submit(batch)).await? {
            Reply::Submitted(verdicts) if verdicts.len() == count => Ok(verdicts),
            other => Err(ApiError::unexpected(&other)),
        }
    }
}

impl SubmittedItem {
    fn of((task, verdict): (TaskId, Result<(), ApiError>)) -> SubmittedItem {
        let refused = verdict.err();
        SubmittedItem {
            task_id: Uuid::from_u128(task.0),
            status: refused.as_ref().map(|error| error.status().as_u16()),
            detail: refused.map(|error| error.to_string()),
        }
    }
}

/// Waits for the first of many tasks to end, and tells all that have by then.
#[utoipa::path(
    post, path = "/v1/results", tag = "Tasks", request_body = AskResults,
    responses(
        (status = 200, description = "Those that have ended", body = Results),
        (status = 422, description = "The body has not the right shape", body = ValidationError),
        (status = 503, description = "The store is away", body = Refusal),
    )
)]
pub(super) async fn results(
    State(gateway): State<Arc<Gateway>>,
    closing: Closing,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Results>, ApiError> {
    let received = receive(&gateway, &headers, body).await?;
    let (tasks, wait) = asked_for(&received.bytes)?;
    drop(received);
    let wait = wait.min(gateway.config.wait_limit);
    let ended = gateway.first_ended(tasks, wait, closing).await?;
    let mut results = Vec::with_capacity(ended.len());
    for (task, state) in ended {
        results.push(ResultItem::of(task, state).await?);
    }
    let told = results.iter();
    hops::mark(Hop::Told, told.map(|item| TaskId(item.task_id.as_u128())));
    Ok(Json(Results { results }))
}

impl Gateway {
    /// Those that have ended when the first has, the time has run out or the gateway shuts down.
    async fn first_ended(
        &self,
        tasks: Vec<TaskId>,
        wait: Duration,
        closing: Closing,
    ) -> Result<Vec<Ended>, ApiError> {
        if !wait.is_zero() {
            let mut endings = self.waits.endings(&tasks)?;
            tokio::select! {
                some = endings.some() => return some,
                () = tokio::time::sleep(wait) => {}
                () = closing.closed() => {}
            }
        }
        self.ended_by_now(&tasks).await
    }

    /// Those that have ended, read some at a time, until what they brought is enough for an answer.
    async fn ended_by_now(&self, tasks: &[TaskId]) -> Result<Vec<Ended>, ApiError> {
        let (mut ended, mut bytes) = (Vec::new(), 0);
        for some in tasks.chunks(READ_BATCH) {
            let states = match self.ask(Op::Read(some.to_vec())).await? {
                Reply::States(states) if states.len() == some.len() => states,
                other => return Err(ApiError::unexpected(&other)),
            };
            for (task, state) in some.iter().zip(states) {
                let outcome = state.as_ref().and_then(|state| state.outcome.as_ref());
                bytes += outcome.map_or(0, Outcome::size);
                if state
                    .as_ref()
                    .is_none_or(|state| state.status.is_terminal())
                {
                    ended.push((*task, state));
                }
            }
            if bytes >= ANSWER_BYTES {
                break;
            }
        }
        Ok(ended)
    }
}

impl ResultItem {
    async fn of(task: TaskId, state: Option<TaskState>) -> Result<ResultItem, ApiError> {
        let (status, outcome) = match state {
            Some(state) => (state.status.as_str(), state.outcome),
            None => ("UNKNOWN", None),
        };
        let error = outcome.as_ref().and_then(ErrorDetails::of);
        let result = match outcome {
            Some(outcome) => encoded(outcome).await?,
            None => String::new(),
        };
        Ok(ResultItem {
            task_id: Uuid::from_u128(task.0),
            status,
            result,
            error,
        })
    }
}

fn tasks_in(bytes: &[u8], payload_limit: usize) -> Result<Vec<Asked>, ApiError> {
    let body: ExecuteBatch = parse(bytes)?;
    let tasks = items("tasks", body.tasks)?;
    let mut fields = Fields::new(bytes);
    let asked = tasks.into_iter().enumerate().map(|(index, task)| {
        fields.go_to("tasks", index);
        Asked::of(task, &mut fields, payload_limit)
    });
    let asked = asked.collect();
    fields.finish(asked)
}

fn asked_for(bytes: &[u8]) -> Result<(Vec<TaskId>, Duration), ApiError> {
    let body: AskResults = parse(bytes)?;
    let tasks = items("task_ids", body.task_ids)?;
    let wait = body.wait.unwrap_or(0.0);
    if wait.is_nan() || wait < 0.0 {
        let detail = Detail {
            kind: "greater_than_equal",
            loc: vec![json!("body"), json!("wait")],
            msg: "Input should be greater than or equal to 0".to_owned(),
            input: echo(&json!(wait)),
            ctx: Some(json!({ "ge": 0.0 })),
        };
        return Err(detail.into());
    }
    let wait = Duration::try_from_secs_f64(wait).unwrap_or(Duration::MAX);
    // In the order of the request: the first is in the answer in any case, if it has ended.
    let mut seen = HashSet::new();
    let tasks = tasks.into_iter().map(|id| TaskId(id.as_u128()));
    Ok((tasks.filter(|task| seen.insert(*task)).collect(), wait))
}

/// A list that must be there, and be neither empty nor too long.
fn items<T>(name: &str, list: Option<Vec<T>>) -> Result<Vec<T>, ApiError> {
    let loc = vec![json!("body"), json!(name)];
    let Some(list) = list else {
        return Err(missing(loc, Value::Null).into());
    };
    let length = list.len();
    let (kind, msg, ctx) = match length {
        0 => {
            let msg = "List should have at least 1 item after validation, not 0".to_owned();
            ("too_short", msg, json!({ "min_length": 1 }))
        }
        1..=BATCH_LIMIT => return Ok(list),
        _ => {
            let msg = format!(
                "List should have at most {BATCH_LIMIT} items after validation, not {length}"
            );
            ("too_long", msg, json!({ "max_length": BATCH_LIMIT }))
        }
    };
    let (input, ctx) = (Value::Null, Some(ctx));
    Err(Detail {
        kind,
        loc,
        msg,
        input,
        ctx,
    }
    .into())
}
