//! The same sockets, modelled: `transport-sim`'s, with the links that its world gives them, but
//! without latency and faults. Like a node that stands still, a socket takes in what has come when
//! it reads.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::zmq::Flavor;
use mpcsfaas_transport_sim::zmq::dealer::{Dealer, Sent};
use mpcsfaas_transport_sim::zmq::pipe::{Pipe, PipeId, Pipes};
use mpcsfaas_transport_sim::zmq::router::{Routed, Router};

use super::sockets::{Burst, Caller, Drained, Kind, ROUTER, Sockets, Tally, Who};
use super::words::{Frame, Frames, Word};

/// A ROUTER of one library and peers of one, as the model has them.
pub(super) struct Model {
    flavors: (Flavor, Flavor),
    pipes: Pipes,
    bound: Option<Bound>,
    peers: BTreeMap<Who, Peer>,
}

struct Bound {
    router: Router<Frames>,
    arrivals: VecDeque<Arrival>,
    inbox: VecDeque<Frames>,
    /// Whose ends were noticed and not asked for.
    ended: Vec<Bytes>,
}

struct Peer {
    dealer: Dealer<Frames>,
    arrivals: VecDeque<Arrival>,
    inbox: VecDeque<Frames>,
    ended: usize,
    /// It connects as soon as somebody is there.
    dials: bool,
}

enum Arrival {
    Message(PipeId, Frames),
    End(PipeId),
}

impl Model {
    pub(super) fn new(router: Flavor, peers: Flavor) -> Model {
        Model {
            flavors: (router, peers),
            pipes: Pipes::default(),
            bound: None,
            peers: BTreeMap::new(),
        }
    }

    /// Connects whoever has tried to and found nobody.
    fn dial(&mut self) {
        let names: Vec<Who> = self.peers.keys().copied().collect();
        for who in names {
            let peer = self.peers.get_mut(who).expect("it has just been named");
            if self.bound.is_none() || !std::mem::take(&mut peer.dials) {
                continue;
            }
            let pipe = self.pipes.insert(Pipe {
                lock_step: peer.dealer.lock_step,
                ..Pipe::new(Instant::ZERO, peer.dealer.identity.clone())
            });
            let waited: Vec<Frames> = peer.dealer.connected(pipe).collect();
            let router = self.bound.as_mut().map(|bound| &mut bound.router);
            let over = router.and_then(|router| router.meet(&mut self.pipes, pipe));
            self.close_left_over(over);
            for message in waited {
                self.send_up(pipe, message);
            }
        }
    }

    fn send_up(&mut self, id: PipeId, message: Frames) {
        let pipe = self.pipes.get_mut(id).filter(|pipe| pipe.dispatcher_open);
        if let (Some(pipe), Some(bound)) = (pipe, &mut self.bound) {
            pipe.up.push(Instant::ZERO);
            bound.arrivals.push_back(Arrival::Message(id, message));
        }
    }

    /// Who has this connection at the other end.
    fn caller(&mut self, id: PipeId) -> Option<&mut Peer> {
        let has = |peer: &&mut Peer| peer.dealer.pipe() == Some(id);
        self.peers.values_mut().find(has)
    }

    fn send_down(&mut self, identity: &Bytes, message: Frames) -> Word {
        let pipes = &self.pipes;
        let under_way = |id| pipes.get(id).map_or(0, |pipe: &Pipe| pipe.down.under_way);
        let bound = self.bound.as_mut().expect("the script has bound it");
        let routed = bound.router.send(identity, message, under_way);
        self.obey_router(routed)
    }

    fn obey_router(&mut self, routed: Routed<Frames>) -> Word {
        match routed {
            Routed::To(id, mut message) => {
                if let Some(pipe) = self.pipes.get_mut(id) {
                    pipe.down.push(Instant::ZERO);
                    if pipe.lock_step {
                        message.remove(0);
                    }
                }
                if let Some(peer) = self.caller(id) {
                    peer.arrivals.push_back(Arrival::Message(id, message));
                }
                Word::Taken
            }
            Routed::Dropped => Word::Taken,
            Routed::Refused => Word::Refused,
            Routed::Waits => Word::Waits,
        }
    }

