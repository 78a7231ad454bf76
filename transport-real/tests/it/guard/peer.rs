//! A peer that speaks ZMTP by hand, so that it can also lie.

use std::io;
use std::net::SocketAddr;

use mpcsfaas_core::wire::zmtp::{GREETING, greeting, ready};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;

pub(super) struct TestPeer {
    pub(super) stream: TcpStream,
}

impl TestPeer {
    /// Connects and says nothing.
    pub(super) async fn connect(address: SocketAddr) -> TestPeer {
        let connected = timeout(PATIENCE, TcpStream::connect(address)).await;
        let stream = connected.expect("in time").expect("somebody listens");
        TestPeer { stream }
    }

    /// Connects as a DEALER and does the handshake; `None` if it is refused.
    pub(super) async fn join(address: SocketAddr, identity: &str) -> Option<TestPeer> {
        TestPeer::join_as(address, "DEALER", identity).await.ok()
    }

    pub(super) async fn join_as(
        address: SocketAddr,
        socket: &str,
        identity: &str,
    ) -> io::Result<TestPeer> {
        let mut peer = TestPeer::connect(address).await;
        peer.say(&greeting()).await?;
        peer.say(&ready(socket, identity.as_bytes())).await?;
        peer.hear(GREETING).await?;
        let header = peer.hear(2).await?;
        assert_eq!(header[0], 4, "a command");
        peer.hear(header[1].into()).await?;
        Ok(peer)
    }

    /// Sends bytes as they are.
    pub(super) async fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        let said = timeout(PATIENCE, self.stream.write_all(bytes)).await;
        said.expect("in time")
    }

    async fn hear(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let heard = timeout(PATIENCE, self.stream.read_exact(&mut bytes)).await;
        heard.expect("in time")?;
        Ok(bytes)
    }

    /// Sends a message of one frame.
    pub(super) async fn send(&mut self, body: &[u8]) -> io::Result<()> {
        self.say(&frame(body)).await
    }

    /// The next frame, which is short.
    pub(super) async fn receive(&mut self) -> io::Result<Vec<u8>> {
        let header = self.hear(2).await?;
        assert!(header[0] < 2, "a short frame");
        self.hear(header[1].into()).await
    }

    /// Says something and gets an answer.
    pub(super) async fn is_served(&mut self) -> bool {
        self.send(b"?").await.is_ok() && self.receive().await.is_ok()
    }

    /// Waits until the other side ends the connection.
    pub(super) async fn is_cut(&mut self) {
        let mut rest = Vec::new();
        // An end and an error are the same to a peer.
        let end = timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await;
        assert!(end.is_ok(), "the connection is still open");
    }
}

/// A frame that is the last of its message.
pub(super) fn frame(body: &[u8]) -> Vec<u8> {
    let mut frame = match u8::try_from(body.len()) {
        Ok(length) => vec![0, length],
        Err(_) => announcement(0, body.len() as u64),
    };
    frame.extend_from_slice(body);
    frame
}

/// The header of a frame that announces so many bytes.
pub(super) fn announcement(flags: u8, length: u64) -> Vec<u8> {
    let mut header = vec![flags | 2];
    header.extend_from_slice(&length.to_be_bytes());
    header
}
