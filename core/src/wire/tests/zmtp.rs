//! What a peer's bytes may be, however they are cut into pieces.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::wire::zmtp::{
    GREETING, Handshake, Limits, READY_LIMIT, Ready, Scanned, SocketType, Traffic, Violation,
    greeting, ready,
};

const LIMITS: Limits = Limits {
    frame: 1_000,
    message: 1_500,
    frames: 4,
};

/// A frame with these flags and the shorter length that fits.
fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = match u8::try_from(body.len()) {
        Ok(length) => vec![flags, length],
        Err(_) => header(flags, body.len() as u64),
    };
    frame.extend_from_slice(body);
    frame
}

/// The header of a frame that announces a length with eight bytes.
fn header(flags: u8, length: u64) -> Vec<u8> {
    let mut header = vec![flags | 2];
    header.extend_from_slice(&length.to_be_bytes());
    header
}

/// The verdict on a handshake: what came of it, and after how many bytes.
fn handshake(pieces: &[&[u8]]) -> (Result<Option<Ready>, Violation>, usize) {
    let mut handshake = Handshake::default();
    let mut before = 0;
    for mut piece in pieces.iter().copied() {
        let length = piece.len();
        let verdict = handshake.read(&mut piece);
        before += length - piece.len();
        if verdict != Ok(None) {
            return (verdict, before);
        }
    }
    (Ok(None), before)
}

fn greeted(command: &[u8]) -> Result<Option<Ready>, Violation> {
    handshake(&[&greeting(), command]).0
}

/// The verdict on traffic, as if it had come in one piece.
fn traffic(pieces: &[&[u8]], at_once: usize) -> Scanned {
    let mut traffic = Traffic::new(LIMITS);
    let mut all = Scanned {
        harmless: 0,
        messages: 0,
        violation: None,
    };
    for mut piece in pieces.iter().copied() {
        while !piece.is_empty() && all.violation.is_none() {
            let found = traffic.scan(piece, at_once);
            assert!(found.messages <= at_once);
            all.harmless += found.harmless;
            all.messages += found.messages;
            all.violation = found.violation;
            piece = &piece[found.harmless..];
        }
    }
    all
}

fn violation(bytes: &[u8]) -> Option<Violation> {
    traffic(&[bytes], usize::MAX).violation
}

/// Cuts bytes at these places.
fn cut<'a>(bytes: &'a [u8], places: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places.iter().map(|at| at.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    let pairs = places.iter().zip(&places[1..]);
    pairs.map(|(&from, &to)| &bytes[from..to]).collect()
}

#[test]
fn workers_are_let_in_and_what_follows_is_left() {
    for socket in [SocketType::Dealer, SocketType::Req] {
        for identity in [&b""[..], b"w-1.1", &[7; 255]] {
            let bytes = [&greeting()[..], &ready(socket.as_str(), identity), b"rest"].concat();
            let (verdict, before) = handshake(&[&bytes]);
            let identity = identity.to_vec().into();
            assert_eq!(verdict, Ok(Some(Ready { socket, identity })));
            assert_eq!(&bytes[before..], b"rest");
        }
    }
}

#[test]
fn the_greeting_of_libzmq_is_read() {
    let mut greeting = greeting();
    // It fills in the length of a ZMTP 1.0 identity, and speaks 3.1.
    greeting[8] = 1;
    greeting[11] = 1;
    assert_eq!(handshake(&[&greeting]), (Ok(None), GREETING));
}

#[test]
fn properties_may_come_in_any_order_and_spelling_among_others() {
    let mut body = b"\x05READY".to_vec();
    for (name, value) in [("X-Host", "a"), ("IDENTITY", "me"), ("socket-type", "REQ")] {
        body.push(name.len() as u8);
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(&(value.len() as u32).to_be_bytes());
        body.extend_from_slice(value.as_bytes());
    }
    let ready = Ready {
        socket: SocketType::Req,
        identity: "me".into(),
    };
    assert_eq!(greeted(&frame(4, &body)), Ok(Some(ready)));
}