    /// A queue has room again.
    fn flush(&mut self) {
        loop {
            let pipes = &self.pipes;
            let under_way = |id| pipes.get(id).map_or(0, |pipe: &Pipe| pipe.down.under_way);
            let router = self.bound.as_mut().map(|bound| &mut bound.router);
            let Some((_, routed)) = router.and_then(|router| router.retry(under_way)) else {
                return;
            };
            self.obey_router(routed);
        }
    }

    fn close_left_over(&mut self, id: Option<PipeId>) {
        let pipe = id.and_then(|id| Some((id, self.pipes.get_mut(id)?)));
        if let Some((id, pipe)) = pipe.filter(|(_, pipe)| pipe.is_left_over()) {
            pipe.dispatcher_open = false;
            if let Some(peer) = self.caller(id) {
                peer.arrivals.push_back(Arrival::End(id));
            }
        }
    }

    /// Takes in the next that has come to the ROUTER. Says whether there was anything.
    fn step_router(&mut self) -> bool {
        let Some(bound) = &mut self.bound else {
            return false;
        };
        match bound.arrivals.pop_front() {
            Some(Arrival::Message(id, message)) => {
                if bound.router.hear(&mut self.pipes, id)
                    && let Some(pipe) = self.pipes.get(id)
                {
                    let mut frames = vec![Frame::read(&pipe.identity)];
                    frames.extend(pipe.lock_step.then(|| Frame::read(b"")));
                    frames.extend(message);
                    bound.inbox.push_back(frames);
                }
            }
            Some(Arrival::End(id)) => {
                let open = self.pipes.get_mut(id).filter(|pipe| pipe.dispatcher_open);
                if let Some(pipe) = open {
                    pipe.dispatcher_open = false;
                    bound.ended.push(pipe.identity.clone());
                    let over = bound.router.forget(&mut self.pipes, id);
                    self.close_left_over(over);
                    self.flush();
                }
            }
            None => return false,
        }
        true
    }

    /// The same of a connected socket.
    fn step_peer(&mut self, who: Who) -> bool {
        let peer = self.peers.get_mut(who).expect("a socket of the script");
        match peer.arrivals.pop_front() {
            Some(Arrival::Message(id, message)) => {
                let pipe = self.pipes.get_mut(id);
                if pipe.is_some_and(|pipe| pipe.down.take()) && peer.dealer.reads() {
                    peer.inbox.push_back(message);
                }
                self.close_left_over(Some(id));
                self.flush();
            }
            Some(Arrival::End(id)) => {
                if let Some(pipe) = self.pipes.get_mut(id) {
                    pipe.worker_open = false;
                }
                peer.dealer.disconnected();
                peer.ended += 1;
                peer.dials = self.flavors.1 == Flavor::Libzmq;
            }
            None => return false,
        }
        true
    }

    fn step(&mut self, who: Who) -> bool {
        match who == ROUTER {
            true => self.step_router(),
            false => self.step_peer(who),
        }
    }

    fn inbox(&mut self, who: Who) -> &mut VecDeque<Frames> {
        match who == ROUTER {
            true => &mut self.bound.as_mut().expect("it is bound").inbox,
            false => &mut self.peers.get_mut(who).expect("it is connected").inbox,
        }
    }

    fn hear(&mut self, who: Who) -> Option<Frames> {
        loop {
            if let Some(message) = self.inbox(who).pop_front() {
                return Some(message);
            }
            if !self.step(who) {
                return None;
            }
        }
    }

    fn close_router(&mut self, linger: bool) {
        self.bound = None;
        let open: Vec<PipeId> = self.pipes.iter().map(|(id, _)| id).collect();
        for id in open {
            if let Some(pipe) = self.pipes.get_mut(id) {
                pipe.dispatcher_open = false;
                pipe.down.lost |= !linger;
            }
            if let Some(peer) = self.caller(id) {
                peer.arrivals.push_back(Arrival::End(id));
            }
        }
    }

