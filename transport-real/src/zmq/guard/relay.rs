//! Passes bytes between a peer and the ROUTER, both ways, as long as the peer keeps to the limits.
//!
//! What is on its way is bounded: a piece in either direction, the systems' buffers, and large
//! messages by their [`Budget`]. A peer that does not take what it is sent must not make answers
//! pile up in the ROUTER either, so while there is something that it has not taken it may say only
//! a little more ([`Backlog`]).

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use mpcsfaas_core::wire::zmtp::{self, Traffic, Violation};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream, tcp, unix};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::Limits;
use super::budget::{Account, Budget};
use super::seats::Seat;

/// The most that is read at once, in bytes.
const PIECE: usize = 64 << 10;

/// How many messages are passed on in one write. Small ones in small writes: those that wait for the
/// ROUTER are bounded by what the system counts, which is more than their bytes.
const AT_ONCE: usize = 128;

/// How many messages are passed on while the peer takes nothing. A worker that stands still has
/// less to say: results up to its credit, and beats.
const AHEAD: usize = 1_024;

/// While the peer takes something, it may say one message more for so many bytes.
const BYTES_A_MESSAGE: usize = 64;

/// After so long without anything from the ROUTER the peer is taken to have caught up.
const CAUGHT_UP: Duration = Duration::from_millis(10);

/// Why a connection ended.
#[derive(Debug, Error)]
pub(super) enum End {
    /// The peer closed it.
    #[error("the peer closed it")]
    Peer,
    /// The ROUTER did.
    #[error("the dispatcher closed it")]
    Router,
    /// The peer sent what must not be passed on.
    #[error(transparent)]
    Violation(Violation),
    /// The peer took nothing for too long.
    #[error("the peer takes nothing")]
    Stalled,
    /// Another takes its place, or needs what it holds.
    #[error("the peer is silent or slow, and another takes its place")]
    Displaced,
    /// It broke off.
    #[error(transparent)]
    Broken(#[from] io::Error),
}

impl End {
    /// Whether somebody should hear of it.
    pub(super) const fn is_the_peers_fault(&self) -> bool {
        matches!(self, End::Violation(_) | End::Stalled | End::Displaced)
    }
}

/// Lets the peer in and passes bytes on until the connection ends, and the ROUTER has let it go.
/// `more` is what the peer has sent already.
pub(super) async fn relay(
    mut peer: TcpStream,
    mut router: UnixStream,
    more: Vec<u8>,
    seat: Seat,
    limits: &Limits,
    budget: &Budget,
) -> End {
    let end = {
        let (from_peer, to_peer) = peer.split();
        let (from_router, to_router) = router.split();
        let backlog = Backlog::default();
        let up = Up {
            peer: from_peer,
            router: to_router,
            traffic: Traffic::new(limits.traffic),
            seat: &seat,
            account: Account::new(budget, &seat),
            backlog: &backlog,
        };
        let down = Down {
            router: from_router,
            peer: to_peer,
            backlog: &backlog,
            stall_timeout: limits.stall_timeout,
        };
        tokio::select! {
            end = up.run(more) => end,
            end = down.run() => end,
            () = seat.told_to_leave() => End::Displaced,
        }
    };
    seat.over();
    drop(peer);
    if !matches!(end, End::Router) {
        let _ = let_go(router).await;
    }
    end
}

/// Tells the ROUTER that the peer says no more, and reads until it has closed its end.
async fn let_go(mut router: UnixStream) -> io::Result<()> {
    router.shutdown().await?;
    let mut unsent = Vec::with_capacity(PIECE);
    while router.read_buf(&mut unsent).await? > 0 {
        unsent.clear();
    }
    Ok(())
}

/// From the peer to the ROUTER.
struct Up<'a> {
    peer: tcp::ReadHalf<'a>,
    router: unix::WriteHalf<'a>,
    traffic: Traffic,
    seat: &'a Seat,
    account: Account<'a>,
    backlog: &'a Backlog,
}

