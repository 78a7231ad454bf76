//! `zmtp_guard`: what is read of a peer's ZMTP before anything else sees it.
//!
//! The first three bytes choose what the rest is (a whole connection, what follows a handshake of
//! ours, or traffic alone), the limits, and how the rest is cut into pieces. The pieces make no
//! difference; what is only announced costs nothing; and the verdict on traffic is that of
//! a reader (`frames.rs`) that has all bytes at once.

mod frames;

use mpcsfaas_core::wire::zmtp::{
    Handshake, IDENTITY_LIMIT, Limits, READY_LIMIT, Ready, Scanned, SocketType, Traffic, Violation,
    greeting, ready,
};

use crate::memory;

/// READY, gathered byte by byte in memory that doubles, and the identity out of it.
const HANDSHAKE_MEMORY: u64 = 4 * READY_LIMIT;

/// One input.
///
/// # Panics
/// If the guard does not keep what is said above.
pub fn run(data: &[u8]) {
    let Some((&[what, limits, cuts], rest)) = data.split_first_chunk() else {
        return;
    };
    let limits = match limits % 3 {
        0 => Limits::default(),
        1 => Limits {
            frame: 300,
            message: 400,
            frames: 3,
        },
        _ => Limits {
            frame: 1 << 40,
            message: u64::MAX,
            frames: u32::MAX,
        },
    };
    match what % 4 {
        0 => connection(rest, limits, cuts),
        1 => {
            let mut greeted = greeting().to_vec();
            greeted.extend(rest);
            connection(&greeted, limits, cuts);
        }
        2 => {
            let identity = &rest[..rest.len().min(IDENTITY_LIMIT)];
            greets(
                identity,
                if cuts % 2 == 0 {
                    SocketType::Dealer
                } else {
                    SocketType::Req
                },
            );
        }
        _ => traffic(rest, limits, cuts),
    }
}

/// A connection from its first byte.
fn connection(bytes: &[u8], limits: Limits, cuts: u8) {
    let (verdict, read) = handshake([bytes]);
    assert_eq!(
        handshake(pieces(bytes, cuts)),
        (verdict.clone(), read),
        "the pieces matter"
    );
    match verdict {
        Ok(Some(ready)) => {
            assert!(ready.identity.len() <= IDENTITY_LIMIT);
            let (before, _) = handshake([&bytes[..read - 1]]);
            assert_eq!(before, Ok(None), "complete before its last byte");
            traffic(&bytes[read..], limits, cuts);
        }
        Ok(None) => assert_eq!(read, bytes.len(), "bytes are left"),
        Err(_) => {
            let (before, _) = handshake([&bytes[..read - 1]]);
            assert_eq!(before, Ok(None), "told too late");
        }
    }
}

/// What came of a handshake, and how many bytes that took.
fn handshake<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Result<Option<Ready>, Violation>, usize) {
    let pieces: Vec<&[u8]> = pieces.into_iter().collect();
    memory::bounded(0, 0, HANDSHAKE_MEMORY, || {
        let mut handshake = Handshake::default();
        let mut taken = 0;
        for mut piece in pieces {
            let length = piece.len();
            let verdict = handshake.read(&mut piece);
            taken += length - piece.len();
            if verdict != Ok(None) {
                return (verdict, taken);
            }
        }
        (Ok(None), taken)
    })
}

/// Our own handshake is read by our own guard.
fn greets(identity: &[u8], socket: SocketType) {
    let mut bytes = greeting().to_vec();
    bytes.extend(ready(socket.as_str(), identity));
    let expected = Ready {
        socket,
        identity: identity.to_vec().into(),
    };
    assert_eq!(handshake([&bytes[..]]), (Ok(Some(expected)), bytes.len()));
}

fn traffic(bytes: &[u8], limits: Limits, cuts: u8) {
    let whole = scan([bytes], limits, usize::MAX);
    assert_eq!(
        scan(pieces(bytes, cuts), limits, usize::MAX),
        whole,
        "the pieces matter"
    );
    let at_once = 1 + usize::from(cuts % 3);
    assert_eq!(
        scan([bytes], limits, at_once),
        whole,
        "how much is asked for matters"
    );
    let read = frames::read(bytes, limits);
    assert_eq!(
        (whole.harmless, whole.messages, whole.violation.is_some()),
        (read.harmless, read.messages, read.violates),
        "{:?}",
        whole.violation
    );
    let harmless = scan([&bytes[..whole.harmless]], limits, usize::MAX);
    assert_eq!(
        harmless.violation, None,
        "let through although it was wrong"
    );
}

/// The verdict on traffic, as if it had come in one piece.
fn scan<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limits: Limits, at_once: usize) -> Scanned {
    let mut all = Scanned {
        harmless: 0,
        messages: 0,
        violation: None,
    };
    let mut traffic = Traffic::new(limits);
    for mut piece in pieces {
        while !piece.is_empty() && all.violation.is_none() {
            let found = memory::bounded(0, 0, 0, || traffic.scan(piece, at_once));
            assert!(found.messages <= at_once, "{found:?}");
            assert!(
                traffic.announced() <= limits.message,
                "{} announced",
                traffic.announced()
            );
            all.harmless += found.harmless;
            all.messages += found.messages;
            all.violation = found.violation;
            piece = &piece[found.harmless..];
        }
    }
    if all.violation.is_some() {
        let again = traffic.scan(b"\0\0", at_once);
        assert_eq!(
            (again.harmless, again.violation),
            (0, all.violation),
            "it came back"
        );
    }
    all
}

/// Bytes cut into pieces of one to eight bytes, or of up to 255.
fn pieces(bytes: &[u8], cuts: u8) -> impl Iterator<Item = &[u8]> {
    let mut state = u32::from(cuts);
    let longest = if cuts < 128 { 8 } else { 255 };
    let mut rest = bytes;
    std::iter::from_fn(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let length = 1 + (state >> 16) as usize % longest;
        let (piece, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}
