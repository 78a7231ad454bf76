//! Connections between workers and dispatchers: made, used, clogged, cut, ended.

use std::time::Duration;

use bytes::Bytes;
use mpcsfaas_core::dispatcher::{self, Peer};
use mpcsfaas_core::id::Session;
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::ToWorker;
use mpcsfaas_core::wire::{Arrival, decode_arrival};
use mpcsfaas_core::worker;

use crate::event::{Body, Event};
use crate::guest::Fact;
use crate::guests::RECONNECT;
use crate::history::What;
use crate::node::Process;
use crate::place::Place;
use crate::plan::{Bend, Occasion, Way};
use crate::world::World;
use crate::zmq::Flavor;
use crate::zmq::dealer::{Dealer, Sent};
use crate::zmq::pipe::{Pipe, PipeId};
use crate::zmq::router::Routed;

/// Nothing passes between a worker and a dispatcher for a while.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Partition {
    pub(crate) worker: usize,
    pub(crate) dispatcher: usize,
    pub(crate) way: Way,
    pub(crate) until: Instant,
}

impl World {
    /// One of our workers drops its connection and makes another.
    pub(crate) fn connect(&mut self, worker: usize, session: Session) {
        if let Some(old) = self.workers[worker].pipe.take() {
            self.hang_up(old);
        }
        let Some(machine) = self.worker(worker) else {
            return;
        };
        let identity = Bytes::from(format!("{}.{session}", machine.id()));
        self.workers[worker].dealer = Some(Dealer::new(Flavor::ZeromqCrate, identity, false));
        match self.dial(worker) {
            Some(dispatcher) => self.join(worker, dispatcher, session),
            None => {
                let life = self.workers[worker].node.life;
                let input = worker::Input::ConnectionClosed { session };
                self.schedule(self.latency(), Event::ToWorker(worker, life, input));
            }
        }
    }

    /// The dispatcher that a worker reaches now: usually the first that is up, counted from its
    /// own number, as a balancer in front of them would spread them.
    pub(crate) fn dial(&mut self, worker: usize) -> Option<usize> {
        let count = self.dispatchers.len();
        let up = |world: &World, index: usize| world.dispatchers[index].router.is_some();
        let usual = (0..count)
            .map(|step| (worker + step) % count)
            .find(|index| up(self, *index))?;
        match self.bend(Occasion::Dial(worker)) {
            Some(Bend::To(index)) if index < count && up(self, index) => Some(index),
            Some(_) | None => Some(usual),
        }
    }

    /// A worker's socket gets a connection to a dispatcher: what has waited in it goes out.
    pub(crate) fn join(&mut self, worker: usize, dispatcher: usize, session: Session) {
        let met = self.arrival(worker, dispatcher, Way::Up, None);
        let seat = &mut self.workers[worker];
        let Some(dealer) = &mut seat.dealer else {
            return;
        };
        let mut pipe = Pipe {
            lock_step: dealer.lock_step,
            worker,
            worker_life: seat.node.life,
            session,
            dispatcher,
            dispatcher_life: self.dispatchers[dispatcher].node.life,
            ..Pipe::new(self.now, dealer.identity.clone())
        };
        // What is said on it comes after it is made.
        pipe.up.last = met;
        let pipe = self.pipes.insert(pipe);
        seat.pipe = Some(pipe);
        let waited: Vec<Body> = dealer.connected(pipe).collect();
        self.heap.push(met, Event::Met { pipe, dispatcher });
        for body in waited {
            self.send_up_on(pipe, body);
        }
    }

    /// A dispatcher's socket has a connection.
    pub(crate) fn meet(&mut self, id: PipeId, dispatcher: usize) {
        if let Some(router) = &mut self.dispatchers[dispatcher].router {
            let over = router.meet(&mut self.pipes, id);
            self.close_left_over(over);
        }
    }

    /// A dispatcher's socket closes a connection that has lost its identity, unless it still has
    /// something to send on it.
    fn close_left_over(&mut self, id: Option<PipeId>) {
        let pipe = id.and_then(|id| Some((id, self.pipes.get_mut(id)?)));
        if let Some((id, pipe)) = pipe.filter(|(_, pipe)| pipe.is_left_over()) {
            pipe.dispatcher_open = false;
            self.announce_below(id);
        }
    }

