//! Hostile peers at a dispatcher's port: what each does without the guard, and that with it nobody
//! else notices.

mod flood;
mod frames;
mod identity;
mod peer;
mod reading;
mod without;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use mpcsfaas_core::dispatcher::{Input, Peer};
use mpcsfaas_core::wire::message::{FromDispatcher, ToWorker};
use mpcsfaas_transport_real::dispatch::{Outgoing, OutgoingMessage};
use mpcsfaas_transport_real::drive::INPUT_BACKLOG;
use mpcsfaas_transport_real::zmq::guard::Limits;
use mpcsfaas_transport_real::zmq::tcp;
use tokio::sync::mpsc;

use self::peer::TestPeer;
use crate::wait::wait_for;

/// How long anything may take that is to happen at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// Limits that tests reach soon.
fn limits() -> Limits {
    Limits {
        handshake_timeout: Duration::from_millis(500),
        stall_timeout: Duration::from_millis(500),
        silence: Duration::from_millis(500),
        ..Limits::default()
    }
}

/// A guarded ROUTER behind which somebody answers whatever is said, with `SayHello`.
struct Guarded {
    address: SocketAddr,
    outgoing: mpsc::UnboundedSender<Outgoing>,
    seen: Arc<Mutex<Seen>>,
}

/// What the one behind the guard has been told.
#[derive(Default)]
struct Seen {
    said: Vec<Bytes>,
    closed: Vec<Bytes>,
}

impl Guarded {
    async fn start(limits: Limits) -> Guarded {
        let (inputs_in, mut inputs) = mpsc::channel(INPUT_BACKLOG);
        let bound = tcp::bind("tcp://127.0.0.1:0", limits, inputs_in).await;
        let router = bound.expect("a port is free");
        let address = router.endpoint.trim_start_matches("tcp://");
        let guarded = Guarded {
            address: address.parse().expect("an address"),
            outgoing: router.outgoing,
            seen: Arc::default(),
        };
        let (outgoing, seen) = (guarded.outgoing.clone(), Arc::clone(&guarded.seen));
        tokio::spawn(async move {
            while let Some(input) = inputs.recv().await {
                let mut seen = seen.lock().expect("no panic");
                match input {
                    Input::JunkReceived { peer } => {
                        seen.said.push(peer.identity.clone());
                        outgoing.send(answer(peer)).expect("the ROUTER lives");
                    }
                    Input::PeerClosed { peer } => seen.closed.push(peer.identity),
                    other => panic!("nobody here says {other:?}"),
                }
            }
        });
        guarded
    }

    async fn peer(&self, identity: &str) -> TestPeer {
        let joined = TestPeer::join(self.address, identity).await;
        joined.unwrap_or_else(|| panic!("{identity} is let in"))
    }

    /// How many messages of this peer have arrived.
    fn said(&self, identity: &str) -> usize {
        let seen = self.seen.lock().expect("no panic");
        seen.said.iter().filter(|who| *who == identity).count()
    }

    /// How many connections of this identity are known to have ended.
    fn ends_of(&self, identity: &str) -> usize {
        let seen = self.seen.lock().expect("no panic");
        seen.closed.iter().filter(|who| *who == identity).count()
    }

    fn has_closed(&self, identity: &str) -> bool {
        self.ends_of(identity) > 0
    }

    async fn hears_of_the_end_of(&self, identity: &str) {
        let ended = || self.has_closed(identity).then_some(());
        wait_for("the end of the connection is told", PATIENCE, ended).await;
    }
}

fn answer(peer: Peer) -> Outgoing {
    let message = FromDispatcher {
        session: 0,
        number: 0,
        body: ToWorker::SayHello,
    };
    Outgoing {
        peer,
        message: OutgoingMessage::Native(message),
    }
}
