//! Runs a dispatcher machine over a store and a channel of workers.

use std::ops::ControlFlow;

use mpcsfaas_core::dispatcher::{Input, Output, Peer};
use mpcsfaas_core::machine::Machine;
use mpcsfaas_core::store::{Notice, Op, RequestId};
use mpcsfaas_core::wire::json;
use mpcsfaas_core::wire::message::FromDispatcher;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::drive::drive;
use crate::hops::{self, Hop};
use crate::store::{Link, StoreHandle};

/// A message for a worker, on its way to the transport.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outgoing {
    /// To whom.
    pub peer: Peer,
    /// What.
    pub message: OutgoingMessage,
}

/// A message in one of the two formats.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OutgoingMessage {
    /// For one of our workers.
    Native(FromDispatcher),
    /// For one of the original's.
    Legacy(json::ToWorker),
}

/// Runs a dispatcher, whose time is that of `clock`, until it has drained.
///
/// `inputs` is where the transport puts what workers say; a `DrainRequested` in it begins the end.
/// `outgoing` is what the dispatcher says to workers. Its length is bounded by the protocol: runs
/// by credit, acknowledgements by runs, beats by the silence that ends a session.
pub async fn run(
    dispatcher: impl Machine<Input = Input, Output = Output>,
    clock: Clock,
    store: StoreHandle,
    (inputs_in, inputs): (mpsc::Sender<Input>, mpsc::Receiver<Input>),
    outgoing: mpsc::UnboundedSender<Outgoing>,
) {
    let listeners = [
        tokio::spawn(watch_link(store.clone(), inputs_in.clone())),
        tokio::spawn(hear_doorbell(store.clone(), inputs_in.clone())),
    ];
    drive(dispatcher, clock, inputs, |output| {
        match output {
            Output::Send { peer, message } => {
                hops::to_worker(Hop::Sent, &message);
                let message = OutgoingMessage::Native(message);
                let _ = outgoing.send(Outgoing { peer, message });
            }
            Output::SendLegacy { peer, message } => {
                let message = OutgoingMessage::Legacy(message);
                let _ = outgoing.send(Outgoing { peer, message });
            }
            Output::Store { request, op } => {
                tokio::spawn(ask(store.clone(), request, op, inputs_in.clone()));
            }
            Output::Exit => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    })
    .await;
    for listener in listeners {
        listener.abort();
    }
}

async fn ask(store: StoreHandle, request: RequestId, op: Op, inputs: mpsc::Sender<Input>) {
    let input = match store.call(op).await {
        Ok(reply) => Input::StoreReplied { request, reply },
        Err(away) => {
            tracing::debug!(%away, "a store request failed");
            Input::StoreFailed { request }
        }
    };
    let _ = inputs.send(input).await;
}

/// Tells the machine of each change of the store's link.
async fn watch_link(store: StoreHandle, inputs: mpsc::Sender<Input>) {
    let mut link = store.link();
    let mut was_up = false;
    loop {
        let up = *link.borrow_and_update() == Link::Up;
        if up != was_up {
            was_up = up;
            let input = if up {
                Input::StoreConnected
            } else {
                Input::StoreDisconnected
            };
            if inputs.send(input).await.is_err() {
                return;
            }
        }
        if link.changed().await.is_err() {
            return;
        }
    }
}

/// Tells the machine that tasks wait, and which were claimed ahead.
async fn hear_doorbell(store: StoreHandle, inputs: mpsc::Sender<Input>) {
    let mut notices = store.notices();
    loop {
        let heard = match notices.recv().await {
            Ok(Notice::Claimed(ahead)) => {
                hops::claimed_ahead(&ahead.tasks);
                Input::ClaimedAhead(ahead)
            }
            // What was missed may have been a doorbell.
            Ok(Notice::Queued) | Err(RecvError::Lagged(_)) => Input::DoorbellRang,
            Ok(Notice::Ended(_)) => continue,
            Err(RecvError::Closed) => return,
        };
        if inputs.send(heard).await.is_err() {
            return;
        }
    }
}
