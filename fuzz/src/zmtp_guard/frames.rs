//! Frames read out of bytes that are all there: what [`super`] holds the guard to.

use mpcsfaas_core::wire::zmtp::Limits;

/// What was found.
pub(super) struct Read {
    /// So many bytes come before the first that makes a violation certain.
    pub(super) harmless: usize,
    /// So many messages end in them.
    pub(super) messages: usize,
    /// Whether there is such a byte.
    pub(super) violates: bool,
}

/// Reads frame by frame. A length of eight bytes violates a limit at the first of them after which
/// it can only be too long.
pub(super) fn read(bytes: &[u8], limits: Limits) -> Read {
    let (mut at, mut messages) = (0, 0);
    let (mut frames, mut total) = (0, 0_u64);
    let done = |harmless, messages, violates| Read {
        harmless,
        messages,
        violates,
    };
    while let Some(&flags) = bytes.get(at) {
        if flags > 3 || frames == limits.frames {
            return done(at, messages, true);
        }
        frames += 1;
        let digits = if flags & 2 == 0 { 1 } else { 8 };
        let mut length = 0_u64;
        for place in 1..=digits {
            let Some(&digit) = bytes.get(at + place) else {
                return done(bytes.len(), messages, false);
            };
            length += u64::from(digit) << (8 * (digits - place));
            if length > limits.frame || total.saturating_add(length) > limits.message {
                return done(at + place, messages, true);
            }
        }
        total += length;
        let body = at + 1 + digits;
        let left = bytes.len() - body;
        if (left as u64) < length {
            return done(bytes.len(), messages, false);
        }
        at = body + length as usize;
        if flags & 1 == 0 {
            messages += 1;
            (frames, total) = (0, 0);
        }
    }
    done(at, messages, false)
}
