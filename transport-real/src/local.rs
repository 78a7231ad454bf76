//! The connection of local mode: a dispatcher and a worker in one process, without a socket.

use bytes::Bytes;
use mpcsfaas_core::dispatcher::{Input, Peer};
use mpcsfaas_core::id::Session;
use mpcsfaas_core::wire::message::FromWorker;
use mpcsfaas_core::worker;
use tokio::sync::mpsc;

use crate::dispatch::{Outgoing, OutgoingMessage};
use crate::hops::{self, Hop};
use crate::work::Dial;

/// The worker's end: makes a connection by telling the switch where to deliver.
#[derive(Debug)]
pub struct LocalDial {
    dispatcher: mpsc::Sender<Input>,
    switch: mpsc::UnboundedSender<(Peer, mpsc::Sender<worker::Input>)>,
}

/// A dispatcher's transport that knows one worker. Returns the worker's end, and where the
/// dispatcher's messages go.
pub fn connect(dispatcher: mpsc::Sender<Input>) -> (LocalDial, mpsc::UnboundedSender<Outgoing>) {
    let (switch, dialled) = mpsc::unbounded_channel();
    let (outgoing_in, outgoing) = mpsc::unbounded_channel();
    tokio::spawn(deliver(outgoing, dialled));
    (LocalDial { dispatcher, switch }, outgoing_in)
}

/// Brings the dispatcher's messages to the worker's current connection.
async fn deliver(
    mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
    mut dialled: mpsc::UnboundedReceiver<(Peer, mpsc::Sender<worker::Input>)>,
) {
    let mut current: Option<(Peer, mpsc::Sender<worker::Input>)> = None;
    loop {
        tokio::select! {
            biased;
            Some(connection) = dialled.recv() => current = Some(connection),
            message = outgoing.recv() => {
                let Some(Outgoing { peer, message }) = message else { return };
                let (Some((at, worker)), OutgoingMessage::Native(message)) = (&current, message)
                else {
                    continue;
                };
                if *at == peer {
                    hops::to_worker(Hop::Arrived, &message);
                    let _ = worker.send(worker::Input::MessageReceived(message)).await;
                }
            }
        }
    }
}

impl Dial for LocalDial {
    fn dial(
        &mut self,
        session: Session,
        inputs: mpsc::Sender<worker::Input>,
    ) -> mpsc::UnboundedSender<FromWorker> {
        let identity = Bytes::copy_from_slice(&session.to_be_bytes());
        let peer = Peer {
            identity,
            delimited: false,
        };
        let _ = self.switch.send((peer.clone(), inputs));
        let (messages_in, mut messages) = mpsc::unbounded_channel();
        let dispatcher = self.dispatcher.clone();
        tokio::spawn(async move {
            while let Some(message) = messages.recv().await {
                hops::to_dispatcher(Hop::Finished, &message);
                let input = Input::MessageReceived {
                    peer: peer.clone(),
                    message,
                };
                if dispatcher.send(input).await.is_err() {
                    return;
                }
            }
        });
        messages_in
    }
}
