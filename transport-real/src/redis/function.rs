//! A function's row: a JSON string under `function:<uuid>`, as the original keeps it.
//!
//! The original's clients and test fixtures read `name` and `payload` there. What we keep beyond
//! these stands beside them, and a row without it is a row of the original.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use mpcsfaas_core::id::FunctionId;
use mpcsfaas_core::task::{Function, Options, Versions};
use serde::{Deserialize, Serialize};

/// Python's `codecs` breaks a line after so many characters, and ends the last one too.
const LINE: usize = 76;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

#[derive(Serialize, Deserialize)]
struct FunctionRow {
    name: String,
    payload: String,
    #[serde(default)]
    options: Options,
    #[serde(default)]
    pickled_by: Versions,
}

pub(super) fn key(id: FunctionId) -> String {
    format!("function:{id}")
}

pub(super) fn encode(function: &Function) -> String {
    let row = FunctionRow {
        name: function.name.clone(),
        payload: to_lines(&function.body),
        options: function.options,
        pickled_by: function.pickled_by.clone(),
    };
    // Strings, numbers and booleans: nothing in it that JSON could refuse.
    serde_json::to_string(&row).unwrap_or_default()
}

/// `None` if the row is neither ours nor the original's.
pub(super) fn decode(json: &[u8]) -> Option<Function> {
    let row: FunctionRow = serde_json::from_slice(json).ok()?;
    Some(Function {
        name: row.name,
        body: from_lines(&row.payload)?,
        options: row.options,
        pickled_by: row.pickled_by,
    })
}

fn to_lines(body: &[u8]) -> String {
    let flat = BASE64.encode(body);
    let mut text = String::with_capacity(flat.len() + flat.len() / LINE + 1);
    for (at, character) in flat.char_indices() {
        if at > 0 && at % LINE == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// Ignores foreign characters, as Python's decoder does.
fn from_lines(text: &str) -> Option<Bytes> {
    let flat: Vec<u8> = text
        .bytes()
        .filter(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
        .collect();
    BASE64.decode(flat).ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_the_original_is_readable() {
        let row = br#"{"name": "add", "payload": "gASVBQAA\nAA=="}"#;
        let function = decode(row).expect("readable");
        assert_eq!(
            (function.name.as_str(), &function.body[..]),
            ("add", &b"\x80\x04\x95\x05\0\0\0"[..])
        );
        assert_eq!(function.options, Options::default());
    }

    #[test]
    fn lines_break_where_python_breaks_them() {
        assert_eq!(to_lines(b""), "");
        assert_eq!(to_lines(b"a"), "YQ==\n");
        let two = to_lines(&[0; 58]);
        assert_eq!(two.find('\n'), Some(LINE));
        assert_eq!(to_lines(&[0; 57]).matches('\n').count(), 1);
        assert!(two.ends_with("AA==\n"), "{two}");
    }

    #[test]
    fn a_function_survives() {
        let function = Function {
            name: "naïve\n".to_owned(),
            body: (0..=255).collect(),
            options: Options {
                timeout_ms: Some(5),
                at_most_once: true,
            },
            pickled_by: Versions {
                python: Some("3.11.7".to_owned()),
                dill: None,
            },
        };
        assert_eq!(decode(encode(&function).as_bytes()), Some(function));
    }

    #[test]
    fn junk_is_no_function() {
        for junk in [
            &b"nonsense"[..],
            b"{}",
            b"[]",
            b"{\"name\":1,\"payload\":\"\"}",
        ] {
            assert_eq!(decode(junk), None);
        }
    }
}