#[test]
fn what_is_no_greeting_is_refused_at_the_byte_that_shows_it() {
    let spoilt = |place: usize, byte: u8| {
        let mut greeting = greeting();
        greeting[place] = byte;
        handshake(&[&greeting])
    };
    assert_eq!(spoilt(0, b'G'), (Err(Violation::Signature), 1));
    assert_eq!(spoilt(9, 0), (Err(Violation::Signature), 10));
    assert_eq!(spoilt(10, 2), (Err(Violation::Version(2)), 11));
    assert_eq!(spoilt(12, b'C'), (Err(Violation::Mechanism), 13));
    assert_eq!(spoilt(31, b'X'), (Err(Violation::Mechanism), 32));
}

#[test]
fn whoever_is_no_worker_is_refused() {
    use Violation::{NotReady, ReadyMalformed, ReadyTooLong, SocketType};
    let cases: [(&[u8], Violation); 9] = [
        (b"\x00\x05{    ", NotReady),
        (b"\x04\x05\x04JUNK", NotReady),
        (b"\x05\x06\x05READY", NotReady),
        (b"\x04\x06\x05READY", SocketType),
        (&ready("PUB", b""), SocketType),
        (&ready("ROUTER", b""), SocketType),
        (b"\x04\x00", ReadyMalformed),
        (b"\x04\x08\x05READY\x05a", ReadyMalformed),
        (&header(4, READY_LIMIT + 1), ReadyTooLong(READY_LIMIT + 1)),
    ];
    for (command, refusal) in cases {
        assert_eq!(greeted(command), Err(refusal), "{command:?}");
    }
    assert_eq!(greeted(&ready("DEALER", &[7; 256])), Err(ReadyMalformed));
}

#[test]
fn a_ready_command_of_thirty_gigabytes_is_refused_before_its_length_is_complete() {
    let bytes = [&greeting()[..], &header(4, 30_000_000_000)].concat();
    let (verdict, before) = handshake(&[&bytes]);
    assert_eq!(verdict, Err(Violation::ReadyTooLong(6 << 32)));
    assert_eq!(before, GREETING + 5);
}

#[test]
fn a_frame_of_thirty_gigabytes_is_refused_before_its_length_is_complete() {
    let bytes = [frame(1, b""), frame(0, b"body"), header(0, 30_000_000_000)].concat();
    let found = traffic(&[&bytes], usize::MAX);
    assert_eq!(found.violation, Some(Violation::FrameTooLong(6 << 32)));
    assert_eq!((found.harmless, found.messages), (2 + 6 + 4, 1));
}

#[test]
fn frames_are_taken_up_to_the_limit() {
    assert_eq!(violation(&frame(0, &[0; 1_000])), None);
    let one_more = Some(Violation::FrameTooLong(1_001));
    assert_eq!(violation(&frame(0, &[0; 1_001])), one_more);
    assert_eq!(
        violation(&header(0, u64::MAX)),
        Some(Violation::FrameTooLong(0xff << 56))
    );
}

#[test]
fn the_frames_of_a_message_have_a_limit_together() {
    let whole = [frame(1, &[0; 1_000]), frame(0, &[0; 500])].concat();
    assert_eq!(violation(&whole.repeat(3)), None);
    let more = [frame(1, &[0; 1_000]), frame(0, &[0; 501])].concat();
    assert_eq!(violation(&more), Some(Violation::MessageTooLong(1_501)));
    assert_eq!(
        violation(&[frame(1, b"").repeat(3), frame(0, b"")].concat()),
        None
    );
    let endless = frame(1, b"").repeat(5);
    assert_eq!(violation(&endless), Some(Violation::TooManyFrames(4)));
}

#[test]
fn commands_and_unknown_flags_are_refused() {
    assert_eq!(violation(b"\x04\x07\x04PING\0\0"), Some(Violation::Command));
    assert_eq!(violation(&header(4, 5)), Some(Violation::Command));
    for flags in [5, 7, 8, 0x80, 0xff] {
        assert_eq!(violation(&[flags]), Some(Violation::Flags(flags)));
    }
}

