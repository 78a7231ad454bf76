//! `wire_json`: the original's dialect.
//!
//! Bytes that begin with a brace are a worker's message: what is read says what the JSON says, and
//! can be written as a worker of the original would write it and read again. Any other first byte
//! chooses what is tried with the rest: base64 as Python decodes it, or the answers to a worker.

use mpcsfaas_core::mime_base64::{decode_lenient, encode_mime, encoded_len};
use mpcsfaas_core::task::Status;
use mpcsfaas_core::wire::json::{self, Answers, FromWorker, NAME_LIMIT, ToWorker};
use mpcsfaas_core::wire::{Arrival, ArrivalError, decode_arrival};
use serde_json::{Value, json};

use crate::base64_reference::a2b_base64;
use crate::draw::Draw;
use crate::memory;

/// Texts and payloads, each at most once as text, once decoded and once while it grows.
const MEMORY_A_BYTE: u64 = 8;

/// An error's text, and what serde keeps on the side.
const MEMORY_AT_LEAST: u64 = 1 << 10;

/// One input.
///
/// # Panics
/// If the dialect does not keep what is said above.
pub fn run(data: &[u8]) {
    match data.split_first() {
        Some((b'{', _)) => says(data),
        Some((0..128, text)) => base64(text),
        Some((_, recipe)) => told(&mut Draw::new(recipe)),
        None => {}
    }
}

fn says(bytes: &[u8]) {
    let read = memory::bounded(bytes.len(), MEMORY_A_BYTE, MEMORY_AT_LEAST, || {
        json::decode(bytes)
    });
    let arrived = read.clone().map(Arrival::Legacy);
    assert_eq!(decode_arrival(bytes), arrived.map_err(ArrivalError::Json));
    let Ok(message) = read else { return };
    let (kind, worker_id) = match &message {
        FromWorker::Register { worker_id } => ("register", worker_id),
        FromWorker::Heartbeat { worker_id } => ("heartbeat", worker_id),
        FromWorker::RequestTask { worker_id } => ("request_task", worker_id),
        FromWorker::TaskResult { worker_id, .. } => ("task_result", worker_id),
    };
    // What nobody asks for is skipped without a look at its text, so not all that is read is JSON.
    if let Ok(value) = serde_json::from_slice::<Value>(bytes) {
        assert_eq!(value["type"], kind);
        assert_eq!(&value["worker_id"], worker_id);
    }
    assert!(worker_id.len() <= NAME_LIMIT);
    let written = write(kind, &message);
    assert_eq!(json::decode(written.to_string().as_bytes()), Ok(message));
}

/// A message as a worker of the original writes it.
fn write(kind: &str, message: &FromWorker) -> Value {
    match message {
        FromWorker::Register { worker_id }
        | FromWorker::Heartbeat { worker_id }
        | FromWorker::RequestTask { worker_id } => json!({"type": kind, "worker_id": worker_id}),
        FromWorker::TaskResult {
            worker_id,
            task,
            status,
            result,
        } => {
            assert!(
                matches!(status, Status::Completed | Status::Failed),
                "{status}"
            );
            json!({
                "type": kind,
                "worker_id": worker_id,
                "task_id": task.to_string(),
                "status": status.as_str(),
                "result": encode_mime(result),
            })
        }
    }
}

fn base64(text: &[u8]) {
    let decoded = memory::bounded(text.len(), 3, 64, || decode_lenient(text)).ok();
    assert_eq!(decoded, a2b_base64(text));
    let encoded = encode_mime(text);
    assert_eq!(encoded.len(), encoded_len(text.len()));
    assert_eq!(decode_lenient(encoded.as_bytes()).as_deref(), Ok(text));
}

/// What a worker is told is one JSON object, with the payloads that it decodes.
fn told(draw: &mut Draw<'_>) {
    let lock_step = draw.flag();
    let message = match draw.index(4) {
        0 => ToWorker::Ok {
            answers: draw.one_of(&[Answers::Register, Answers::Heartbeat, Answers::TaskResult]),
        },
        1 => ToWorker::NoTask,
        2 => ToWorker::Error {
            message: draw.text(8),
        },
        _ => ToWorker::Task {
            task: draw.task(),
            function: draw.bytes(128),
            params: draw.bytes(255),
        },
    };
    let bytes = json::encode(&message, lock_step);
    let Ok(Value::Object(fields)) = serde_json::from_slice(&bytes) else {
        panic!("{message:?} is written as {bytes:?}");
    };
    let typed = fields.contains_key("type");
    match &message {
        ToWorker::Ok { .. } => assert_eq!(typed, !lock_step),
        ToWorker::NoTask => assert_eq!(fields["status"], "no_task"),
        ToWorker::Error { message } => assert_eq!(&fields["message"], message),
        ToWorker::Task {
            task,
            function,
            params,
        } => {
            assert_eq!(typed, !lock_step);
            assert_eq!(fields["task_id"], task.to_string());
            for (name, payload) in [("fn_payload", function), ("param_payload", params)] {
                let text = fields[name].as_str().unwrap_or_default();
                assert_eq!(a2b_base64(text.as_bytes()).as_deref(), Some(&payload[..]));
            }
        }
    }
}
