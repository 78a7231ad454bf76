//! Messages between dispatcher and worker, and how they look as bytes.
//!
//! One message is one ZMQ frame (after an empty delimiter, for REQ peers). Its first byte tells
//! the format: [`native`]'s version, or `{` for the original's [`json`]. [`zmtp`] knows the bytes
//! around it, so that a peer's can be checked before a socket reads them.

pub mod json;
pub mod message;
pub mod native;
#[cfg(test)]
mod tests;
pub mod zmtp;

use thiserror::Error;

use self::message::FromWorker;
use crate::timing::{FRAME_LIMIT, JSON_FRAME_LIMIT};

/// What arrived at a dispatcher.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// A native message.
    Native(FromWorker),
    /// A message of the original's dialect.
    Legacy(json::FromWorker),
}

/// Why bytes are no message of either format.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ArrivalError {
    /// They are more than a message of their format may have.
    #[error("{0} bytes are too many for a message")]
    TooLarge(usize),
    /// They begin like a native message.
    #[error(transparent)]
    Native(#[from] native::DecodeError),
    /// They begin like JSON.
    #[error(transparent)]
    Json(#[from] json::JsonError),
}

/// Reads what a worker sent, in whichever format.
///
/// # Errors
/// See [`ArrivalError`].
pub fn decode_arrival(bytes: &[u8]) -> Result<Arrival, ArrivalError> {
    let json = bytes.first() == Some(&b'{');
    let limit = if json { JSON_FRAME_LIMIT } else { FRAME_LIMIT };
    if bytes.len() > limit {
        return Err(ArrivalError::TooLarge(bytes.len()));
    }
    match json {
        true => Ok(Arrival::Legacy(json::decode(bytes)?)),
        false => Ok(Arrival::Native(native::decode(bytes)?)),
    }
}
