//! Sockets of the `zeromq` crate.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt};
use mpcsfaas_core::dispatcher::Input;
use tokio::sync::mpsc;
use zeromq::{
    DealerRecvHalf, DealerSendHalf, DealerSocket, RouterRecvHalf, RouterSendHalf, RouterSocket,
    Socket as _, SocketEvent, SocketOptions, SocketRecv, SocketSend, ZmqError, ZmqMessage,
    ZmqResult,
};

use super::guard::{Guard, Limits};
use super::socket::{Endpoint, Event, Frames, Socket};
use super::{BindError, router};

/// How long a connection may take. The machine gives up by itself when it hears nothing; this only
/// ends the attempt.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// Binds `endpoint` (such as `tcp://127.0.0.1:5555`) behind a guard and starts the task that owns the
/// socket. It puts what workers say into `inputs`, and ends when the outgoing side or the inputs are
/// closed.
///
/// # Errors
/// The endpoint is no TCP one, or cannot be bound.
pub async fn bind(
    endpoint: &str,
    limits: Limits,
    inputs: mpsc::Sender<Input>,
) -> Result<router::Router, BindError> {
    let (socket, guard) = bind_guarded(endpoint, limits)
        .await
        .map_err(|source| BindError {
            endpoint: endpoint.to_owned(),
            source,
        })?;
    let bound = zeromq::Endpoint::from_tcp_addr(guard.address()).to_string();
    Ok(router::own(Router::new(socket), guard, bound, inputs))
}

/// The same without a guard, to measure what that costs. Whoever connects can end the socket, block it
/// or make it grow.
///
/// # Errors
/// The endpoint cannot be bound.
pub async fn bind_bare(
    endpoint: &str,
    inputs: mpsc::Sender<Input>,
) -> Result<router::Router, BindError> {
    let mut socket = RouterSocket::new();
    let bound = socket.bind(endpoint).await.map_err(|source| BindError {
        endpoint: endpoint.to_owned(),
        source,
    })?;
    Ok(router::own(
        Router::new(socket),
        (),
        bound.to_string(),
        inputs,
    ))
}

async fn bind_guarded(endpoint: &str, limits: Limits) -> ZmqResult<(RouterSocket, Guard)> {
    let zeromq::Endpoint::Tcp(host, port) = endpoint.parse()? else {
        return Err(ZmqError::Socket("workers connect over TCP"));
    };
    let mut socket = RouterSocket::new();
    let guard = Guard::bind(&mut socket, (&host.to_string(), port), limits).await?;
    Ok((socket, guard))
}

/// A socket of the crate in its parts.
pub struct Parts<S, R> {
    sender: S,
    receiver: R,
    events: BoxStream<'static, SocketEvent>,
}

/// A dispatcher's ROUTER.
pub(super) type Router = Parts<RouterSendHalf, RouterRecvHalf>;

/// A worker's DEALER.
pub type Dealer = Parts<DealerSendHalf, DealerRecvHalf>;

impl Router {
    pub(super) fn new(mut socket: RouterSocket) -> Router {
        let events = socket.monitor().boxed();
        let (sender, receiver) = socket.split();
        Parts {
            sender,
            receiver,
            events,
        }
    }
}

impl<S, R> Socket for Parts<S, R>
where
    S: SocketSend + Send + 'static,
    R: SocketRecv + Send + 'static,
{
    type Error = ZmqError;

    async fn next(&mut self) -> ZmqResult<Event> {
        loop {
            tokio::select! {
                message = self.receiver.recv() => return Ok(Event::Received(message?.into_vec())),
                event = self.events.next() => match event {
                    Some(SocketEvent::Disconnected(identity)) => {
                        return Ok(Event::PeerClosed(Bytes::copy_from_slice(&identity)));
                    }
                    Some(_) => {}
                    None => return Ok(Event::Closed),
                },
            }
        }
    }

    async fn send(&mut self, frames: Frames) -> ZmqResult<()> {
        let message = ZmqMessage::try_from(frames)
            .map_err(|_| ZmqError::Socket("a message without frames"))?;
        self.sender.send(message).await
    }
}

/// An address such as `tcp://localhost:5555`.
#[derive(Clone, Debug)]
pub struct Address(pub String);

impl Endpoint for Address {
    type Socket = Dealer;

    async fn connect(&self, identity: &str) -> ZmqResult<Dealer> {
        let mut options = SocketOptions::default();
        options
            .peer_identity(identity.parse()?)
            .connect_timeout(CONNECT_LIMIT);
        let mut socket = DealerSocket::with_options(options);
        let events = socket.monitor().boxed();
        socket.connect(&self.0).await?;
        let (sender, receiver) = socket.split();
        Ok(Parts {
            sender,
            receiver,
            events,
        })
    }
}
