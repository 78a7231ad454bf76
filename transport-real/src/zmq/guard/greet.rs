//! Both ends' handshakes, which the guard does in the name of the other.

use std::io;
use std::path::Path;

use mpcsfaas_core::wire::zmtp::{self, GREETING, Handshake, Ready, Violation};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// How much of a peer's handshake is read at once.
const PIECE: usize = 1_024;

/// Why a peer's handshake came to nothing.
#[derive(Debug, Error)]
pub(super) enum GreetError {
    /// It is no worker.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// It broke off.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A peer that has said who it is.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) ready: Ready,
    /// What it has sent after its handshake, as far as it was read with it.
    pub(super) more: Vec<u8>,
}

/// Greets a peer and hears its greeting and READY. It has not been told READY yet.
///
/// # Errors
/// See [`GreetError`].
pub(super) async fn hear(peer: &mut TcpStream) -> Result<Guest, GreetError> {
    peer.write_all(&zmtp::greeting()).await?;
    let mut handshake = Handshake::default();
    let mut piece = [0; PIECE];
    loop {
        let length = peer.read(&mut piece).await?;
        if length == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let mut bytes = &piece[..length];
        if let Some(ready) = handshake.read(&mut bytes)? {
            let more = bytes.to_vec();
            return Ok(Guest { ready, more });
        }
    }
}

/// Connects to the ROUTER as if this were the peer, up to where messages begin.
///
/// # Errors
/// The ROUTER is gone, or the system has nothing to give.
pub(super) async fn introduce(router: &Path, ready: &Ready) -> io::Result<UnixStream> {
    let mut router = UnixStream::connect(router).await?;
    let mut opening = zmtp::greeting().to_vec();
    opening.extend(zmtp::ready(ready.socket.as_str(), &ready.identity));
    router.write_all(&opening).await?;
    // Its READY is a short command: flags, length, body.
    let mut answer = [0; GREETING + 2];
    router.read_exact(&mut answer).await?;
    let [.., length] = answer;
    let mut body = vec![0; length.into()];
    router.read_exact(&mut body).await?;
    Ok(router)
}
