//! ZMQ sockets on madsim's network. What becomes of identities and messages is what
//! `mpcsfaas-transport-sim` says of the `zeromq` crate's sockets: its router table and its pipes.

use std::collections::BTreeMap;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use mpcsfaas_core::id::Session;
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_real::zmq::socket::{Endpoint, Event, Frames, Socket};
use mpcsfaas_transport_sim::Place;
use mpcsfaas_transport_sim::zmq::Flavor;
use mpcsfaas_transport_sim::zmq::pipe::{Pipe, PipeId, Pipes};
use mpcsfaas_transport_sim::zmq::router::{Routed, Router};
use thiserror::Error;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::line::{self, Line, LineReceiver, LineSender, Listener};
use crate::world::World;

/// How long a connection may take, as in the real endpoint.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// What can be wrong with a socket.
#[derive(Debug, Error)]
pub(crate) enum SocketError {
    #[error("nobody was reached in time")]
    Unreached,
    #[error("there is no such peer")]
    NoPeer,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A dispatcher's ROUTER.
#[derive(Debug)]
pub(crate) struct SimRouter {
    table: Arc<Table>,
    events: mpsc::UnboundedReceiver<Event>,
    listener: JoinHandle<()>,
}

#[derive(Debug)]
struct Table {
    state: Mutex<TableState>,
    /// A queue has room again.
    room: Notify,
}

#[derive(Debug)]
struct TableState {
    router: Router<Frames>,
    pipes: Pipes,
    peers: BTreeMap<PipeId, Peer>,
}

/// The near end of a connection.
#[derive(Debug)]
struct Peer {
    /// What is to be sent to it.
    queue: mpsc::UnboundedSender<Frames>,
    /// It is to be closed.
    over: Arc<Notify>,
}

impl SimRouter {
    pub(crate) async fn bind(world: &World, here: Place) -> Result<SimRouter, SocketError> {
        let listener = Listener::bind(world, here).await?;
        let table = Arc::new(Table {
            state: Mutex::new(TableState {
                router: Router::new(Flavor::ZeromqCrate),
                pipes: Pipes::default(),
                peers: BTreeMap::new(),
            }),
            room: Notify::new(),
        });
        let (happened, events) = mpsc::unbounded_channel();
        let shared = Arc::clone(&table);
        let listener = tokio::spawn(async move {
            while let Ok((_, line)) = listener.accept().await {
                tokio::spawn(serve_peer(line, Arc::clone(&shared), happened.clone()));
            }
        });
        Ok(SimRouter {
            table,
            events,
            listener,
        })
    }
}

/// The life of one connection.
async fn serve_peer(line: Line, table: Arc<Table>, happened: mpsc::UnboundedSender<Event>) {
    let Line {
        mut sender,
        mut receiver,
    } = line;
    let Some(greeting) = receiver.next().await else {
        return;
    };
    let identity = greeting.into_iter().next().unwrap_or_default();
    let (queue, queued) = mpsc::unbounded_channel();
    let over = Arc::new(Notify::new());
    let peer = Peer {
        queue,
        over: Arc::clone(&over),
    };
    let pipe = table.meet(&identity, peer);
    // The greeting of this side, without which the other does not take it for a connection.
    let greeted = sender.send(&vec![Bytes::new()]).await;
    let writer = tokio::spawn(write(sender, queued, pipe, Arc::clone(&table)));
    let name = identity.clone();
    let reading = async {
        while let Some(mut frames) = receiver.next().await {
            if table.hear(pipe) {
                frames.insert(0, name.clone());
                let _ = happened.send(Event::Received(frames));
            }
        }
    };
    if greeted.is_ok() {
        tokio::select! {
            biased;
            () = over.notified() => {}
            () = reading => {}
        }
    }
    writer.abort();
    table.forget(pipe);
    let _ = happened.send(Event::PeerClosed(identity));
}

async fn write(
    mut sender: LineSender,
    mut queued: mpsc::UnboundedReceiver<Frames>,
    pipe: PipeId,
    table: Arc<Table>,
) {
    while let Some(frames) = queued.recv().await {
        if sender.send(&frames).await.is_err() {
            return;
        }
        table.taken_in(pipe);
    }
}

impl Table {
    fn state(&self) -> MutexGuard<'_, TableState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn meet(&self, identity: &Bytes, peer: Peer) -> PipeId {
        let mut state = self.state();
        let TableState {
            router,
            pipes,
            peers,
        } = &mut *state;
        let pipe = pipes.insert(Pipe::new(Instant::ZERO, identity.clone()));
        peers.insert(pipe, peer);
        let replaced = router.meet(pipes, pipe);
        state.close_left_over(replaced);
        pipe
    }

    /// Something has come. Says whether it is read.
    fn hear(&self, id: PipeId) -> bool {
        let mut state = self.state();
        let TableState { router, pipes, .. } = &mut *state;
        if let Some(pipe) = pipes.get_mut(id) {
            pipe.up.push(Instant::ZERO);
        }
        router.hear(pipes, id)
    }

    fn forget(&self, id: PipeId) {
        let mut state = self.state();
        let TableState {
            router,
            pipes,
            peers,
        } = &mut *state;
        let replaced = router.forget(pipes, id);
        peers.remove(&id);
        if let Some(over) = pipes.get_mut(id) {
            (over.worker_open, over.dispatcher_open) = (false, false);
        }
        pipes.forget_if_over(id);
        state.close_left_over(replaced);
        drop(state);
        self.room.notify_waiters();
    }

