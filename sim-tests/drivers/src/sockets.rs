//! ZMQ sockets on madsim's network. What becomes of identities and messages is what
//! `mpcsfaas-transport-sim` says of the `zeromq` crate's sockets: its router table and its pipes.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use mpcsfaas_core::id::Session;
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_real::zmq::socket::{Endpoint, Event, Frames, Socket};
use mpcsfaas_transport_sim::Place;
use mpcsfaas_transport_sim::zmq::Flavor;
use mpcsfaas_transport_sim::zmq::pipe::{Lane, Pipe, PipeId, Pipes};
use mpcsfaas_transport_sim::zmq::router::{Introduced, Routed, Router};
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
    queues: BTreeMap<PipeId, mpsc::UnboundedSender<Frames>>,
}

impl SimRouter {
    pub(crate) async fn bind(world: &World, here: Place) -> Result<SimRouter, SocketError> {
        let listener = Listener::bind(world, here).await?;
        let table = Arc::new(Table {
            state: Mutex::new(TableState {
                router: Router::new(Flavor::ZeromqCrate),
                pipes: Pipes::default(),
                queues: BTreeMap::new(),
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
    let (pipe, introduced) = table.introduce(&identity, queue);
    if introduced == Introduced::Ignored || sender.send(&vec![Bytes::new()]).await.is_err() {
        return;
    }
    let writer = tokio::spawn(write(sender, queued, pipe, Arc::clone(&table)));
    while let Some(mut frames) = receiver.next().await {
        frames.insert(0, identity.clone());
        let _ = happened.send(Event::Received(frames));
    }
    writer.abort();
    table.forget(&identity, pipe);
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

    fn introduce(
        &self,
        identity: &Bytes,
        queue: mpsc::UnboundedSender<Frames>,
    ) -> (PipeId, Introduced) {
        let mut state = self.state();
        let lane = Lane::new(Instant::ZERO);
        let pipe = state.pipes.insert(Pipe {
            identity: identity.clone(),
            lock_step: false,
            worker: 0,
            worker_life: 0,
            session: 0,
            dispatcher: 0,
            dispatcher_life: 0,
            up: lane,
            down: lane,
            known: true,
            worker_open: true,
            dispatcher_open: true,
        });
        state.queues.insert(pipe, queue);
        (pipe, state.router.introduce(identity, pipe))
    }

    fn forget(&self, identity: &Bytes, pipe: PipeId) {
        let mut state = self.state();
        state.queues.remove(&pipe);
        state.router.forget(identity, pipe);
        if let Some(over) = state.pipes.get_mut(pipe) {
            (over.worker_open, over.dispatcher_open) = (false, false);
        }
        state.pipes.forget_if_over(pipe);
        drop(state);
        self.room.notify_waiters();
    }

    fn taken_in(&self, pipe: PipeId) {
        if let Some(pipe) = self.state().pipes.get_mut(pipe) {
            pipe.down.under_way -= 1;
        }
        self.room.notify_waiters();
    }

    /// Sends, or says what hinders it. What waits is taken back at the next room.
    fn send(&self, identity: &Bytes, body: Frames) -> Routed<()> {
        let mut state = self.state();
        let TableState { router, pipes, .. } = &mut *state;
        let under_way = |id| pipes.get(id).map_or(0, |pipe: &Pipe| pipe.down.under_way);
        match router.send(identity, body, under_way) {
            Routed::To(pipe, body) => {
                state.queue(pipe, body);
                Routed::To(pipe, ())
            }
            Routed::Dropped => Routed::Dropped,
            Routed::Refused => Routed::Refused,
            Routed::Waits => Routed::Waits,
        }
    }

    /// Sends what has waited, as far as there is room. Whether nothing waits any more.
    fn flush(&self) -> bool {
        let mut state = self.state();
        let TableState { router, pipes, .. } = &mut *state;
        let under_way = |id| pipes.get(id).map_or(0, |pipe: &Pipe| pipe.down.under_way);
        match router.next_waiting(under_way) {
            Some((identity, body)) => {
                drop(state);
                self.send(&identity, body);
                true
            }
            None => false,
        }
    }
}

impl TableState {
    fn queue(&mut self, pipe: PipeId, body: Frames) {
        if let Some(pipe) = self.pipes.get_mut(pipe) {
            pipe.down.push(Instant::ZERO);
        }
        if let Some(queue) = self.queues.get(&pipe) {
            let _ = queue.send(body);
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
        match self.table.send(&identity, frames) {
            Routed::To(..) | Routed::Dropped => Ok(()),
            Routed::Refused => Err(SocketError::NoPeer),
            Routed::Waits => {
                let mut room = Box::pin(self.table.room.notified());
                while !self.table.flush() {
                    room.await;
                    room = Box::pin(self.table.room.notified());
                }
                Ok(())
            }
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
    identity.rsplit_once('.')?.1.parse().ok()
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
