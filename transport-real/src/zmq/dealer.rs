//! The worker's end: one DEALER for each session, under an identity of its own.

use mpcsfaas_core::id::{Session, WorkerId};
use mpcsfaas_core::timing::FRAME_LIMIT;
use mpcsfaas_core::wire::message::FromWorker;
use mpcsfaas_core::wire::native;
use mpcsfaas_core::worker::Input;
use rand::Rng;
use rand::rngs::StdRng;
use tokio::sync::mpsc;

use super::socket::{Endpoint, Event, Frames, Socket};
use crate::hops::{self, Hop};
use crate::work::Dial;

/// Dials a dispatcher's ROUTER.
#[derive(Clone, Debug)]
pub struct DealerDial<E> {
    worker: WorkerId,
    endpoint: E,
    names: StdRng,
}

impl<E> DealerDial<E> {
    /// Dials `endpoint` as this worker. A part of each connection's identity comes from `names`:
    /// nobody can be there first under a name that nobody can guess.
    pub fn new(worker: WorkerId, endpoint: E, names: StdRng) -> DealerDial<E> {
        DealerDial {
            worker,
            endpoint,
            names,
        }
    }
}

impl<E: Endpoint> Dial for DealerDial<E> {
    fn dial(
        &mut self,
        session: Session,
        inputs: mpsc::Sender<Input>,
    ) -> mpsc::UnboundedSender<FromWorker> {
        let (messages, outgoing) = mpsc::unbounded_channel();
        let name: u64 = self.names.random();
        let identity = format!("{}.{session}.{name:016x}", self.worker);
        let endpoint = self.endpoint.clone();
        tokio::spawn(async move {
            match endpoint.connect(&identity).await {
                Ok(socket) => serve(socket, &inputs, outgoing).await,
                Err(error) => tracing::debug!(%error, session, "no connection to a dispatcher"),
            }
            let _ = inputs.send(Input::ConnectionClosed { session }).await;
        });
        messages
    }
}

/// Owns the socket of one session until either side ends it.
async fn serve(
    mut socket: impl Socket,
    inputs: &mpsc::Sender<Input>,
    mut outgoing: mpsc::UnboundedReceiver<FromWorker>,
) {
    loop {
        tokio::select! {
            // What goes out is bounded by what the machine makes of what comes in.
            biased;
            message = outgoing.recv() => {
                let Some(message) = message else { return };
                if let Err(error) = socket.send(vec![native::encode(&message).into()]).await {
                    return tracing::debug!(%error, "the connection is of no use any more");
                }
            }
            event = socket.next() => match event {
                Ok(Event::Received(frames)) => {
                    if let Some(input) = read(&frames)
                        && inputs.send(input).await.is_err()
                    {
                        return;
                    }
                }
                Ok(Event::PeerClosed(_) | Event::Closed) => {
                    return tracing::debug!("the dispatcher closed the connection");
                }
                Err(error) => return tracing::debug!(%error, "the connection broke"),
            },
        }
    }
}

fn read(frames: &Frames) -> Option<Input> {
    let body = frames.first().filter(|body| body.len() <= FRAME_LIMIT)?;
    match native::decode(body) {
        Ok(message) => {
            hops::to_worker(Hop::Arrived, &message);
            Some(Input::MessageReceived(message))
        }
        Err(error) => {
            tracing::warn!(%error, "the dispatcher sent what is no message");
            None
        }
    }
}
