//! Connections between workers and dispatchers: in order while they last, lost when they end.

use std::time::Duration;

use bytes::Bytes;
use mpcsfaas_core::dispatcher::{self, Peer};
use mpcsfaas_core::id::Session;
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::{FromDispatcher, FromWorker};
use mpcsfaas_core::worker;

use crate::world::{Event, Place, World};

/// Names a connection. Never used twice.
pub(crate) type ConnectionId = u64;

/// A worker's connection to a dispatcher.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    worker: usize,
    worker_life: u64,
    session: Session,
    dispatcher: usize,
    dispatcher_life: u64,
    /// What is sent on it after it ended is lost.
    open: bool,
    /// What was sent upward before it ended may still arrive.
    lost_up: bool,
    /// When the last message of each direction arrives: the next cannot overtake it.
    up: Instant,
    down: Instant,
}

impl World {
    pub(crate) fn connect(&mut self, worker: usize, session: Session) {
        if let Some(old) = self.current[worker].take() {
            self.end(old, Place::Worker(worker));
        }
        let up: Vec<usize> = (0..self.dispatchers.len())
            .filter(|index| self.dispatchers[*index].machine.is_some())
            .collect();
        let worker_life = self.workers[worker].life;
        if up.is_empty() {
            let input = worker::Input::ConnectionClosed { session };
            let after = self.delay();
            return self.schedule(after, Event::ToWorker(worker, worker_life, input));
        }
        let dispatcher = up[self.links_rng.below(up.len())];
        let id = self.next_connection;
        self.next_connection += 1;
        let connection = Connection {
            worker,
            worker_life,
            session,
            dispatcher,
            dispatcher_life: self.dispatchers[dispatcher].life,
            open: true,
            lost_up: false,
            up: self.now,
            down: self.now,
        };
        self.connections.insert(id, connection);
        self.current[worker] = Some(id);
    }

    pub(crate) fn send_up(&mut self, worker: usize, message: FromWorker) {
        let Some(id) = self.current[worker] else {
            return;
        };
        if self.loses_message() {
            return self.note(|| format!("  LOST {message:?}"));
        }
        let delay = self.delay();
        let Some(connection) = self.connections.get_mut(&id).filter(|c| c.open) else {
            return;
        };
        connection.up = connection.up.max(self.now + delay);
        let at = connection.up;
        let input = dispatcher::Input::MessageReceived {
            peer: peer(id),
            message,
        };
        self.heap.push(at, Event::Upward(id, input));
    }

    pub(crate) fn send_down(&mut self, dispatcher: usize, to: &Peer, message: FromDispatcher) {
        let Some(id) = connection_of(to) else { return };
        if self.loses_message() {
            return self.note(|| format!("  LOST {message:?}"));
        }
        let delay = self.delay();
        let life = self.dispatchers[dispatcher].life;
        let mine =
            |c: &&mut Connection| c.open && c.dispatcher == dispatcher && c.dispatcher_life == life;
        // A send to a peer that is gone is no error: ROUTER drops it.
        let Some(connection) = self.connections.get_mut(&id).filter(mine) else {
            return;
        };
        connection.down = connection.down.max(self.now + delay);
        let at = connection.down;
        self.heap.push(
            at,
            Event::Downward(id, worker::Input::MessageReceived(message)),
        );
    }

    pub(crate) fn arrive_up(&mut self, id: ConnectionId, input: dispatcher::Input) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        if !connection.lost_up {
            let (index, life) = (connection.dispatcher, connection.dispatcher_life);
            self.tell_dispatcher(index, life, input);
        }
    }

    pub(crate) fn arrive_down(&mut self, id: ConnectionId, input: worker::Input) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        if connection.open {
            let (index, life) = (connection.worker, connection.worker_life);
            self.tell_worker(index, life, input);
        }
    }

    /// Cuts a worker's connection: both ends may hear of it, or not.
    pub(crate) fn cut(&mut self, worker: usize) {
        let Some(id) = self.current[worker] else {
            return;
        };
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.open = false;
        connection.lost_up = true;
        self.announce_end(id, Place::Worker(worker));
        self.announce_end(id, Place::Dispatcher(0));
    }

    /// Lets a connection deliver nothing for a while.
    pub(crate) fn clog(&mut self, worker: usize, time: Duration) {
        let until = self.now + time;
        let Some(id) = self.current[worker] else {
            return;
        };
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.up = connection.up.max(until);
            connection.down = connection.down.max(until);
        }
    }

    /// Ends every connection of a node that is gone.
    pub(crate) fn sever(&mut self, place: Place) {
        let of_place = |c: &Connection| match place {
            Place::Worker(index) => c.worker == index,
            Place::Dispatcher(index) => c.dispatcher == index,
        };
        let ended: Vec<ConnectionId> = self
            .connections
            .iter()
            .filter(|(_, c)| c.open && of_place(c))
            .map(|(id, _)| *id)
            .collect();
        for id in ended {
            self.end(id, place);
        }
        if let Place::Worker(index) = place {
            self.current[index] = None;
        }
    }

    /// Ends a connection from one side. What the worker sent before may still arrive.
    fn end(&mut self, id: ConnectionId, by: Place) {
        let lost = self.links_rng.per_mille(500);
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.open = false;
        connection.lost_up = lost;
        match by {
            Place::Worker(_) => self.announce_end(id, Place::Dispatcher(0)),
            Place::Dispatcher(_) => self.announce_end(id, Place::Worker(0)),
        }
    }

    /// Tells one end that the connection is over, unless that goes unnoticed.
    fn announce_end(&mut self, id: ConnectionId, to: Place) {
        let silent = self.links_rng.per_mille(self.knobs.silent_closes);
        if silent && !self.healed {
            return;
        }
        let after = self.delay();
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        let at = (self.now + after).max(connection.up);
        let event = match to {
            Place::Dispatcher(_) => Event::ToDispatcher(
                connection.dispatcher,
                connection.dispatcher_life,
                dispatcher::Input::PeerClosed { peer: peer(id) },
            ),
            Place::Worker(_) => Event::ToWorker(
                connection.worker,
                connection.worker_life,
                worker::Input::ConnectionClosed {
                    session: connection.session,
                },
            ),
        };
        self.heap.push(at, event);
    }

    fn loses_message(&mut self) -> bool {
        !self.healed && self.links_rng.per_mille(self.knobs.lost_messages)
    }

    pub(crate) fn delay(&mut self) -> Duration {
        self.links_rng
            .between(Duration::from_micros(50), self.knobs.latency)
    }
}

fn peer(id: ConnectionId) -> Peer {
    Peer {
        identity: Bytes::copy_from_slice(&id.to_be_bytes()),
        delimited: false,
    }
}

fn connection_of(peer: &Peer) -> Option<ConnectionId> {
    peer.identity
        .as_ref()
        .try_into()
        .ok()
        .map(u64::from_be_bytes)
}
