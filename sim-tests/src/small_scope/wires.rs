//! Connections: made, used, cut, ended.
//!
//! What is sent stays in order. Each side changes only its own end, and puts something behind what
//! is under way to the other: so what two nodes do at the same instant comes to the same in either
//! order, which is what `reduce` lives on.

use std::collections::VecDeque;

use bytes::Bytes;
use mpcsfaas_core::dispatcher::{self, Peer};
use mpcsfaas_core::id::Session;
use mpcsfaas_core::wire::message::{FromDispatcher, FromWorker};
use mpcsfaas_core::worker;

use super::act::Act;
use super::part::Part;
use super::state::{Down, Pipe, Up};

impl Act<'_> {
    /// A worker drops its connection, if it has one, and makes another. Nobody answers yet: what it
    /// says waits at the dispatcher's place.
    pub(super) fn connect(&mut self, worker: usize, session: Session) {
        self.hang_up(worker, true);
        let node = &self.state.workers[worker];
        let Some(process) = &node.process else { return };
        let pipe = Pipe {
            worker,
            worker_life: node.life,
            session,
            identity: Bytes::from(format!("{}.{session}", process.machine.id())),
            dispatcher: (worker + node.refusals) % self.state.dispatchers.len(),
            heard_by: None,
            up: VecDeque::new(),
            down: VecDeque::new(),
            is_cut: false,
            worker_open: true,
            dispatcher_open: true,
        };
        let later = |other: &Part<Pipe>| other.age() > pipe.age();
        let place = self.state.pipes.iter().position(later);
        let place = place.unwrap_or(self.state.pipes.len());
        self.state.pipes.insert(place, Part::new(pipe));
    }

    /// A worker says something on its connection, if it has one.
    pub(super) fn send_up(&mut self, worker: usize, message: FromWorker) {
        let Some(index) = self.state.pipe_of(worker) else {
            return;
        };
        let pipe = &mut self.state.pipes[index];
        if pipe.dispatcher_open && !pipe.is_cut {
            pipe.change().up.push_back(Up::Message(message));
        }
    }

    /// A dispatcher says something to whoever has this name. It is told if nobody has.
    pub(super) fn send_down(&mut self, dispatcher: usize, peer: Peer, message: FromDispatcher) {
        let life = self.state.dispatchers[dispatcher].life;
        let its = |pipe: &&mut Part<Pipe>| {
            pipe.dispatcher == dispatcher
                && pipe.identity == peer.identity
                && pipe.heard_by == Some(life)
                && pipe.dispatcher_open
        };
        match self.state.pipes.iter_mut().find(its) {
            Some(pipe) if pipe.worker_open && !pipe.is_cut => {
                pipe.change().down.push_back(Down::Message(message));
            }
            Some(_) => {}
            None => {
                let closed = dispatcher::Input::PeerClosed { peer };
                let node = self.state.dispatchers[dispatcher].change();
                node.facts.push_back(closed);
            }
        }
    }

    /// A dispatcher reads what came first.
    pub(super) fn read_up(&mut self, index: usize) {
        let dispatcher = self.state.pipes[index].dispatcher;
        let life = self.state.dispatchers[dispatcher].life;
        let pipe = self.state.pipes[index].change();
        match pipe.up.pop_front() {
            Some(Up::Message(message)) => {
                pipe.heard_by = Some(life);
                let peer = pipe.peer();
                let input = dispatcher::Input::MessageReceived { peer, message };
                self.step_dispatcher(dispatcher, Some(input));
            }
            Some(Up::End { .. }) | None => self.end_up(index),
        }
    }

    /// A dispatcher sees that a connection is over.
    pub(super) fn end_up(&mut self, index: usize) {
        let pipe = self.state.pipes[index].change();
        pipe.dispatcher_open = false;
        pipe.up.clear();
        let (dispatcher, peer) = (pipe.dispatcher, pipe.peer());
        self.step_dispatcher(dispatcher, Some(dispatcher::Input::PeerClosed { peer }));
    }

    /// A worker reads what came first.
    pub(super) fn read_down(&mut self, index: usize) {
        let pipe = self.state.pipes[index].change();
        let (worker, session) = (pipe.worker, pipe.session);
        match pipe.down.pop_front() {
            Some(Down::Message(message)) => {
                self.step_worker(worker, Some(worker::Input::MessageReceived(message)));
            }
            Some(Down::End { refused }) => {
                pipe.worker_open = false;
                if refused {
                    self.state.workers[worker].change().refusals += 1;
                }
                let closed = worker::Input::ConnectionClosed { session };
                self.step_worker(worker, Some(closed));
            }
            None => {}
        }
    }

    /// Nobody is there, or somebody who does not know this connection.
    pub(super) fn refuse(&mut self, index: usize) {
        let pipe = self.state.pipes[index].change();
        pipe.dispatcher_open = false;
        pipe.up.clear();
        let refused = pipe.heard_by.is_none();
        if pipe.worker_open && !pipe.is_cut {
            pipe.down.push_back(Down::End { refused });
        }
    }

    /// A worker closes its end, in order or not.
    pub(super) fn hang_up(&mut self, worker: usize, in_order: bool) {
        let Some(index) = self.state.pipe_of(worker) else {
            return;
        };
        let pipe = self.state.pipes[index].change();
        pipe.worker_open = false;
        pipe.down.clear();
        if pipe.dispatcher_open && !pipe.is_cut {
            pipe.up.push_back(Up::End { in_order });
        }
    }

    /// What is under way to the worker is lost, and of what is under way to the dispatcher some tail,
    /// perhaps none. Both sides hear of it.
    pub(super) fn cut(&mut self, index: usize) {
        let pipe = self.state.pipes[index].change();
        pipe.is_cut = true;
        pipe.down.clear();
        pipe.down.push_back(Down::End { refused: false });
        if pipe.dispatcher_open {
            pipe.up.push_back(Up::End { in_order: false });
        }
    }
}

impl Pipe {
    /// Neither side has it any more.
    pub(super) fn is_over(&self) -> bool {
        !self.worker_open && !self.dispatcher_open
    }

    fn age(&self) -> (usize, u64, Session) {
        (self.worker, self.worker_life, self.session)
    }

    fn peer(&self) -> Peer {
        Peer {
            identity: self.identity.clone(),
            delimited: false,
        }
    }
}