    /// A worker says something.
    pub(crate) fn send_up(&mut self, worker: usize, body: Body) {
        let pipes = &self.pipes;
        let under_way = |id| pipes.get(id).map_or(0, |pipe: &Pipe| pipe.up.under_way);
        let Some(dealer) = &mut self.workers[worker].dealer else {
            return;
        };
        if let Sent::On(pipe, body) = dealer.send(body, under_way) {
            self.send_up_on(pipe, body);
        }
    }

    fn send_up_on(&mut self, id: PipeId, body: Body) {
        let Some(pipe) = self.pipes.get(id).filter(|pipe| pipe.worker_open) else {
            return;
        };
        let (worker, dispatcher) = (pipe.worker, pipe.dispatcher);
        let bend = self.bend(Occasion::Up(worker));
        if bend == Some(Bend::Lost) {
            return self.tell_loss(Place::Worker(worker), Place::Dispatcher(dispatcher), &body);
        }
        let at = self.arrival(worker, dispatcher, Way::Up, bend);
        let Some(pipe) = self.pipes.get_mut(id) else {
            return;
        };
        let at = pipe.up.push(at);
        let event = Event::Up {
            pipe: id,
            dispatcher,
            life: pipe.dispatcher_life,
            peer: Peer {
                identity: pipe.identity.clone(),
                delimited: pipe.lock_step,
            },
            body,
            copy: false,
        };
        self.watch
            .messages(Place::Dispatcher(dispatcher), pipe.up.under_way);
        self.send_event(at, event, bend);
    }

    /// A dispatcher says something to whoever has this identity.
    pub(crate) fn send_down(&mut self, dispatcher: usize, identity: &Bytes, body: Body) {
        let pipes = &self.pipes;
        let under_way = |id| pipes.get(id).map_or(0, |pipe: &Pipe| pipe.down.under_way);
        let Some(router) = &mut self.dispatchers[dispatcher].router else {
            return;
        };
        let routed = router.send(identity, body, under_way);
        self.obey_router(dispatcher, identity, routed);
    }

    fn obey_router(&mut self, dispatcher: usize, identity: &Bytes, routed: Routed<Body>) {
        match routed {
            Routed::To(id, body) => self.send_down_on(id, body),
            Routed::Dropped | Routed::Waits => {}
            Routed::Refused => {
                let life = self.dispatchers[dispatcher].node.life;
                let peer = Peer {
                    identity: identity.clone(),
                    delimited: false,
                };
                let input = dispatcher::Input::PeerClosed { peer };
                self.schedule(Duration::ZERO, Event::ToDispatcher(dispatcher, life, input));
            }
        }
    }

    fn send_down_on(&mut self, id: PipeId, body: Body) {
        let Some(pipe) = self.pipes.get(id) else {
            return;
        };
        let (worker, dispatcher) = (pipe.worker, pipe.dispatcher);
        let bend = self.bend(Occasion::Down(worker));
        if bend == Some(Bend::Lost) {
            return self.tell_loss(Place::Dispatcher(dispatcher), Place::Worker(worker), &body);
        }
        let at = self.arrival(worker, dispatcher, Way::Down, bend);
        let Some(pipe) = self.pipes.get_mut(id) else {
            return;
        };
        let at = pipe.down.push(at);
        let event = Event::Down {
            pipe: id,
            worker,
            life: pipe.worker_life,
            body,
            copy: false,
        };
        self.watch
            .messages(Place::Worker(worker), pipe.down.under_way);
        self.send_event(at, event, bend);
    }

    fn send_event(&mut self, at: Instant, event: Event, bend: Option<Bend>) {
        if let Some(Bend::Twice(after)) = bend {
            let mut again = event.clone();
            match &mut again {
                Event::Up { copy, .. } | Event::Down { copy, .. } => *copy = true,
                _ => {}
            }
            self.heap.push(at + after, again);
        }
        self.heap.push(at, event);
    }

    /// When a message arrives that is sent now.
    fn arrival(&self, worker: usize, dispatcher: usize, way: Way, bend: Option<Bend>) -> Instant {
        let late = match bend {
            Some(Bend::Late(late)) => late,
            _ => Duration::ZERO,
        };
        let at = self.now + self.latency() + late;
        let blocks = |partition: &&Partition| {
            partition.worker == worker
                && partition.dispatcher == dispatcher
                && (partition.way == way || partition.way == Way::Both)
        };
        let until = self.partitions.iter().filter(blocks).map(|p| p.until).max();
        at.max(until.unwrap_or(at))
    }

