//! The base64 dialect of the original's payloads: Python's `codecs.encode(x, "base64")`.
//!
//! It breaks the line after each 76 characters and at the end. Its decoder ignores every character
//! outside the alphabet, stops at the first complete padding and ignores what follows, so a text
//! that looks nothing like base64 may well decode: what comes out must be judged as a pickle.

use base64::Engine;
use base64::alphabet;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD};
use thiserror::Error;

/// Bytes that make one line.
const LINE_BYTES: usize = 57;

/// Characters of a full line.
const LINE_CHARS: usize = 76;

/// Python ignores the spare bits of the last character.
const WITHOUT_PADDING: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone),
);

/// A text that Python's decoder refuses: the number of characters of the alphabet, with their
/// padding, is not a multiple of 4.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("not base64: incorrect padding")]
pub struct NotBase64;

/// Encodes in lines of 76 characters, each ended by a line feed. No bytes give no line.
pub fn encode_mime(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(encoded_len(bytes.len()));
    for line in bytes.chunks(LINE_BYTES) {
        STANDARD.encode_string(line, &mut text);
        text.push('\n');
    }
    text
}

/// How long [`encode_mime`]'s text for so many bytes is.
pub const fn encoded_len(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4 + bytes.div_ceil(LINE_BYTES)
}

/// Decodes as Python's `codecs.decode(text, "base64")` does.
///
/// # Errors
/// [`NotBase64`] where Python raises `binascii.Error`.
pub fn decode_lenient(text: &[u8]) -> Result<Vec<u8>, NotBase64> {
    WITHOUT_PADDING
        .decode(alphabet_of(text)?)
        .map_err(|_| NotBase64)
}

/// The characters that count, without padding.
fn alphabet_of(text: &[u8]) -> Result<Vec<u8>, NotBase64> {
    let mut kept = Vec::with_capacity(text.len() - text.len() / (LINE_CHARS + 1));
    let mut rest = text;
    let mut pads = 0;
    loop {
        let run = rest.iter().take_while(|byte| COUNTS[usize::from(**byte)]);
        let (counting, foreign) = rest.split_at(run.count());
        if !counting.is_empty() {
            kept.extend_from_slice(counting);
            pads = 0;
        }
        let Some((&byte, after)) = foreign.split_first() else {
            break;
        };
        rest = after;
        // Padding before the third character of a group is ignored like any foreign character.
        if byte == b'=' && kept.len() % 4 >= 2 {
            pads += 1;
            if kept.len() % 4 + pads >= 4 {
                return Ok(kept);
            }
        }
    }
    match kept.len() % 4 {
        0 => Ok(kept),
        _ => Err(NotBase64),
    }
}

/// Whether a byte is a character of the alphabet.
const COUNTS: [bool; 256] = {
    let mut counts = [false; 256];
    let mut byte = 0;
    while byte < counts.len() {
        let char = byte as u8;
        counts[byte] = char.is_ascii_alphanumeric() || char == b'+' || char == b'/';
        byte += 1;
    }
    counts
};

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    #[test]
    fn lines_break_where_python_breaks_them() {
        assert_eq!(encode_mime(b""), "");
        assert_eq!(encode_mime(b"a"), "YQ==\n");
        assert_eq!(encode_mime(&[0; 57]), format!("{}\n", "A".repeat(76)));
        assert_eq!(encode_mime(&[0; 58]), format!("{}\nAA==\n", "A".repeat(76)));
    }

    /// Each answer is that of Python's `codecs.decode`.
    #[test]
    fn decoding_is_as_lenient_as_python() {
        let rows: [(&str, Option<&[u8]>); 20] = [
            ("", Some(b"")),
            ("YWJj", Some(b"abc")),
            ("Y W\nJ-j", Some(b"abc")),
            ("YQ==", Some(b"a")),
            ("YQ=\n=", Some(b"a")),
            ("YR==", Some(b"a")),
            ("YWI=", Some(b"ab")),
            ("YWI=YWJj", Some(b"ab")),
            ("YQ=Q", None),
            ("YQ", None),
            ("YQ=", None),
            ("Y", None),
            ("Y===", None),
            ("=YWJj", Some(b"abc")),
            ("====", Some(b"")),
            ("not_a_function", Some(b"\x9e\x8bZ~\xe9\xdc\xb6*'")),
            ("YWJj=", Some(b"abc")),
            ("YWJj=YWJj", Some(b"abcabc")),
            ("YQ=b=", Some(b"a\x06")),
            ("YQ=QYQ==", None),
        ];
        for (text, expected) in rows {
            let decoded = decode_lenient(text.as_bytes()).ok();
            assert_eq!(decoded.as_deref(), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn bytes_survive(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let text = encode_mime(&bytes);
            prop_assert_eq!(text.len(), encoded_len(bytes.len()));
            prop_assert_eq!(decode_lenient(text.as_bytes()), Ok(bytes));
        }

        #[test]
        fn no_text_makes_it_panic(text in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = decode_lenient(&text);
        }
    }
}
