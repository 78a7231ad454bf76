//! What stands between workers' TCP connections and the ROUTER, so that no peer can end it, block
//! it or make it grow.
//!
//! ```text
//!  peer ── TCP ──▶ queue ──▶ greet ──▶ seats ──▶ relay ── Unix socket ──▶ ROUTER
//!                  handshakes          identities, number,    nothing but whole
//!                  under way           silence                connections of workers
//! ```
//!
//! The `zeromq` crate reserves what a frame's header announces, waits for ever for a handshake to go
//! on, lets a second peer take an identity over, and deadlocks when a connection closes while a
//! send to it waits. So the ROUTER listens on a private Unix socket, and the guard on TCP. It does
//! the handshake itself (`greet`), lets each identity in once (`seats`), and then passes bytes
//! on as long as the frames that they announce are within the limits (`relay`). A connection to
//! the ROUTER is never cut under it: the guard says that no more will come, and reads on until the
//! ROUTER has closed. Why it is made so is in `docs/adr/0012`.

mod budget;
mod complaints;
mod descriptors;
mod door;
mod greet;
mod private_socket;
mod queue;
mod relay;
mod seats;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mpcsfaas_core::wire::zmtp;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use zeromq::{RouterSocket, Socket, ZmqResult};

use self::door::Door;
use self::private_socket::PrivateSocket;

/// The limits of workers' connections (P8, P13).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Connections at once. One more is let in if one of them has been silent for `silence`.
    pub connections: usize,
    /// Handshakes under way at once. One more ends the oldest of the address that has most.
    pub handshakes: usize,
    /// How long a handshake may take.
    pub handshake_timeout: Duration,
    /// How long a peer may take nothing of what is to be sent to it, and how long a large message
    /// may take when others wait for room.
    pub stall_timeout: Duration,
    /// After which silence a peer's identity goes to whoever asks for it, and its place to whoever
    /// needs one. Workers beat more often.
    pub silence: Duration,
    /// How large messages may be.
    pub traffic: zmtp::Limits,
    /// How many bytes of large messages may be under way at once, those of all peers together.
    pub large_messages: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 4_096,
            handshakes: 512,
            handshake_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(3),
            silence: Duration::from_secs(3),
            traffic: zmtp::Limits::default(),
            large_messages: 256 << 20,
        }
    }
}

/// A guard on duty. Once it is dropped nobody is let in any more; connections end with the ROUTER.
#[derive(Debug)]
pub struct Guard {
    address: SocketAddr,
    door: JoinHandle<()>,
    _socket: PrivateSocket,
}

impl Guard {
    /// Listens at an address for the sake of a ROUTER, which must not be bound otherwise.
    ///
    /// # Errors
    /// The address cannot be bound, or there is no place for a private socket.
    pub async fn bind(
        router: &mut RouterSocket,
        address: (&str, u16),
        limits: Limits,
    ) -> ZmqResult<Guard> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (socket, private) = PrivateSocket::bind()?;
        router.bind_listener(private).await?;
        let limits = descriptors::fit(limits);
        let door = Arc::new(Door::new(limits, socket.path().to_owned()));
        Ok(Guard {
            address,
            door: tokio::spawn(door.serve(listener)),
            _socket: socket,
        })
    }

    /// Where peers connect to.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.door.abort();
    }
}
