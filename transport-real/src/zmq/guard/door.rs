//! Lets connections in: from the listener to the relay.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::Limits;
use super::budget::Budget;
use super::complaints::Complaints;
use super::greet::{self, GreetError, Guest};
use super::queue::Queue;
use super::relay::relay;
use super::seats::{Full, Seat, Seats};

/// How many connect to the ROUTER at the same moment; its backlog has room for them.
const CONNECTING: usize = 64;

/// How long to pause when the system has no connection to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The most that the system buffers for a peer in either direction, in bytes.
const PEER_BUFFER: usize = 256 << 10;

/// The most that it buffers on the way to the ROUTER, in bytes: what a peer has said and the
/// dispatcher has not taken in yet.
const ROUTER_BUFFER: usize = 64 << 10;

/// When the system asks whether a silent peer still exists, and when it takes it for gone.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(10))
    .with_interval(Duration::from_secs(5))
    .with_retries(3);

/// Why a connection is not let in.
#[derive(Debug, Error)]
enum Refusal {
    #[error(transparent)]
    Greeting(#[from] GreetError),
    #[error(transparent)]
    Full(#[from] Full),
    #[error("its handshake takes too long, or its identity is another's")]
    Slow,
    #[error("no connection to the dispatcher's socket: {0}")]
    Router(#[source] io::Error),
}

/// What every connection passes.
#[derive(Debug)]
pub(super) struct Door {
    limits: Limits,
    router: PathBuf,
    queue: Queue,
    seats: Arc<Seats>,
    connecting: Semaphore,
    budget: Budget,
    complaints: Complaints,
}

impl Door {
    pub(super) fn new(limits: Limits, router: PathBuf) -> Door {
        Door {
            limits,
            router,
            queue: Queue::new(limits.handshakes),
            seats: Arc::new(Seats::new(limits.connections, limits.silence)),
            connecting: Semaphore::new(CONNECTING),
            budget: Budget::new(limits.large_messages, limits.stall_timeout),
            complaints: Complaints::new(),
        }
    }

    /// Accepts connections for ever.
    pub(super) async fn serve(self: Arc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((peer, address)) => self.admit(peer, address.ip()),
                Err(error) => self.after(&error).await,
            }
        }
    }

    async fn after(&self, error: &io::Error) {
        let of_the_peer = matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
        );
        if !of_the_peer {
            tracing::error!(%error, "cannot accept a worker's connection");
            self.queue.make_room();
            sleep(ACCEPT_PAUSE).await;
        }
    }

    fn admit(self: &Arc<Self>, peer: TcpStream, address: IpAddr) {
        let door = Arc::clone(self);
        self.queue.enter(address, |number| {
            let attended = async move { door.attend(peer, address, number).await };
            tokio::spawn(attended).abort_handle()
        });
    }

    /// One connection from its first byte to its last.
    async fn attend(&self, mut peer: TcpStream, address: IpAddr, number: u64) {
        let opening = timeout(self.limits.handshake_timeout, self.open(&mut peer)).await;
        if !self.queue.leave(number) {
            return;
        }
        match self.introduce(opening.unwrap_or(Err(Refusal::Slow))).await {
            Ok((guest, seat, router)) => {
                let identity = seat.identity().clone();
                let end = relay(peer, router, guest.more, seat, &self.limits, &self.budget).await;
                if end.is_the_peers_fault()
                    && let Some(unsaid) = self.complaints.unsaid()
                {
                    tracing::warn!(%address, ?identity, %end, unsaid, "a worker's connection is cut");
                } else {
                    tracing::debug!(%address, ?identity, %end, "a worker's connection ended");
                }
            }
            // Whoever just connects and goes is no case for a complaint.
            Err(Refusal::Greeting(GreetError::Io(error))) => {
                tracing::debug!(%address, %error, "a connection broke off in its handshake");
            }
            Err(refusal) => {
                if let Some(unsaid) = self.complaints.unsaid() {
                    tracing::warn!(%address, %refusal, unsaid, "a connection is refused");
                }
            }
        }
    }

    /// Hears who the peer is, and finds it a seat.
    async fn open(&self, peer: &mut TcpStream) -> Result<(Guest, Seat), Refusal> {
        tune_peer(peer).map_err(GreetError::from)?;
        let guest = greet::hear(peer).await?;
        let seat = self.seats.take(&guest.ready.identity).await?;
        Ok((guest, seat))
    }

    /// Connects a peer that has a seat to the ROUTER.
    async fn introduce(
        &self,
        opened: Result<(Guest, Seat), Refusal>,
    ) -> Result<(Guest, Seat, UnixStream), Refusal> {
        let (guest, seat) = opened?;
        let _connecting = self.connecting.acquire().await;
        let router = greet::introduce(&self.router, &guest.ready).await;
        let router = router.map_err(Refusal::Router)?;
        let buffers = SockRef::from(&router).set_send_buffer_size(ROUTER_BUFFER);
        buffers.map_err(Refusal::Router)?;
        Ok((guest, seat, router))
    }
}

fn tune_peer(peer: &TcpStream) -> io::Result<()> {
    // Messages are small and each is waited for.
    peer.set_nodelay(true)?;
    let socket = SockRef::from(peer);
    socket.set_tcp_keepalive(&KEEPALIVE)?;
    socket.set_recv_buffer_size(PEER_BUFFER)?;
    socket.set_send_buffer_size(PEER_BUFFER)
}