    fn close_peer(&mut self, who: Who, linger: bool) {
        let peer = self.peers.remove(who).expect("a socket of the script");
        let id = peer.dealer.pipe();
        let pipe = id.and_then(|id| Some((id, self.pipes.get_mut(id)?)));
        if let (Some((id, pipe)), Some(bound)) = (pipe, &mut self.bound) {
            pipe.worker_open = false;
            pipe.up.lost |= !linger;
            bound.arrivals.push_back(Arrival::End(id));
        }
    }
}

impl Sockets for Model {
    async fn bind(&mut self, _endpoint: &str) {
        self.bound = Some(Bound {
            router: Router::new(self.flavors.0),
            arrivals: VecDeque::new(),
            inbox: VecDeque::new(),
            ended: Vec::new(),
        });
    }

    async fn connect(&mut self, caller: Caller, _endpoint: &str) -> Word {
        let (identity, lock_step) = (caller.identity.into(), caller.kind == Kind::Req);
        let peer = Peer {
            dealer: Dealer::new(self.flavors.1, identity, lock_step),
            arrivals: VecDeque::new(),
            inbox: VecDeque::new(),
            ended: 0,
            dials: caller.somebody || self.flavors.1 == Flavor::Libzmq,
        };
        self.peers.insert(caller.who, peer);
        self.dial();
        Word::Done
    }

    async fn send(&mut self, who: Who, frames: &Frames, _limit: Duration) -> Word {
        self.dial();
        if who == ROUTER {
            let identity = frames[0].bytes().into();
            return self.send_down(&identity, frames[1..].to_vec());
        }
        let pipes = &self.pipes;
        let under_way = |id| pipes.get(id).map_or(0, |pipe: &Pipe| pipe.up.under_way);
        let peer = self.peers.get_mut(who).expect("a socket of the script");
        match peer.dealer.send(frames.clone(), under_way) {
            Sent::On(pipe, message) => {
                self.send_up(pipe, message);
                Word::Taken
            }
            Sent::Queued => Word::Taken,
            Sent::Refused => Word::Refused,
            Sent::Full => Word::Waits,
            Sent::OutOfTurn => Word::OutOfTurn,
        }
    }

    async fn fill(&mut self, who: Who, burst: Burst) -> Word {
        for number in 0..burst.limit {
            let mut frames = vec![Frame::Text(number.to_string()), Frame::Size(burst.size)];
            if let Some(to) = burst.to {
                frames.insert(0, Frame::Text(to.to_owned()));
            }
            let word = self.send(who, &frames, burst.stuck).await;
            if word != Word::Taken {
                return Word::Filled(number, Box::new(word));
            }
        }
        Word::Filled(burst.limit, Box::new(Word::Taken))
    }

    async fn receive(&mut self, who: Who, _limit: Duration) -> Word {
        self.dial();
        let peer = self.peers.get(who);
        if peer.is_some_and(|peer| peer.inbox.is_empty() && !peer.dealer.may_listen()) {
            return Word::OutOfTurn;
        }
        self.hear(who).map_or(Word::Nothing, Word::Heard)
    }

    async fn drain(&mut self, who: Who, want: usize, _limit: Duration) -> Drained {
        let mut tally = Tally::new(who);
        while let Some(message) = self.hear(who) {
            if !tally.take(message, want) {
                break;
            }
        }
        tally.drained()
    }

    async fn notice(&mut self, who: Who, of: Option<&'static str>, _limit: Duration) -> Word {
        self.dial();
        while self.step(who) {}
        let noticed = match (&mut self.bound, self.peers.get_mut(who)) {
            (_, Some(peer)) => peer.ended.checked_sub(1).map(|left| peer.ended = left),
            (Some(bound), None) => {
                let whose = |ended: &Bytes| of.is_none_or(|of| ended == of.as_bytes());
                let place = bound.ended.iter().position(whose);
                place.map(|place| drop(bound.ended.remove(place)))
            }
            (None, None) => None,
        };
        noticed.map_or(Word::Nothing, |()| Word::Noticed)
    }

    async fn let_in(&mut self) -> Word {
        self.dial();
        Word::Done
    }

    async fn close(&mut self, who: Who, linger: bool) {
        match who == ROUTER {
            true => self.close_router(linger),
            false => self.close_peer(who, linger),
        }
    }
}