    pub(crate) fn arrive_up(
        &mut self,
        id: PipeId,
        (dispatcher, life): (usize, u64),
        peer: Peer,
        body: Body,
        copy: bool,
    ) {
        if copy {
            // On a connection that has ended, the first may never have come.
            let intact = |pipe: &Pipe| pipe.dispatcher_open && !pipe.up.lost;
            if self.pipes.get(id).is_some_and(intact) {
                self.see(What::Repeated(Place::Dispatcher(dispatcher)));
            }
            return self.read_up(dispatcher, life, peer, body);
        }
        let router = self.dispatchers[dispatcher].router.as_mut();
        if router.is_some_and(|router| router.hear(&mut self.pipes, id)) {
            self.read_up(dispatcher, life, peer, body);
        }
    }

    fn read_up(&mut self, dispatcher: usize, life: u64, peer: Peer, body: Body) {
        if self.dispatchers[dispatcher].node.life != life {
            return;
        }
        let ours = self.dispatcher(dispatcher).is_some();
        let input = match (body, ours) {
            (Body::FromWorker(message), true) => {
                dispatcher::Input::MessageReceived { peer, message }
            }
            (Body::Json(json), true) => match decode_arrival(&json) {
                Ok(Arrival::Legacy(message)) => dispatcher::Input::LegacyReceived { peer, message },
                Ok(Arrival::Native(_)) | Err(_) => dispatcher::Input::JunkReceived { peer },
            },
            (Body::Junk | Body::FromDispatcher(_), true) => {
                dispatcher::Input::JunkReceived { peer }
            }
            (Body::Json(body), false) => {
                let fact = Fact::Received { peer, body };
                return self.step_guest(Place::Dispatcher(dispatcher), Some(fact));
            }
            (_, false) => return,
        };
        self.step_dispatcher(dispatcher, Some(input));
    }

    pub(crate) fn arrive_down(
        &mut self,
        id: PipeId,
        (worker, life): (usize, u64),
        body: Body,
        copy: bool,
    ) {
        if copy {
            let intact = |pipe: &Pipe| pipe.worker_open && !pipe.down.lost;
            if self.pipes.get(id).is_some_and(intact) {
                self.see(What::Repeated(Place::Worker(worker)));
            }
        } else if !self.take_down(id) {
            return;
        }
        if self.workers[worker].node.life != life {
            return;
        }
        match body {
            Body::FromDispatcher(message) => {
                if message.body == ToWorker::SayHello && !copy {
                    self.see(What::Unwelcome(Place::Worker(worker)));
                }
                self.tell_worker(worker, life, worker::Input::MessageReceived(message));
            }
            Body::Json(json) => self.guest_hears(worker, json),
            Body::FromWorker(_) | Body::Junk => {}
        }
    }

    /// Takes a message off a connection to a worker. Says whether it is read.
    fn take_down(&mut self, id: PipeId) -> bool {
        let Some(pipe) = self.pipes.get_mut(id) else {
            return false;
        };
        let read = pipe.down.take() && pipe.worker_open;
        let dispatcher = pipe.dispatcher;
        self.close_left_over(Some(id));
        self.flush(dispatcher);
        read
    }

    /// A queue has room again: what a sender waited with goes out.
    fn flush(&mut self, dispatcher: usize) {
        loop {
            let pipes = &self.pipes;
            let under_way = |id| pipes.get(id).map_or(0, |pipe: &Pipe| pipe.down.under_way);
            let router = self.dispatchers[dispatcher].router.as_mut();
            let Some((identity, routed)) = router.and_then(|router| router.retry(under_way)) else {
                return;
            };
            self.obey_router(dispatcher, &identity, routed);
        }
    }

    /// The worker's side closes. What it said before usually still arrives.
    pub(crate) fn hang_up(&mut self, id: PipeId) {
        let Some(pipe) = self.pipes.get_mut(id) else {
            return;
        };
        pipe.worker_open = false;
        if !pipe.dispatcher_open {
            return self.pipes.forget_if_over(id);
        }
        self.announce_above(id);
    }

    /// A dispatcher's process is gone, and so is its side of every connection.
    pub(crate) fn sever(&mut self, dispatcher: usize) {
        let its = |pipe: &Pipe| pipe.dispatcher == dispatcher && pipe.dispatcher_open;
        let ended: Vec<PipeId> = self
            .pipes
            .iter()
            .filter(|(_, pipe)| its(pipe))
            .map(|(id, _)| id)
            .collect();
        for id in ended {
            if let Some(pipe) = self.pipes.get_mut(id) {
                pipe.dispatcher_open = false;
            }
            self.announce_below(id);
        }
    }

