//! CPython's `binascii.a2b_base64` of version 3.11, which is what `codecs.decode(text, "base64")`
//! calls, line by line. The core's decoder is held to it.

/// What Python gives for a text, or nothing where it raises `binascii.Error`.
pub(crate) fn a2b_base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut quad_pos, mut pads, mut leftchar) = (0, 0, 0_u8);
    for &this in text {
        if this == b'=' {
            if quad_pos >= 2 {
                pads += 1;
                if quad_pos + pads >= 4 {
                    return Some(out);
                }
            }
            continue;
        }
        let Some(value) = sextet(this) else { continue };
        pads = 0;
        match quad_pos {
            0 => leftchar = value,
            1 => {
                out.push(leftchar << 2 | value >> 4);
                leftchar = value & 0x0f;
            }
            2 => {
                out.push(leftchar << 4 | value >> 2);
                leftchar = value & 0x03;
            }
            _ => out.push(leftchar << 6 | value),
        }
        quad_pos = (quad_pos + 1) % 4;
    }
    (quad_pos == 0).then_some(out)
}

fn sextet(char: u8) -> Option<u8> {
    match char {
        b'A'..=b'Z' => Some(char - b'A'),
        b'a'..=b'z' => Some(char - b'a' + 26),
        b'0'..=b'9' => Some(char - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}
