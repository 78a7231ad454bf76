//! The connection of pull and push mode: ZMQ sockets, each owned by one task.
//!
//! [`router`] is the dispatcher's end, behind a `guard`, and [`dealer`] the worker's. What they need
//! of a socket is in [`socket`]; the sockets of the `zeromq` crate are in `tcp`. What the crate does
//! and does not do is in `docs/adr/0002`: a DEALER does not reconnect, so each session makes a new one under an
//! identity of its own; a send to a peer that is gone is no error.

pub mod dealer;
#[cfg(not(madsim))]
pub mod guard;
pub mod router;
pub mod socket;
#[cfg(not(madsim))]
pub mod tcp;

/// A ZMQ socket that cannot be had.
#[cfg(not(madsim))]
#[derive(Debug, thiserror::Error)]
#[error("cannot bind {endpoint}: {source}")]
pub struct BindError {
    /// Where.
    pub endpoint: String,
    /// Why not.
    #[source]
    pub source: zeromq::ZmqError,
}
