//! The dispatcher's end: one ROUTER that serves DEALER peers of ours, and REQ and DEALER peers of
//! the original, on one port.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use futures_util::StreamExt;
use mpcsfaas_core::dispatcher::{Input, Peer};
use mpcsfaas_core::wire::{Arrival, decode_arrival, json, native};
use tokio::sync::mpsc;
use zeromq::{
    Endpoint, RouterSocket, Socket, SocketEvent, SocketRecv, SocketSend, ZmqError, ZmqMessage,
    ZmqResult,
};

use super::BindError;
use super::guard::{Guard, Limits};
use crate::dispatch::{Outgoing, OutgoingMessage};

/// How many peers that sent junk are remembered, so that each is logged once.
const JUNK_MEMORY: usize = 1_024;

/// A bound ROUTER.
#[derive(Debug)]
pub struct Router {
    /// The endpoint as it is, with the port that was given for port 0.
    pub endpoint: String,
    /// Where messages for workers go.
    pub outgoing: mpsc::UnboundedSender<Outgoing>,
}

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
) -> Result<Router, BindError> {
    let (socket, guard) = bind_guarded(endpoint, limits)
        .await
        .map_err(|source| BindError {
            endpoint: endpoint.to_owned(),
            source,
        })?;
    let bound = Endpoint::from_tcp_addr(guard.address());
    let (outgoing, messages) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        serve(socket, inputs, messages).await;
        drop(guard);
    });
    Ok(Router {
        endpoint: bound.to_string(),
        outgoing,
    })
}

async fn bind_guarded(endpoint: &str, limits: Limits) -> ZmqResult<(RouterSocket, Guard)> {
    let Endpoint::Tcp(host, port) = endpoint.parse()? else {
        return Err(ZmqError::Socket("workers connect over TCP"));
    };
    let mut socket = RouterSocket::new();
    let guard = Guard::bind(&mut socket, (&host.to_string(), port), limits).await?;
    Ok((socket, guard))
}

async fn serve(
    mut socket: RouterSocket,
    inputs: mpsc::Sender<Input>,
    mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
) {
    let mut events = socket.monitor();
    let (mut sender, mut receiver) = socket.split();
    let mut peers = Peers::default();
    loop {
        let input = tokio::select! {
            message = receiver.recv() => match message {
                Ok(message) => Some(peers.read(message)),
                Err(error) => {
                    tracing::warn!(%error, "receiving from a worker failed");
                    None
                }
            },
            event = events.next() => match event {
                Some(SocketEvent::Disconnected(identity)) => {
                    Some(Input::PeerClosed { peer: peers.closed(&identity) })
                }
                Some(_) => None,
                None => return,
            },
            message = outgoing.recv() => {
                let Some(Outgoing { peer, message }) = message else { return };
                let sent = sender.send(frames(&peer, &message)).await;
                // The peer is gone; the monitor says so too, or has.
                sent.is_err().then_some(Input::PeerClosed { peer })
            }
        };
        if let Some(input) = input
            && inputs.send(input).await.is_err()
        {
            return;
        }
    }
}

/// What the socket's owner remembers of its peers.
#[derive(Debug, Default)]
struct Peers {
    /// Those whose frames have a delimiter, and so must be answered with one.
    delimited: HashMap<Bytes, ()>,
    /// Those whose junk has been logged.
    junk: HashSet<Bytes>,
}

impl Peers {
    /// Reads the frames of one message: identity, a delimiter for REQ peers, body.
    fn read(&mut self, message: ZmqMessage) -> Input {
        let mut frames = message.into_vec().into_iter();
        let identity = frames.next().unwrap_or_default();
        let (delimited, body) = match (frames.next(), frames.next(), frames.next()) {
            (Some(body), None, None) => (false, Some(body)),
            (Some(delimiter), Some(body), None) if delimiter.is_empty() => (true, Some(body)),
            _ => (false, None),
        };
        if delimited {
            self.delimited.insert(identity.clone(), ());
        }
        let peer = Peer {
            identity,
            delimited,
        };
        let Some(body) = body else {
            return self.junk(peer, "an unknown number of frames");
        };
        match decode_arrival(&body) {
            Ok(Arrival::Native(message)) => Input::MessageReceived { peer, message },
            Ok(Arrival::Legacy(message)) => Input::LegacyReceived { peer, message },
            Err(error) => self.junk(peer, error),
        }
    }

    fn junk(&mut self, peer: Peer, why: impl std::fmt::Display) -> Input {
        if self.junk.len() < JUNK_MEMORY && self.junk.insert(peer.identity.clone()) {
            tracing::warn!(peer = ?peer.identity, %why, "a peer sends junk; more of it is ignored");
        }
        Input::JunkReceived { peer }
    }

    fn closed(&mut self, identity: &[u8]) -> Peer {
        let identity = Bytes::copy_from_slice(identity);
        self.junk.remove(&identity);
        let delimited = self.delimited.remove(&identity).is_some();
        Peer {
            identity,
            delimited,
        }
    }
}

fn frames(peer: &Peer, message: &OutgoingMessage) -> ZmqMessage {
    let body = match message {
        OutgoingMessage::Native(message) => native::encode(message),
        OutgoingMessage::Legacy(message) => json::encode(message, peer.delimited),
    };
    let mut frames = ZmqMessage::from(body);
    if peer.delimited {
        frames.push_front(Bytes::new());
    }
    frames.push_front(peer.identity.clone());
    frames
}
