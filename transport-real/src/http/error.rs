//! Every refusal of the gateway, as FastAPI shapes it: a status and `{"detail": ...}`.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use mpcsfaas_core::mime_base64::NotBase64;
use mpcsfaas_core::pickle::{NotAFunction, NotParams};
use mpcsfaas_core::store::Reply;
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;
use utoipa::ToSchema;

use crate::store::StoreAway;

/// How long a client should wait before it tries again what failed for lack of room or store.
const RETRY_AFTER_SECONDS: &str = "1";

/// Why a request is refused.
#[derive(Debug, Error)]
pub(super) enum ApiError {
    /// The body, path or query does not have the shape that the route asks for.
    #[error("the request has not the right shape")]
    Unprocessable(Vec<Detail>),
    /// The payload cannot be what it should be.
    #[error("payload: {0}")]
    BadPayload(#[from] BadPayload),
    /// No function of this name is registered.
    #[error("Function not found")]
    UnknownFunction,
    /// No task of this name exists, or its result was forgotten.
    #[error("Task not found")]
    UnknownTask,
    /// The client's task id names a task of another function.
    #[error("a task of this id exists and runs another function")]
    TaskConflict,
    /// A task that has ended cannot be cancelled.
    #[error("the task has ended already")]
    AlreadyEnded,
    /// The body, or the payload in it, is over the limit.
    #[error("the payload is over the limit of {limit} bytes")]
    TooLarge {
        /// The limit of the decoded payload.
        limit: usize,
    },
    /// The body took too long to arrive, or broke off.
    #[error("the body did not arrive in time")]
    SlowBody,
    /// Too many bodies or waiting clients are in memory.
    #[error("the gateway is at its limit of {0}")]
    Overloaded(&'static str),
    /// The queue is at its limit.
    #[error("the queue is full")]
    QueueFull,
    /// The store does not answer.
    #[error(transparent)]
    StoreAway(#[from] StoreAway),
    /// A fault of the gateway or the store: its log says which.
    #[error("Internal Server Error")]
    Internal,
}

/// Why a payload cannot be what it should be.
#[derive(Debug, Error)]
pub(super) enum BadPayload {
    #[error(transparent)]
    Encoding(#[from] NotBase64),
    #[error(transparent)]
    Function(#[from] NotAFunction),
    #[error(transparent)]
    Params(#[from] NotParams),
}

impl ApiError {
    /// For a reply that no home of the store gives to what was asked.
    pub(super) fn unexpected(reply: &Reply) -> ApiError {
        tracing::error!(?reply, "the store's reply does not fit the request");
        ApiError::Internal
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            ApiError::Unprocessable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            ApiError::BadPayload(_) => StatusCode::BAD_REQUEST,
            ApiError::UnknownFunction | ApiError::UnknownTask => StatusCode::NOT_FOUND,
            ApiError::TaskConflict | ApiError::AlreadyEnded => StatusCode::CONFLICT,
            ApiError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            ApiError::SlowBody => StatusCode::REQUEST_TIMEOUT,
            ApiError::QueueFull => StatusCode::TOO_MANY_REQUESTS,
            ApiError::Overloaded(_) | ApiError::StoreAway(_) => StatusCode::SERVICE_UNAVAILABLE,
            ApiError::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<Detail> for ApiError {
    fn from(detail: Detail) -> ApiError {
        ApiError::Unprocessable(vec![detail])
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        let again = matches!(
            status,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
        );
        let mut response = match self {
            ApiError::Unprocessable(detail) => {
                (status, Json(ValidationError { detail })).into_response()
            }
            other => refusal(status, other.to_string()),
        };
        if again {
            let value = header::HeaderValue::from_static(RETRY_AFTER_SECONDS);
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
        response
    }
}

/// A refusal in one sentence.
#[derive(Serialize, ToSchema)]
pub(super) struct Refusal {
    /// Why.
    detail: String,
}

/// A refusal of a request's shape.
#[derive(Serialize, ToSchema)]
pub(super) struct ValidationError {
    /// Everything that is wrong with it.
    detail: Vec<Detail>,
}

/// One thing that is wrong with a request's shape, in pydantic's words.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Detail {
    /// Pydantic's name of the fault.
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    /// Where: `body`, `path` or `query`, then the field's name or a position.
    #[schema(value_type = Vec<Object>)]
    pub(super) loc: Vec<Value>,
    /// The fault as a sentence.
    pub(super) msg: String,
    /// What was given, if it is short.
    #[schema(value_type = Option<Object>)]
    pub(super) input: Value,
    /// The figures in the sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(super) ctx: Option<Value>,
}

/// What a path that no route has is answered.
pub(super) async fn not_found() -> Response {
    refusal(StatusCode::NOT_FOUND, "Not Found".to_owned())
}

/// What a method that a path does not have is answered.
pub(super) async fn method_not_allowed() -> Response {
    refusal(
        StatusCode::METHOD_NOT_ALLOWED,
        "Method Not Allowed".to_owned(),
    )
}

fn refusal(status: StatusCode, detail: String) -> Response {
    (status, Json(Refusal { detail })).into_response()
}
