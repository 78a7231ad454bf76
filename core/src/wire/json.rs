//! The original's dialect: one JSON object a message.
//!
//! Pull workers (REQ) send `register`, `heartbeat`, `request_task` and `task_result` and get one
//! answer each. Push workers (DEALER) send the same less `request_task`; their results are not
//! answered, and tasks come as `{"type": "task", ...}`.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;
use thiserror::Error;

use crate::id::TaskId;
use crate::mime_base64::{decode_lenient, encode_mime};
use crate::task::Status;

/// What a worker of the original says.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum FromWorker {
    /// It is there.
    Register {
        /// The name it gave itself.
        worker_id: String,
    },
    /// It is still there.
    Heartbeat {
        /// Its name.
        worker_id: String,
    },
    /// It wants a task.
    RequestTask {
        /// Its name.
        worker_id: String,
    },
    /// A task has ended.
    TaskResult {
        /// Its name.
        worker_id: String,
        /// Which task.
        task: TaskId,
        /// COMPLETED or FAILED.
        status: Status,
        /// The pickled result, or the pickled `str(exception)`.
        result: Bytes,
    },
}

/// What a worker of the original is told.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum ToWorker {
    /// Its message was taken in.
    Ok {
        /// The `type` of the message that is answered; a DEALER's answer repeats it.
        answers: Answers,
    },
    /// There is no task now.
    NoTask,
    /// A task to run.
    Task {
        /// Which.
        task: TaskId,
        /// The pickled function.
        function: Bytes,
        /// The pickled `(args, kwargs)`.
        params: Bytes,
    },
    /// Its message made no sense.
    Error {
        /// Why.
        message: String,
    },
}

/// Which message an answer is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Answers {
    /// `register`.
    Register,
    /// `heartbeat`.
    Heartbeat,
    /// `task_result`.
    TaskResult,
}

impl Answers {
    const fn as_str(self) -> &'static str {
        match self {
            Answers::Register => "register",
            Answers::Heartbeat => "heartbeat",
            Answers::TaskResult => "task_result",
        }
    }
}

/// The longest name that a worker may give itself, in bytes. The original's are UUIDs.
pub const NAME_LIMIT: usize = 256;

/// Why a JSON message is none of the dialect's.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum JsonError {
    /// It is not JSON, or lacks a field, or a field has the wrong type.
    #[error("not a message of the dialect: {0}")]
    Shape(String),
    /// The type is none that a worker sends.
    #[error("unknown message type {0:?}")]
    UnknownType(String),
    /// The name is longer than [`NAME_LIMIT`].
    #[error("worker_id has {0} bytes; at most {NAME_LIMIT} are allowed")]
    WorkerId(usize),
    /// The task id is no UUID.
    #[error("task_id is not a UUID")]
    TaskId,
    /// The status is not COMPLETED or FAILED.
    #[error("status must be COMPLETED or FAILED")]
    Status,
    /// The result is not base64.
    #[error("result is not base64")]
    Result,
}

/// The fields of all messages together.
#[derive(Deserialize)]
struct Fields {
    r#type: String,
    worker_id: String,
    task_id: Option<String>,
    status: Option<String>,
    result: Option<String>,
}

/// Reads a worker's message.
///
/// # Errors
/// See [`JsonError`].
pub fn decode(bytes: &[u8]) -> Result<FromWorker, JsonError> {
    let fields: Fields =
        serde_json::from_slice(bytes).map_err(|error| JsonError::Shape(error.to_string()))?;
    let worker_id = fields.worker_id;
    if worker_id.len() > NAME_LIMIT {
        return Err(JsonError::WorkerId(worker_id.len()));
    }
    match fields.r#type.as_str() {
        "register" => Ok(FromWorker::Register { worker_id }),
        "heartbeat" => Ok(FromWorker::Heartbeat { worker_id }),
        "request_task" => Ok(FromWorker::RequestTask { worker_id }),
        "task_result" => {
            let task = fields.task_id.as_deref().unwrap_or_default();
            let status = match fields.status.as_deref() {
                Some("COMPLETED") => Status::Completed,
                Some("FAILED") => Status::Failed,
                Some(_) | None => return Err(JsonError::Status),
            };
            let result = decode_lenient(fields.result.unwrap_or_default().as_bytes());
            Ok(FromWorker::TaskResult {
                worker_id,
                task: task.parse().map_err(|_| JsonError::TaskId)?,
                status,
                result: result.map_err(|_| JsonError::Result)?.into(),
            })
        }
        other => Err(JsonError::UnknownType(other.to_owned())),
    }
}

/// Writes a message for a worker. `lock_step` is whether it is a REQ peer, whose answers have no type.
pub fn encode(message: &ToWorker, lock_step: bool) -> Vec<u8> {
    let value = match message {
        ToWorker::Ok { .. } if lock_step => json!({"status": "ok", "message": "ok"}),
        ToWorker::Ok { answers } => {
            json!({"type": answers.as_str(), "status": "ok", "message": "ok"})
        }
        ToWorker::NoTask => json!({"status": "no_task"}),
        ToWorker::Task {
            task,
            function,
            params,
        } => {
            let (key, value) = if lock_step {
                ("status", "ok")
            } else {
                ("type", "task")
            };
            json!({
                key: value,
                "task_id": task.to_string(),
                "fn_payload": encode_mime(function),
                "param_payload": encode_mime(params),
            })
        }
        ToWorker::Error { message } => json!({"status": "error", "message": message}),
    };
    value.to_string().into_bytes()
}