    /// Cuts a worker's connection: what is under way is lost, and both sides hear of it, or not.
    pub(crate) fn cut(&mut self, worker: usize) {
        let Some(id) = self.workers[worker].pipe else {
            return;
        };
        if let Some(pipe) = self.pipes.get_mut(id) {
            pipe.up.lost = true;
            pipe.down.lost = true;
            self.announce_above(id);
            self.announce_below(id);
        }
    }

    /// Lets a connection deliver nothing until then.
    pub(crate) fn clog(&mut self, worker: usize, until: Instant) {
        let pipe = self.workers[worker].pipe;
        if let Some(pipe) = pipe.and_then(|id| self.pipes.get_mut(id)) {
            pipe.up.last = pipe.up.last.max(until);
            pipe.down.last = pipe.down.last.max(until);
        }
    }

    fn announce_above(&mut self, id: PipeId) {
        let Some(pipe) = self.pipes.get(id) else {
            return;
        };
        let (worker, dispatcher) = (pipe.worker, pipe.dispatcher);
        let bend = self.bend(Occasion::EndUp(worker));
        if bend == Some(Bend::Lost) {
            return;
        }
        let at = self.arrival(worker, dispatcher, Way::Up, None);
        if let Some(pipe) = self.pipes.get_mut(id) {
            pipe.up.lost |= bend == Some(Bend::Swallowed);
            let at = at.max(pipe.up.last);
            self.heap.push(
                at,
                Event::UpEnd {
                    pipe: id,
                    dispatcher,
                },
            );
        }
    }

    fn announce_below(&mut self, id: PipeId) {
        let Some(pipe) = self.pipes.get(id) else {
            return;
        };
        let (worker, dispatcher) = (pipe.worker, pipe.dispatcher);
        if !pipe.worker_open {
            return self.pipes.forget_if_over(id);
        }
        let bend = self.bend(Occasion::EndDown(worker));
        if bend == Some(Bend::Lost) {
            return;
        }
        let at = self.arrival(worker, dispatcher, Way::Down, None);
        if let Some(pipe) = self.pipes.get_mut(id) {
            pipe.down.lost |= bend == Some(Bend::Swallowed);
            let at = at.max(pipe.down.last);
            self.heap.push(at, Event::DownEnd { pipe: id, worker });
        }
    }

    /// A dispatcher hears that a connection is over.
    pub(crate) fn end_seen_above(&mut self, id: PipeId) {
        let Some(pipe) = self.pipes.get_mut(id).filter(|pipe| pipe.dispatcher_open) else {
            return;
        };
        pipe.dispatcher_open = false;
        let (dispatcher, life) = (pipe.dispatcher, pipe.dispatcher_life);
        let peer = Peer {
            identity: pipe.identity.clone(),
            delimited: pipe.lock_step,
        };
        if !pipe.known {
            return self.pipes.forget_if_over(id);
        }
        let router = self.dispatchers[dispatcher].router.as_mut();
        let over = router.and_then(|router| router.forget(&mut self.pipes, id));
        self.pipes.forget_if_over(id);
        self.close_left_over(over);
        self.flush(dispatcher);
        self.tell_dispatcher(dispatcher, life, dispatcher::Input::PeerClosed { peer });
    }

    /// A worker hears that its connection is over. A guest's socket connects again by itself.
    pub(crate) fn end_seen_below(&mut self, id: PipeId) {
        let Some(pipe) = self.pipes.get_mut(id).filter(|pipe| pipe.worker_open) else {
            return;
        };
        pipe.worker_open = false;
        let (worker, life, session) = (pipe.worker, pipe.worker_life, pipe.session);
        self.pipes.forget_if_over(id);
        let seat = &mut self.workers[worker];
        if seat.pipe == Some(id) {
            seat.pipe = None;
            if let Some(dealer) = &mut seat.dealer {
                dealer.disconnected();
            }
        }
        if matches!(self.workers[worker].node.process, Some(Process::Guest(_))) {
            return self.schedule(RECONNECT, Event::Dialed(worker, life));
        }
        self.tell_worker(worker, life, worker::Input::ConnectionClosed { session });
    }
}