#[test]
fn the_announced_bytes_of_the_message_in_progress_are_told() {
    let mut traffic = Traffic::new(LIMITS);
    traffic.scan(&frame(1, &[0; 300]), usize::MAX);
    assert_eq!(traffic.announced(), 300);
    traffic.scan(&header(0, 700), usize::MAX);
    assert_eq!(traffic.announced(), 1_000);
    traffic.scan(&[0; 700], usize::MAX);
    assert_eq!(traffic.announced(), 0);
}

#[test]
fn nothing_follows_a_violation() {
    let mut traffic = Traffic::new(LIMITS);
    traffic.scan(&[0xff], usize::MAX);
    let found = traffic.scan(&frame(0, b"body"), usize::MAX);
    assert_eq!(found.violation, Some(Violation::Flags(0xff)));
    assert_eq!((found.harmless, found.messages), (0, 0));
}

/// Frames as peers send them, and now and then bytes that are none.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let some = prop_oneof![
        20 => (0..2u8, 0..600usize).prop_map(|(flags, length)| frame(flags, &vec![9; length])),
        10 => (0..4u8, 0..9usize).prop_map(|(flags, length)| match flags & 2 {
            0 => frame(flags, &vec![9; length]),
            _ => [header(flags, length as u64), vec![9; length]].concat(),
        }),
        1 => (any::<u8>(), any::<u64>()).prop_map(|(flags, length)| header(flags, length)),
        1 => vec(any::<u8>(), 0..20),
    ];
    vec(some, 0..12).prop_map(|frames| frames.concat())
}

/// The start of a connection, and now and then one with a byte that is wrong.
fn openings() -> impl Strategy<Value = Vec<u8>> {
    let identity = vec(any::<u8>(), 0..256);
    let spoilt = prop::option::of((any::<prop::sample::Index>(), any::<u8>()));
    (identity, spoilt, vec(any::<u8>(), 0..9)).prop_map(|(identity, spoilt, rest)| {
        let mut bytes = [&greeting()[..], &ready("DEALER", &identity), &rest].concat();
        if let Some((place, byte)) = spoilt {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes
    })
}

/// The same verdict, found without state: reads whole frames off the front of whole traffic.
fn by_the_book(mut bytes: &[u8]) -> Option<usize> {
    let (mut messages, mut count, mut size) = (0, 0, 0);
    while let Some((&flags, rest)) = bytes.split_first() {
        let (length, rest) = match flags {
            0 | 1 => (u64::from(*rest.first()?), &rest[1..]),
            2 | 3 => {
                let (length, rest) = rest.split_first_chunk()?;
                (u64::from_be_bytes(*length), rest)
            }
            _ => return None,
        };
        (count, size) = (count + 1, size + length.min(1 << 32));
        if length > LIMITS.frame || size > LIMITS.message || count > LIMITS.frames {
            return None;
        }
        bytes = rest.get(length as usize..)?;
        if flags & 1 == 0 {
            (messages, count, size) = (messages + 1, 0, 0);
        }
    }
    Some(messages)
}

proptest! {
    #[test]
    fn pieces_make_no_difference_to_a_handshake(
        bytes in openings(),
        places in vec(any::<prop::sample::Index>(), 0..8),
    ) {
        prop_assert_eq!(handshake(&cut(&bytes, &places)), handshake(&[&bytes]));
    }

    #[test]
    fn pieces_make_no_difference_to_traffic(
        bytes in frames(),
        places in vec(any::<prop::sample::Index>(), 0..20),
        at_once in 1..4usize,
    ) {
        let whole = traffic(&[&bytes], usize::MAX);
        prop_assert_eq!(traffic(&cut(&bytes, &places), at_once), whole);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(traffic(&single, usize::MAX), whole);
    }

    #[test]
    fn whole_frames_within_the_limits_are_harmless(bytes in frames()) {
        let found = traffic(&[&bytes], usize::MAX);
        if let Some(messages) = by_the_book(&bytes) {
            let harmless = bytes.len();
            prop_assert_eq!(found, Scanned { harmless, messages, violation: None });
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..2_000)) {
        prop_assert!(handshake(&[&bytes]).1 <= bytes.len());
        let found = traffic(&[&bytes], 1);
        prop_assert_eq!(found.violation.is_none(), found.harmless == bytes.len());
    }
}
