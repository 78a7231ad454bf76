//! The dispatcher's end: one ROUTER that serves DEALER peers of ours, and REQ and DEALER peers of
//! the original, on one port.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use mpcsfaas_core::dispatcher::{Input, Peer};
use mpcsfaas_core::wire::{Arrival, decode_arrival, json, native};
use tokio::sync::mpsc;

use super::socket::{Event, Frames, Socket};
use crate::dispatch::{Outgoing, OutgoingMessage};
use crate::hops::{self, Hop};

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

/// Starts the task that owns a bound ROUTER. It puts what workers say into `inputs`, and ends when the
/// outgoing side or the inputs are closed; then it drops `guard`.
pub fn own(
    socket: impl Socket,
    guard: impl Send + 'static,
    endpoint: String,
    inputs: mpsc::Sender<Input>,
) -> Router {
    let (outgoing, messages) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        serve(socket, inputs, messages).await;
        drop(guard);
    });
    Router { endpoint, outgoing }
}

async fn serve(
    mut socket: impl Socket,
    inputs: mpsc::Sender<Input>,
    mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
) {
    let mut peers = Peers::default();
    loop {
        let input = tokio::select! {
            // What goes out is bounded by what the machine makes of what comes in.
            biased;
            message = outgoing.recv() => {
                let Some(Outgoing { peer, message }) = message else { return };
                let sent = socket.send(frames(&peer, &message)).await;
                // The peer is gone; the socket says so too, or has.
                sent.is_err().then_some(Input::PeerClosed { peer })
            }
            event = socket.next() => match event {
                Ok(Event::Received(frames)) => Some(peers.read(frames)),
                Ok(Event::PeerClosed(identity)) => {
                    Some(Input::PeerClosed { peer: peers.closed(identity) })
                }
                Ok(Event::Closed) => return,
                Err(error) => {
                    tracing::warn!(%error, "receiving from a worker failed");
                    None
                }
            },
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
    fn read(&mut self, message: Frames) -> Input {
        let mut frames = message.into_iter();
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
            Ok(Arrival::Native(message)) => {
                hops::to_dispatcher(Hop::Finished, &message);
                Input::MessageReceived { peer, message }
            }
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

    fn closed(&mut self, identity: Bytes) -> Peer {
        self.junk.remove(&identity);
        let delimited = self.delimited.remove(&identity).is_some();
        Peer {
            identity,
            delimited,
        }
    }
}

fn frames(peer: &Peer, message: &OutgoingMessage) -> Frames {
    let body = match message {
        OutgoingMessage::Native(message) => native::encode(message),
        OutgoingMessage::Legacy(message) => json::encode(message, peer.delimited),
    };
    let mut frames = Vec::with_capacity(3);
    frames.push(peer.identity.clone());
    if peer.delimited {
        frames.push(Bytes::new());
    }
    frames.push(body.into());
    frames
}
