//! The pickle of a plain string, which the original's clients get as the text of a failure.

use super::opcode::{Opcode, Reader, Text};

/// The pickle that `pickle.loads` reads as this `str`, in protocol 4.
pub fn pickle_str(text: &str) -> Vec<u8> {
    let mut pickle = Vec::with_capacity(text.len() + 12);
    pickle.extend_from_slice(&[0x80, 4]);
    if let Ok(len) = u8::try_from(text.len()) {
        pickle.extend_from_slice(&[0x8c, len]);
    } else if let Ok(len) = u32::try_from(text.len()) {
        pickle.push(b'X');
        pickle.extend_from_slice(&len.to_le_bytes());
    } else {
        pickle.push(0x8d);
        pickle.extend_from_slice(&(text.len() as u64).to_le_bytes());
    }
    pickle.extend_from_slice(text.as_bytes());
    pickle.push(b'.');
    pickle
}

/// The `str` that a pickle holds, if it holds nothing else. `None` also for a string with a lone
/// surrogate, which has no UTF-8 form.
pub fn unpickle_str(pickle: &[u8]) -> Option<String> {
    let mut reader = Reader::new(pickle);
    let mut found = None;
    loop {
        match reader.next().ok()? {
            Opcode::Proto | Opcode::Frame => {}
            Opcode::Text(text) if found.is_none() => found = Some(decode(text)?),
            Opcode::Memoize | Opcode::Put(_) if found.is_some() => {}
            Opcode::Stop if reader.is_at_end() => return found,
            _ => return None,
        }
    }
}

fn decode(text: Text<'_>) -> Option<String> {
    match text {
        Text::Utf8(bytes) => std::str::from_utf8(bytes).ok().map(str::to_owned),
        Text::Escaped(line) => {
            let mut decoded = Some(String::with_capacity(line.len()));
            unescape(line, |code| {
                let sound = char::from_u32(code);
                decoded = decoded.take().zip(sound).map(|(mut text, char)| {
                    text.push(char);
                    text
                });
            })?;
            decoded
        }
    }
}

/// Gives each code point of a line in raw-unicode-escape to `push`: `\uXXXX` and `\UXXXXXXXX`
/// after an odd number of backslashes, and Latin-1 otherwise. `None` if an escape is broken.
pub(super) fn unescape(line: &[u8], mut push: impl FnMut(u32)) -> Option<()> {
    let mut rest = line;
    let mut backslashes = 0_usize;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let digits = match byte {
            b'u' if backslashes % 2 == 1 => 4,
            b'U' if backslashes % 2 == 1 => 8,
            b'\\' => {
                backslashes += 1;
                // The backslash of an escape is not text, so an odd one waits for the next byte.
                if backslashes.is_multiple_of(2) {
                    push(u32::from(b'\\'));
                    push(u32::from(b'\\'));
                }
                continue;
            }
            _ => 0,
        };
        if digits == 0 {
            if backslashes % 2 == 1 {
                push(u32::from(b'\\'));
            }
            push(u32::from(byte));
        } else {
            let (hex, tail) = rest.split_at_checked(digits)?;
            push(code_point(hex)?);
            rest = tail;
        }
        backslashes = 0;
    }
    if backslashes % 2 == 1 {
        push(u32::from(b'\\'));
    }
    Some(())
}

fn code_point(hex: &[u8]) -> Option<u32> {
    let value = hex.iter().try_fold(0_u32, |value, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        value.checked_mul(16)?.checked_add(digit)
    })?;
    (value <= u32::from(char::MAX)).then_some(value)
}
