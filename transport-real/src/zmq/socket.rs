//! What the owner of a ZMQ socket needs of it.

use std::fmt::Display;
use std::future::Future;

use bytes::Bytes;

/// One message: its frames, in order. At a ROUTER the first is the peer's identity.
pub type Frames = Vec<Bytes>;

/// A socket, as the one task that owns it uses it.
pub trait Socket: Send + 'static {
    /// What goes wrong with it.
    type Error: Display + Send;

    /// Waits for what happens next. Nothing is lost if the future is dropped.
    ///
    /// # Errors
    /// One message could not be received; the next may.
    fn next(&mut self) -> impl Future<Output = Result<Event, Self::Error>> + Send;

    /// Sends a message, which means: puts it into the peer's queue, and waits while that is full.
    ///
    /// # Errors
    /// There is no such peer, as far as is known.
    fn send(&mut self, frames: Frames) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// What can happen to a socket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A message arrived.
    Received(Frames),
    /// The connection of the peer with this identity ended.
    PeerClosed(Bytes),
    /// The socket is closed: nothing happens any more.
    Closed,
}

/// Where a worker finds a dispatcher.
pub trait Endpoint: Clone + Send + Sync + 'static {
    /// What a connection is.
    type Socket: Socket;

    /// Connects a DEALER under this identity, or gives up after a while.
    ///
    /// # Errors
    /// There is no connection.
    fn connect(
        &self,
        identity: &str,
    ) -> impl Future<Output = Result<Self::Socket, <Self::Socket as Socket>::Error>> + Send;
}