    fn taken_in(&self, id: PipeId) {
        let mut state = self.state();
        if let Some(pipe) = state.pipes.get_mut(id) {
            pipe.down.take();
        }
        state.close_left_over(Some(id));
        drop(state);
        self.room.notify_waiters();
    }

    /// Sends, or says what hinders it.
    fn send(&self, identity: &Bytes, body: Frames) -> Routed<()> {
        let mut state = self.state();
        let TableState { router, pipes, .. } = &mut *state;
        let under_way = |id| pipes.get(id).map_or(0, |pipe: &Pipe| pipe.down.under_way);
        let routed = router.send(identity, body, under_way);
        state.carry_out(routed)
    }

    /// What becomes of the first message that waits, if it waits no longer.
    fn retry(&self) -> Option<Routed<()>> {
        let mut state = self.state();
        let TableState { router, pipes, .. } = &mut *state;
        let under_way = |id| pipes.get(id).map_or(0, |pipe: &Pipe| pipe.down.under_way);
        let (_, routed) = router.retry(under_way)?;
        Some(state.carry_out(routed))
    }
}

impl TableState {
    fn carry_out(&mut self, routed: Routed<Frames>) -> Routed<()> {
        match routed {
            Routed::To(id, body) => {
                if let Some(pipe) = self.pipes.get_mut(id) {
                    pipe.down.push(Instant::ZERO);
                }
                if let Some(peer) = self.peers.get(&id) {
                    let _ = peer.queue.send(body);
                }
                Routed::To(id, ())
            }
            Routed::Dropped => Routed::Dropped,
            Routed::Refused => Routed::Refused,
            Routed::Waits => Routed::Waits,
        }
    }

    /// Closes a connection whose identity another has, once nothing is to be sent on it.
    fn close_left_over(&self, id: Option<PipeId>) {
        let Some(id) = id else { return };
        if self.pipes.get(id).is_some_and(Pipe::is_left_over)
            && let Some(peer) = self.peers.get(&id)
        {
            peer.over.notify_one();
        }
    }
}

impl Socket for SimRouter {
    type Error = SocketError;

    async fn next(&mut self) -> Result<Event, SocketError> {
        Ok(self.events.recv().await.unwrap_or(Event::Closed))
    }

    async fn send(&mut self, mut frames: Frames) -> Result<(), SocketError> {
        if frames.len() < 2 {
            return Err(SocketError::NoPeer);
        }
        let identity = frames.remove(0);
        let mut routed = self.table.send(&identity, frames);
        // One socket sends one message at a time, so the one that waits is this.
        while routed == Routed::Waits {
            let mut room = pin!(self.table.room.notified());
            room.as_mut().enable();
            match self.table.retry() {
                Some(now) => routed = now,
                None => room.await,
            }
        }
        match routed {
            Routed::Refused => Err(SocketError::NoPeer),
            Routed::To(..) | Routed::Dropped | Routed::Waits => Ok(()),
        }
    }
}

impl Drop for SimRouter {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// Where a worker finds a dispatcher: usually the first that is up, counted from its own number, as
/// a balancer in front of them would spread them.
#[derive(Clone, Debug)]
pub(crate) struct SimEndpoint {
    pub(crate) world: World,
    pub(crate) worker: usize,
}

/// A worker's DEALER, which ends with its connection.
#[derive(Debug)]
pub(crate) struct SimDealer {
    sender: LineSender,
    receiver: LineReceiver,
}

impl Endpoint for SimEndpoint {
    type Socket = SimDealer;

    async fn connect(&self, identity: &str) -> Result<SimDealer, SocketError> {
        let here = Place::Worker(self.worker);
        let count = self.world.plan.shape.dispatchers.len();
        let there: Vec<Place> = (0..count)
            .map(|step| Place::Dispatcher((self.worker + step) % count))
            .collect();
        let connecting = async {
            let (dispatcher, line) = line::connect(&self.world, here, &there).await;
            self.greet(dispatcher, line, identity).await
        };
        timeout(CONNECT_LIMIT, connecting)
            .await
            .map_err(|_| SocketError::Unreached)?
    }
}

impl SimEndpoint {
    /// Tells a dispatcher who this is, and waits until it has heard.
    pub(crate) async fn greet(
        &self,
        dispatcher: Place,
        mut line: Line,
        identity: &str,
    ) -> Result<SimDealer, SocketError> {
        let greeting = vec![Bytes::copy_from_slice(identity.as_bytes())];
        line.sender.send(&greeting).await?;
        line.receiver.next().await.ok_or(SocketError::Unreached)?;
        if let Some(session) = session_of(identity) {
            let here = Place::Worker(self.worker);
            self.world.watch.connected(here, session, dispatcher);
        }
        let Line { sender, receiver } = line;
        Ok(SimDealer { sender, receiver })
    }
}

/// The session that a worker's identity names.
fn session_of(identity: &str) -> Option<Session> {
    identity.split('.').nth(1)?.parse().ok()
}

impl Socket for SimDealer {
    type Error = SocketError;

    async fn next(&mut self) -> Result<Event, SocketError> {
        Ok(match self.receiver.next().await {
            Some(frames) => Event::Received(frames),
            None => Event::Closed,
        })
    }

    async fn send(&mut self, frames: Frames) -> Result<(), SocketError> {
        Ok(self.sender.send(&frames).await?)
    }
}
