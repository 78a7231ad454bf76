//! The native format: there and back, and what is refused.

use super::*;
use crate::wire::native::{DecodeError, VERSION, decode, encode};
use crate::wire::{Arrival, decode_arrival};

proptest! {
    #[test]
    fn every_message_of_a_worker_survives_the_way(message in from_worker()) {
        let bytes = encode(&message);
        prop_assert_eq!(decode_arrival(&bytes), Ok(Arrival::Native(message)));
    }

    #[test]
    fn every_message_of_a_dispatcher_survives_the_way(message in from_dispatcher()) {
        prop_assert_eq!(decode::<FromDispatcher>(&encode(&message)), Ok(message));
    }

    #[test]
    fn a_message_that_was_cut_short_is_refused(message in from_worker(), other in from_dispatcher()) {
        let bytes = encode(&message);
        for end in 0..bytes.len() {
            prop_assert!(decode::<FromWorker>(&bytes[..end]).is_err());
        }
        let bytes = encode(&other);
        for end in 0..bytes.len() {
            prop_assert!(decode::<FromDispatcher>(&bytes[..end]).is_err());
        }
    }

    #[test]
    fn bytes_after_the_message_are_refused(message in from_worker(), more in vec(any::<u8>(), 1..9)) {
        let mut bytes = encode(&message);
        bytes.extend(&more);
        let refused = Err(DecodeError::Trailing(more.len()));
        prop_assert_eq!(decode::<FromWorker>(&bytes), refused);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = decode_arrival(&bytes);
        let native: Vec<u8> = std::iter::once(VERSION).chain(bytes).collect();
        let _ = decode::<FromWorker>(&native);
        let _ = decode::<FromDispatcher>(&native);
    }

    #[test]
    fn no_flipped_bit_makes_a_reader_panic(message in from_worker(), at in any::<usize>(), bit in 0..8) {
        let mut bytes = encode(&message);
        let at = at % bytes.len();
        bytes[at] ^= 1u8 << bit;
        let _ = decode_arrival(&bytes);
    }
}

#[test]
fn another_version_is_refused_by_its_number() {
    let mut bytes = encode(&beat());
    bytes[0] = VERSION + 1;
    let refused = decode::<FromWorker>(&bytes).expect_err("another version");
    assert_eq!(refused, DecodeError::Version(VERSION + 1));
    assert_eq!(
        refused.to_string(),
        "version 2 of the protocol; this side speaks version 1"
    );
}

#[test]
fn an_empty_message_is_refused() {
    assert_eq!(decode::<FromWorker>(&[]), Err(DecodeError::Empty));
}

#[test]
fn an_unknown_variant_is_refused() {
    let mut bytes = encode(&beat());
    let at = bytes.len() - 3;
    assert_eq!(bytes[at], 1, "the variant of a beat");
    bytes[at] = 99;
    assert!(matches!(
        decode::<FromWorker>(&bytes),
        Err(DecodeError::Malformed(_))
    ));
}

#[test]
fn the_version_can_be_told_from_json() {
    assert_ne!(VERSION, b'{');
}

fn beat() -> FromWorker {
    FromWorker {
        worker: WorkerId(1),
        session: 1,
        number: UNNUMBERED,
        body: ToDispatcher::Beat { last: 1, credit: 1 },
    }
}
