//! What ZMQ sockets do with messages, as far as a protocol can tell; sans-IO.
//!
//! ```text
//!   Dealer (or REQ) ──── Pipe: two lanes, each in order ────▶ Router (or REP)
//!   queue while there is no pipe                              identity table, handover
//! ```
//!
//! Two libraries are modelled, because two are in use: `zeromq` 0.7, the crate that our processes
//! use, and libzmq, which the original uses through pyzmq. [`Flavor`] says where they differ.
//! That they do what the libraries do is held by `transport-real/tests/it/zmq_agreement`, whose
//! result is `docs/ZMQ.md`. That a sleeping reader is not always woken is another story, told in [`crate::mailbox`].
//!
//! Reading order: this file, [`pipe`] (connections), [`router`], [`dealer`].

pub mod dealer;
pub mod pipe;
pub mod router;

/// Whose sockets they are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Flavor {
    /// The `zeromq` crate: an identity that comes again takes over silently, the old connection is
    /// closed, and if it breaks before all was sent, that removes the new one; a full queue makes
    /// the sender wait, a peer that is gone is an error once its end was noticed, and a connection
    /// that ended is not made again.
    ZeromqCrate,
    /// libzmq with its defaults: an identity that is in use is not let in, a message to nobody or
    /// into a full queue is dropped, and a connection that ended is made again.
    Libzmq,
}

impl Flavor {
    /// How many messages one peer's queue holds (`ZMQ_SNDHWM` of libzmq; a constant of the crate).
    pub const fn high_water(self) -> usize {
        match self {
            Flavor::ZeromqCrate => 100_000,
            Flavor::Libzmq => 1_000,
        }
    }
}
