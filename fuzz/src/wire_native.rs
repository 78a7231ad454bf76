//! `wire_native`: the native format.
//!
//! Any bytes: what is read can be written and read again as the same message, in no more bytes, and
//! costs memory in proportion. Bytes that begin with a zero are a recipe for a message instead,
//! which must survive, and must be refused when it is cut or followed by something.

use std::fmt::Debug;

use mpcsfaas_core::id::WorkerId;
use mpcsfaas_core::timing::FRAME_LIMIT;
use mpcsfaas_core::wire::message::{FromDispatcher, FromWorker};
use mpcsfaas_core::wire::native::{self, DecodeError};
use mpcsfaas_core::wire::{Arrival, ArrivalError, decode_arrival};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::draw::Draw;
use crate::memory;

/// No message begins with this byte.
const MADE: u8 = 0;

/// A byte of a message may be a fifth of a list's item, and a list that grows is there twice.
const MEMORY_A_BYTE: u64 = 160;

/// What is announced and does not come: bincode believes in up to a frame of text or bytes, and
/// serde in up to 1 MiB of items.
const MEMORY_ON_CREDIT: u64 = FRAME_LIMIT as u64 + (2 << 20);

/// Nanoseconds that make a second are one when they have been read, and may need four bytes more. A
/// Welcome has two durations.
const NORMALISED: usize = 8;

/// One input.
///
/// # Panics
/// If the format does not keep what is said above.
pub fn run(data: &[u8]) {
    match data.split_first() {
        Some((&MADE, recipe)) => made(&mut Draw::new(recipe)),
        Some((b'{', _)) => {}
        Some(_) | None => {
            let _told = read::<FromDispatcher>(data);
            let native = read::<FromWorker>(data);
            let expected = native.map(Arrival::Native).map_err(ArrivalError::Native);
            assert_eq!(decode_arrival(data), expected);
        }
    }
}

fn read<T>(bytes: &[u8]) -> Result<T, DecodeError>
where
    T: DeserializeOwned + Serialize + PartialEq + Debug,
{
    let read = memory::bounded(bytes.len(), MEMORY_A_BYTE, MEMORY_ON_CREDIT, || {
        native::decode::<T>(bytes)
    });
    if let Ok(message) = &read {
        let written = native::encode(message);
        let longest = bytes.len() + NORMALISED;
        assert!(
            written.len() <= longest,
            "not the shortest form: {message:?}"
        );
        assert_eq!(native::decode::<T>(&written).as_ref(), Ok(message));
    }
    read
}

fn made(draw: &mut Draw<'_>) {
    let (session, number) = (draw.edge(), draw.edge());
    let cut = draw.number(0, 255) as usize;
    match draw.flag() {
        true => survives(
            cut,
            &FromWorker {
                worker: WorkerId(draw.edge()),
                session,
                number,
                body: draw.worker_says(),
            },
        ),
        false => survives(
            cut,
            &FromDispatcher {
                session,
                number,
                body: draw.dispatcher_says(),
            },
        ),
    }
}

fn survives<T>(cut: usize, message: &T)
where
    T: DeserializeOwned + Serialize + PartialEq + Debug,
{
    let mut bytes = native::encode(message);
    assert_eq!(read::<T>(&bytes).as_ref(), Ok(message));
    let cut = read::<T>(&bytes[..cut % bytes.len()]);
    assert!(
        matches!(cut, Err(DecodeError::Malformed(_) | DecodeError::Empty)),
        "{cut:?}"
    );
    bytes.push(0);
    assert_eq!(read::<T>(&bytes), Err(DecodeError::Trailing(1)));
}