impl Up<'_> {
    async fn run(mut self, more: Vec<u8>) -> End {
        match self.pass_all_on(&more).await {
            Ok(()) => End::Peer,
            Err(end) => end,
        }
    }

    /// Until the peer closes.
    async fn pass_all_on(&mut self, more: &[u8]) -> Result<(), End> {
        self.pass_on(more).await?;
        let mut piece = Vec::new();
        loop {
            if self.peer.readable().now_or_never().is_none() {
                // An idle connection holds no buffer.
                piece = Vec::new();
                self.peer.readable().await?;
            }
            piece.clear();
            piece.reserve(PIECE);
            if self.peer.read_buf(&mut piece).await? == 0 {
                return Ok(());
            }
            self.seat.busy();
            self.pass_on(&piece).await?;
            self.seat.heard();
        }
    }

    async fn pass_on(&mut self, mut bytes: &[u8]) -> Result<(), End> {
        while !bytes.is_empty() {
            let room = self.backlog.room().await;
            let scanned = self.traffic.scan(bytes, room);
            self.backlog.said(scanned.messages);
            let (harmless, rest) = bytes.split_at(scanned.harmless);
            self.account.cover(self.traffic.announced()).await;
            self.router.write_all(harmless).await?;
            if let Some(violation) = scanned.violation {
                return Err(End::Violation(violation));
            }
            bytes = rest;
        }
        Ok(())
    }
}

/// From the ROUTER to the peer.
struct Down<'a> {
    router: unix::ReadHalf<'a>,
    peer: tcp::WriteHalf<'a>,
    backlog: &'a Backlog,
    stall_timeout: Duration,
}

impl Down<'_> {
    async fn run(self) -> End {
        match self.pass_all_on().await {
            Ok(()) => End::Router,
            Err(end) => end,
        }
    }

    /// Until the ROUTER closes. The peer is told first that it is let in.
    async fn pass_all_on(mut self) -> Result<(), End> {
        self.pass_on(&zmtp::ready("ROUTER", b"")).await?;
        let mut piece = Vec::new();
        loop {
            if self.router.readable().now_or_never().is_none() {
                piece = Vec::new();
                self.readable().await?;
            }
            piece.clear();
            piece.reserve(PIECE);
            if self.router.read_buf(&mut piece).await? == 0 {
                return Ok(());
            }
            self.pass_on(&piece).await?;
        }
    }

    async fn readable(&self) -> io::Result<()> {
        if self.backlog.exists() {
            match timeout(CAUGHT_UP, self.router.readable()).await {
                Ok(readable) => return readable,
                Err(_) => self.backlog.caught_up(),
            }
        }
        self.router.readable().await
    }

    async fn pass_on(&self, mut bytes: &[u8]) -> Result<(), End> {
        while !bytes.is_empty() {
            match self.peer.try_write(bytes) {
                Ok(taken) => {
                    self.backlog.took(taken);
                    bytes = &bytes[taken..];
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.backlog.begins();
                    let writable = timeout(self.stall_timeout, self.peer.writable()).await;
                    writable.map_err(|_| End::Stalled)??;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Whether there is something that the peer has not taken, and what it may say meanwhile.
#[derive(Debug, Default)]
struct Backlog {
    exists: AtomicBool,
    /// What the peer may still say while it exists: so many times [`BYTES_A_MESSAGE`].
    room: AtomicUsize,
    grown: Notify,
}

impl Backlog {
    fn exists(&self) -> bool {
        self.exists.load(Ordering::Relaxed)
    }

    fn begins(&self) {
        if !self.exists.swap(true, Ordering::Relaxed) {
            self.room.store(AHEAD * BYTES_A_MESSAGE, Ordering::Relaxed);
        }
    }

    fn took(&self, bytes: usize) {
        if self.exists() {
            self.room.fetch_add(bytes, Ordering::Relaxed);
            self.grown.notify_one();
        }
    }

    fn caught_up(&self) {
        self.exists.store(false, Ordering::Relaxed);
        self.grown.notify_one();
    }

    /// How many messages may be passed on now; waits until it is one at least.
    async fn room(&self) -> usize {
        loop {
            if !self.exists() {
                return AT_ONCE;
            }
            match self.room.load(Ordering::Relaxed) / BYTES_A_MESSAGE {
                0 => self.grown.notified().await,
                messages => return messages.min(AT_ONCE),
            }
        }
    }

    fn said(&self, messages: usize) {
        if self.exists() {
            let cost = messages * BYTES_A_MESSAGE;
            let left = self.room.load(Ordering::Relaxed).saturating_sub(cost);
            self.room.store(left, Ordering::Relaxed);
        }
    }
}
