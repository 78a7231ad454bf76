//! The fields of a JSON body, each taken with its type. All that is wrong is told at once, as
//! FastAPI does.

use mpcsfaas_core::task::Versions;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, IgnoredAny};
use serde_json::{Value, json};

use super::error::{ApiError, Detail};
use super::refuse::{
    echo, echo_body, invalid_json, missing, not_a_uuid, not_an_object, parse_uuid,
};

/// The longest time limit of a task, in seconds: a year.
const TIMEOUT_LIMIT_SECONDS: f64 = 365.0 * 24.0 * 3600.0;

/// The longest name of a function and the longest version, in characters.
const NAME_LIMIT: usize = 1_024;

/// For fields that tell `null` from nothing.
pub(super) fn given<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(source).map(Some)
}

/// Reads a JSON object into its known fields.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let object = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    if object {
        return serde_json::from_slice(bytes).map_err(|error| invalid_json(bytes, &error).into());
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(missing(vec![json!("body")], Value::Null).into());
    }
    let refusal = match serde_json::from_slice::<IgnoredAny>(bytes) {
        Ok(_) => not_an_object(echo_body(bytes)),
        Err(error) => invalid_json(bytes, &error),
    };
    Err(refusal.into())
}

/// The fields of a body, each taken with its type, and all that is wrong with them.
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    /// Where in the body the object is.
    within: Vec<Value>,
    wrong: Vec<Detail>,
}

impl<'a> Fields<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Fields<'a> {
        Fields {
            bytes,
            within: Vec::new(),
            wrong: Vec::new(),
        }
    }

    /// The fields that are asked for next are those of an object in the body, which is there.
    pub(super) fn go_to(&mut self, list: &str, index: usize) {
        self.within = vec![json!(list), json!(index)];
    }

    fn loc(&self, name: &str) -> Vec<Value> {
        let path = name.split('.').map(|part| json!(part));
        let within = self.within.iter().cloned();
        let body = std::iter::once(json!("body"));
        body.chain(within).chain(path).collect()
    }

    /// The body's fields, unless one was wrong. A wrong field's value is a default.
    pub(super) fn finish<T>(self, fields: T) -> Result<T, ApiError> {
        match self.wrong.is_empty() {
            true => Ok(fields),
            false => Err(ApiError::Unprocessable(self.wrong)),
        }
    }

    /// A text that must be there.
    pub(super) fn text(&mut self, name: &str, value: Option<Value>) -> String {
        match value {
            Some(Value::String(text)) => text,
            Some(other) => {
                self.refuse(
                    name,
                    "string_type",
                    "Input should be a valid string",
                    &other,
                    None,
                );
                String::new()
            }
            None => {
                let loc = self.loc(name);
                self.wrong.push(missing(loc, echo_body(self.bytes)));
                String::new()
            }
        }
    }

    /// A text of bounded length that must be there.
    pub(super) fn name(&mut self, name: &str, value: Option<Value>) -> String {
        let text = self.text(name, value);
        self.bounded(name, text)
    }

    fn bounded(&mut self, name: &str, text: String) -> String {
        if text.chars().nth(NAME_LIMIT).is_some() {
            let msg = format!("String should have at most {NAME_LIMIT} characters");
            let ctx = Some(json!({ "max_length": NAME_LIMIT }));
            self.refuse(name, "string_too_long", msg, &Value::String(text), ctx);
            return String::new();
        }
        text
    }

    /// A UUID that must be there.
    pub(super) fn uuid(&mut self, name: &str, value: Option<Value>) -> u128 {
        match value {
            None | Some(Value::String(_)) => {
                let missing = value.is_none();
                let text = self.text(name, value);
                if missing {
                    return 0;
                }
                parse_uuid(&text).unwrap_or_else(|error| {
                    let loc = self.loc(name);
                    self.wrong.push(not_a_uuid(loc, &text, &error));
                    0
                })
            }
            Some(other) => {
                let msg = "UUID input should be a string, bytes or UUID object";
                self.refuse(name, "uuid_type", msg, &other, None);
                0
            }
        }
    }

    /// A UUID that may be left out.
    pub(super) fn optional_uuid(&mut self, name: &str, value: Option<Value>) -> Option<u128> {
        match value {
            None | Some(Value::Null) => None,
            value @ Some(_) => Some(self.uuid(name, value)),
        }
    }

    /// A positive number of seconds that may be left out, in whole milliseconds, rounded up.
    pub(super) fn timeout_ms(&mut self, name: &str, value: Option<Value>) -> Option<u64> {
        let value = value.filter(|value| !value.is_null())?;
        let Some(seconds) = value.as_f64() else {
            self.refuse(
                name,
                "float_type",
                "Input should be a valid number",
                &value,
                None,
            );
            return None;
        };
        if seconds <= 0.0 {
            let ctx = Some(json!({ "gt": 0.0 }));
            self.refuse(
                name,
                "greater_than",
                "Input should be greater than 0",
                &value,
                ctx,
            );
            return None;
        }
        if seconds > TIMEOUT_LIMIT_SECONDS {
            let msg = format!("Input should be less than or equal to {TIMEOUT_LIMIT_SECONDS}");
            let ctx = Some(json!({ "le": TIMEOUT_LIMIT_SECONDS }));
            self.refuse(name, "less_than_equal", msg, &value, ctx);
            return None;
        }
        Some((seconds * 1_000.0).ceil() as u64)
    }

    /// A truth value that may be left out.
    pub(super) fn flag(&mut self, name: &str, value: Option<Value>) -> Option<bool> {
        match value? {
            Value::Null => None,
            Value::Bool(flag) => Some(flag),
            other @ (Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_)) => {
                self.refuse(
                    name,
                    "bool_type",
                    "Input should be a valid boolean",
                    &other,
                    None,
                );
                None
            }
        }
    }

    /// The versions of whoever pickled the payload, which may be left out.
    pub(super) fn versions(&mut self, name: &str, value: Option<Value>) -> Versions {
        match value {
            None | Some(Value::Null) => Versions::default(),
            Some(Value::Object(mut object)) => {
                let mut version = |key: &str| match object.remove(key) {
                    None | Some(Value::Null) => None,
                    value @ Some(_) => Some(self.name(&format!("{name}.{key}"), value)),
                };
                Versions {
                    python: version("python"),
                    dill: version("dill"),
                }
            }
            Some(other) => {
                self.refuse(
                    name,
                    "dict_type",
                    "Input should be a valid dictionary",
                    &other,
                    None,
                );
                Versions::default()
            }
        }
    }

    fn refuse(
        &mut self,
        name: &str,
        kind: &'static str,
        msg: impl Into<String>,
        input: &Value,
        ctx: Option<Value>,
    ) {
        let loc = self.loc(name);
        self.wrong.push(Detail {
            kind,
            loc,
            msg: msg.into(),
            input: echo(input),
            ctx,
        });
    }
}
