//! The faults of a request, each in pydantic's words.

use serde_json::{Value, json};
use uuid::Uuid;

use super::error::Detail;

/// The largest body or value that a refusal repeats.
const ECHO_LIMIT: usize = 4 * 1024;

pub(super) fn parse_uuid(text: &str) -> Result<u128, uuid::Error> {
    // The quick parser does not say what is wrong.
    match Uuid::try_parse(text) {
        Ok(uuid) => Ok(uuid.as_u128()),
        Err(_) => Uuid::parse_str(text).map(|uuid| uuid.as_u128()),
    }
}

pub(super) fn not_a_uuid(loc: Vec<Value>, text: &str, error: &uuid::Error) -> Detail {
    Detail {
        kind: "uuid_parsing",
        loc,
        msg: format!("Input should be a valid UUID, {error}"),
        input: echo(&json!(text)),
        ctx: Some(json!({ "error": error.to_string() })),
    }
}

pub(super) fn missing(loc: Vec<Value>, input: Value) -> Detail {
    Detail {
        kind: "missing",
        loc,
        msg: "Field required".to_owned(),
        input,
        ctx: None,
    }
}

pub(super) fn not_an_object(input: Value) -> Detail {
    Detail {
        kind: "model_attributes_type",
        loc: vec![json!("body")],
        msg: "Input should be a valid dictionary or object to extract fields from".to_owned(),
        input,
        ctx: None,
    }
}

pub(super) fn invalid_json(bytes: &[u8], error: &serde_json::Error) -> Detail {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines
        .take(error.line().saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    Detail {
        kind: "json_invalid",
        loc: vec![
            json!("body"),
            json!(before + error.column().saturating_sub(1)),
        ],
        msg: "JSON decode error".to_owned(),
        input: json!({}),
        ctx: Some(json!({ "error": error.to_string() })),
    }
}

/// A body as a refusal repeats it: whole, or not at all.
pub(super) fn echo_body(bytes: &[u8]) -> Value {
    match bytes.len() <= ECHO_LIMIT {
        true => serde_json::from_slice(bytes).unwrap_or_default(),
        false => Value::Null,
    }
}

/// A value as a refusal repeats it: whole, or the beginning of a text.
pub(super) fn echo(value: &Value) -> Value {
    match value {
        Value::String(text) if text.len() > ECHO_LIMIT => {
            Value::String(text.chars().take(ECHO_LIMIT).collect())
        }
        Value::Array(_) | Value::Object(_) if value.to_string().len() > ECHO_LIMIT => Value::Null,
        small => small.clone(),
    }
}
