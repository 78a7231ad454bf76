//! What paths and queries name: tasks, and how long to wait.

use std::time::Duration;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use mpcsfaas_core::id::TaskId;
use serde_json::json;

use super::error::{ApiError, Detail};
use super::refuse::{echo, not_a_uuid, parse_uuid};

/// The task that a path names.
pub(super) struct TaskPath(pub(super) TaskId);

impl<S: Send + Sync> FromRequestParts<S> for TaskPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<TaskPath, ApiError> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        // Only a path that is not UTF-8 has no text, and no UUID is.
        let text = text.map(|Path(text)| text).unwrap_or_default();
        match parse_uuid(&text) {
            Ok(uuid) => Ok(TaskPath(TaskId(uuid))),
            Err(error) => {
                Err(not_a_uuid(vec![json!("path"), json!("task_id")], &text, &error).into())
            }
        }
    }
}

/// How long a query asks to wait: `?wait=SECONDS`, zero if it does not.
pub(super) struct Wait(pub(super) Duration);

impl<S: Send + Sync> FromRequestParts<S> for Wait {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Wait, ApiError> {
        if parts.uri.query().is_none() {
            return Ok(Wait(Duration::ZERO));
        }
        let pairs = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let pairs = pairs.map(|Query(pairs)| pairs).unwrap_or_default();
        let last = pairs.into_iter().rfind(|(name, _)| name == "wait");
        match last {
            Some((_, text)) => parse_wait(&text).map(Wait),
            None => Ok(Wait(Duration::ZERO)),
        }
    }
}

fn parse_wait(text: &str) -> Result<Duration, ApiError> {
    let refuse = |kind, msg: &str, ctx| {
        ApiError::from(Detail {
            kind,
            loc: vec![json!("query"), json!("wait")],
            msg: msg.to_owned(),
            input: echo(&json!(text)),
            ctx,
        })
    };
    let Ok(seconds) = text.trim().parse::<f64>() else {
        let msg = "Input should be a valid number, unable to parse string as a number";
        return Err(refuse("float_parsing", msg, None));
    };
    if seconds.is_nan() || seconds < 0.0 {
        let msg = "Input should be greater than or equal to 0";
        return Err(refuse(
            "greater_than_equal",
            msg,
            Some(json!({ "ge": 0.0 })),
        ));
    }
    Ok(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}
