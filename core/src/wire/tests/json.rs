//! The original's dialect: what its workers say, and what is made of wrong shapes.

use super::*;
use crate::mime_base64::encode_mime;
use crate::task::Status;
use crate::wire::json::{FromWorker as Says, JsonError, NAME_LIMIT, decode};
use crate::wire::{Arrival, ArrivalError, decode_arrival};

const TASK: &str = "00000000-0000-0000-0000-000000000007";

fn error(text: &str) -> JsonError {
    decode(text.as_bytes()).expect_err("not a message of the dialect")
}

proptest! {
    #[test]
    fn every_result_survives_the_way(id in any::<u128>(), name in text(), result in bytes(), ok in any::<bool>()) {
        let (text, status) = match ok {
            true => ("COMPLETED", Status::Completed),
            false => ("FAILED", Status::Failed),
        };
        let message = serde_json::json!({
            "type": "task_result",
            "worker_id": name,
            "task_id": TaskId(id).to_string(),
            "status": text,
            "result": encode_mime(&result),
        });
        let expected = Says::TaskResult { worker_id: name, task: TaskId(id), status, result };
        let arrived = decode_arrival(message.to_string().as_bytes());
        prop_assert_eq!(arrived, Ok(Arrival::Legacy(expected)));
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\{\\PC{0,80}") {
        let _ = decode_arrival(text.as_bytes());
    }
}

#[test]
fn what_is_not_an_object_with_a_type_and_a_name_has_the_wrong_shape() {
    for text in [
        "{",
        "{}",
        "[]",
        "null",
        r#"{"type": "register"}"#,
        r#"{"worker_id": "a"}"#,
        r#"{"type": 1, "worker_id": "a"}"#,
        r#"{"type": "register", "worker_id": 7}"#,
        r#"{"type": "register", "worker_id": null}"#,
        r#"{"type": "task_result", "worker_id": "a", "task_id": 7}"#,
        r#"{"type": "register", "worker_id": "a"} and more"#,
    ] {
        assert!(matches!(error(text), JsonError::Shape(_)), "{text}");
    }
}

#[test]
fn deep_nesting_is_refused() {
    let text = format!(
        r#"{{"type": "register", "worker_id": "a", "x": {}"#,
        "[".repeat(100_000)
    );
    assert!(matches!(error(&text), JsonError::Shape(_)));
}

#[test]
fn an_unknown_type_is_named() {
    let unknown = error(r#"{"type": "task", "worker_id": "a"}"#);
    assert_eq!(unknown, JsonError::UnknownType("task".to_owned()));
}

#[test]
fn a_name_has_a_limit() {
    let say = |len| {
        format!(
            r#"{{"type": "register", "worker_id": "{}"}}"#,
            "a".repeat(len)
        )
    };
    assert!(decode(say(NAME_LIMIT).as_bytes()).is_ok());
    assert_eq!(
        error(&say(NAME_LIMIT + 1)),
        JsonError::WorkerId(NAME_LIMIT + 1)
    );
}

#[test]
fn a_result_needs_a_task_an_end_and_base64() {
    let say = |task: &str, status: &str, result: &str| {
        format!(
            r#"{{"type": "task_result", "worker_id": "a", "task_id": {task}, "status": {status}, "result": {result}}}"#
        )
    };
    let id = format!("{TASK:?}");
    assert!(decode(say(&id, r#""COMPLETED""#, r#""AAA=""#).as_bytes()).is_ok());
    assert!(decode(say(&id, r#""FAILED""#, "null").as_bytes()).is_ok());
    assert_eq!(
        error(&say("null", r#""FAILED""#, r#""""#)),
        JsonError::TaskId
    );
    assert_eq!(
        error(&say(r#""7""#, r#""FAILED""#, r#""""#)),
        JsonError::TaskId
    );
    for status in ["null", r#""RUNNING""#, r#""completed""#] {
        assert_eq!(error(&say(&id, status, r#""""#)), JsonError::Status);
    }
    assert_eq!(
        error(&say(&id, r#""FAILED""#, r#""AAAAA""#)),
        JsonError::Result
    );
}

#[test]
fn fields_that_nobody_knows_are_ignored() {
    let text = r#"{"type": "heartbeat", "worker_id": "a", "extra": {"x": [1, 2]}}"#;
    let expected = Says::Heartbeat {
        worker_id: "a".to_owned(),
    };
    assert_eq!(decode(text.as_bytes()), Ok(expected));
}

#[test]
fn the_first_byte_decides_the_format() {
    let json = decode_arrival(b"{\"type\": \"x\"}");
    assert!(matches!(json, Err(ArrivalError::Json(_))));
    let native = decode_arrival(b" {\"type\": \"x\"}");
    assert!(matches!(native, Err(ArrivalError::Native(_))));
}
