//! The original's JSON, as the original itself reads and writes it.
//!
//! What a dispatcher says is written by the core's own encoder. Reading is more lenient than
//! the core's: the original takes a result of any status from anybody.

use bytes::Bytes;
use mpcsfaas_core::dispatcher::Peer;
use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::mime_base64::{decode_lenient, encode_mime};
use mpcsfaas_core::task::Status;
use mpcsfaas_core::wire::json;
use serde_json::{Value, json};

pub(super) use mpcsfaas_core::wire::json::{Answers, ToWorker};

/// A worker's message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FromWorker {
    /// Its name.
    pub(super) worker: String,
    /// What it says.
    pub(super) says: Says,
}

/// What a worker says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Says {
    /// It is there.
    Register,
    /// It is still there.
    Heartbeat,
    /// It wants a task. Only a pull worker says so.
    RequestTask,
    /// A task has ended.
    TaskResult(TaskId, Status, Bytes),
    /// It leaves. The original's workers never say so.
    Unregister,
}

/// What a worker understands of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Told {
    /// Its message was taken in.
    Ok,
    /// There is no task now.
    NoTask,
    /// A task to run. Its payloads do not matter here: whoever runs it knows it by name.
    Task(TaskId),
    /// Its message came to nothing.
    Error,
}

/// Writes a worker's message.
pub(super) fn encode_worker(worker: &str, says: &Says) -> Bytes {
    let value = match says {
        Says::TaskResult(task, status, result) => json!({
            "type": "task_result",
            "worker_id": worker,
            "task_id": task.to_string(),
            "status": status.as_str(),
            "result": encode_mime(result),
        }),
        plain => json!({"type": name_of(plain), "worker_id": worker}),
    };
    value.to_string().into()
}

/// Reads a worker's message; nothing if it is none.
pub(super) fn decode_worker(body: &[u8]) -> Option<FromWorker> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let text = |field: &str| value.get(field)?.as_str();
    let says = match text("type")? {
        "register" => Says::Register,
        "heartbeat" => Says::Heartbeat,
        "request_task" => Says::RequestTask,
        "unregister" => Says::Unregister,
        "task_result" => {
            let name = text("status")?;
            let status = Status::ALL.into_iter().find(|it| it.as_str() == name)?;
            let result = decode_lenient(text("result")?.as_bytes()).ok()?;
            Says::TaskResult(text("task_id")?.parse().ok()?, status, result.into())
        }
        _ => return None,
    };
    let worker = text("worker_id")?.to_owned();
    Some(FromWorker { worker, says })
}

/// Writes a dispatcher's message to a DEALER, or to a REQ if `lock_step`.
pub(super) fn encode_dispatcher(message: &ToWorker, lock_step: bool) -> Bytes {
    json::encode(message, lock_step).into()
}

/// Reads a dispatcher's message; nothing if it is none.
pub(super) fn decode_dispatcher(body: &[u8]) -> Option<Told> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let text = |field: &str| value.get(field)?.as_str();
    if let Some(task) = text("task_id") {
        return task.parse().ok().map(Told::Task);
    }
    match text("status")? {
        "ok" => Some(Told::Ok),
        "no_task" => Some(Told::NoTask),
        "error" => Some(Told::Error),
        _ => None,
    }
}

/// The peer of a connected socket, which has only one.
pub(super) fn other_side() -> Peer {
    Peer {
        identity: Bytes::new(),
        delimited: false,
    }
}

const fn name_of(says: &Says) -> &'static str {
    match says {
        Says::Register => "register",
        Says::Heartbeat => "heartbeat",
        Says::RequestTask => "request_task",
        Says::TaskResult(..) => "task_result",
        Says::Unregister => "unregister",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: TaskId = TaskId(7);

    #[test]
    fn what_the_originals_workers_say_is_understood() {
        let rows: [(&[u8], Says); 5] = [
            (
                include_bytes!("../../../core/src/wire/golden/says-register.json"),
                Says::Register,
            ),
            (
                include_bytes!("../../../core/src/wire/golden/says-heartbeat.json"),
                Says::Heartbeat,
            ),
            (
                include_bytes!("../../../core/src/wire/golden/says-request.json"),
                Says::RequestTask,
            ),
            (
                include_bytes!("../../../core/src/wire/golden/says-completed.json"),
                Says::TaskResult(TASK, Status::Completed, Bytes::from_static(b"\x80\x04K*.")),
            ),
            (
                include_bytes!("../../../core/src/wire/golden/says-failed.json"),
                Says::TaskResult(TASK, Status::Failed, Bytes::from_static(b"\x80\x04K*.")),
            ),
        ];
        for (body, says) in rows {
            let worker = "9f8a2f64-8a52-4f9c-9a3e-0d4a5d1f7c11".to_owned();
            assert_eq!(decode_worker(body), Some(FromWorker { worker, says }));
        }
    }

    #[test]
    fn what_a_worker_says_here_is_read_alike_here_and_by_our_dispatcher() {
        let result = Says::TaskResult(TASK, Status::Failed, Bytes::from_static(b"\x80 result"));
        for says in [Says::Register, Says::Heartbeat, Says::RequestTask, result] {
            let body = encode_worker("w", &says);
            assert!(json::decode(&body).is_ok(), "{says:?}");
            let worker = "w".to_owned();
            assert_eq!(decode_worker(&body), Some(FromWorker { worker, says }));
        }
    }

    #[test]
    fn what_a_dispatcher_says_is_understood_by_both_kinds_of_workers() {
        let task = ToWorker::Task {
            task: TASK,
            function: Bytes::from_static(b"function"),
            params: Bytes::from_static(b"params"),
        };
        let error = ToWorker::Error {
            message: String::new(),
        };
        let answers = Answers::Register;
        for lock_step in [false, true] {
            for (message, told) in [
                (&ToWorker::Ok { answers }, Told::Ok),
                (&ToWorker::NoTask, Told::NoTask),
                (&task, Told::Task(TASK)),
                (&error, Told::Error),
            ] {
                let body = encode_dispatcher(message, lock_step);
                assert_eq!(decode_dispatcher(&body), Some(told), "{message:?}");
            }
        }
    }

    #[test]
    fn junk_is_nothing() {
        for junk in [
            "",
            "w1",
            "{}",
            "[]",
            r#"{"type": "register"}"#,
            r#"{"status": 1}"#,
        ] {
            assert_eq!(decode_worker(junk.as_bytes()), None);
            assert_eq!(decode_dispatcher(junk.as_bytes()), None);
        }
    }
}
