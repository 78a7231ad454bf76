//! The native format: one version byte, then bincode 2.
//!
//! Decoding is bounded by [`FRAME_LIMIT`], because a length prefix is the peer's word, and bytes
//! after the message are refused. A change of any message type changes the format: the golden
//! files of the tests notice, and [`VERSION`] must then grow.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::timing::FRAME_LIMIT;

/// The version of the format, and the first byte of every native message. It can be no `{`, which
/// is how the original's dialect begins.
pub const VERSION: u8 = 1;

const CONFIG: Configuration<LittleEndian, Varint, Limit<FRAME_LIMIT>> =
    bincode::config::standard().with_limit::<FRAME_LIMIT>();

/// Why bytes are no message.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum DecodeError {
    /// There are none.
    #[error("an empty message")]
    Empty,
    /// The first byte names another version, or no native message at all.
    #[error("version {0} of the protocol; this side speaks version {VERSION}")]
    Version(u8),
    /// The rest is no message of this version.
    #[error("malformed: {0}")]
    Malformed(String),
    /// The message ends before its bytes do.
    #[error("{0} bytes after the message")]
    Trailing(usize),
}

/// Writes a message.
pub fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    // Writing into memory fails only for types that serde cannot express; the golden tests write
    // every one of ours.
    if let Err(error) = bincode::serde::encode_into_std_write(message, &mut bytes, CONFIG) {
        unreachable!("a message that cannot be written: {error}");
    }
    bytes
}

/// Reads a message.
///
/// # Errors
/// See [`DecodeError`].
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let (&version, body) = bytes.split_first().ok_or(DecodeError::Empty)?;
    if version != VERSION {
        return Err(DecodeError::Version(version));
    }
    let (message, read) = bincode::serde::decode_from_slice(body, CONFIG)
        .map_err(|error| DecodeError::Malformed(error.to_string()))?;
    match body.len() - read {
        0 => Ok(message),
        rest => Err(DecodeError::Trailing(rest)),
    }
}
