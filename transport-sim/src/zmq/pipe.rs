//! Connections: two lanes, each in order while it lasts, and lost or swallowed when it ends.

use bytes::Bytes;
use mpcsfaas_core::time::Instant;

/// Names a connection. A name is never used again, although its place is. The default names none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct PipeId {
    index: u32,
    life: u32,
}

/// One direction of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lane {
    /// When the last message arrives: the next cannot overtake it.
    pub last: Instant,
    /// Messages that were sent and have not been taken in.
    pub under_way: usize,
    /// Whether what is under way never arrives.
    pub lost: bool,
}

/// A connection from a worker to a dispatcher.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pipe {
    /// The identity that the connecting side gave.
    pub identity: Bytes,
    /// Whether the connecting side is a REQ.
    pub lock_step: bool,
    /// The connecting side: which worker, in which life, and the number of its session.
    pub worker: usize,
    /// The life of the worker's process.
    pub worker_life: u64,
    /// What the worker calls this connection.
    pub session: u64,
    /// The bound side.
    pub dispatcher: usize,
    /// The life of the dispatcher's process.
    pub dispatcher_life: u64,
    /// To the dispatcher.
    pub up: Lane,
    /// To the worker.
    pub down: Lane,
    /// Whether the bound side knows the identity.
    pub known: bool,
    /// Whether another has its identity: what it sends is not read, and the bound side closes it
    /// once it has sent what it has for it.
    pub replaced: bool,
    /// Whether the worker's side is open.
    pub worker_open: bool,
    /// Whether the dispatcher's side is open.
    pub dispatcher_open: bool,
}

/// All connections.
#[derive(Clone, Debug, Default)]
pub struct Pipes {
    slots: Vec<(u32, Option<Pipe>)>,
    free: Vec<u32>,
}

impl Pipe {
    /// A connection that a DEALER makes now, of nobody's and to nobody's place.
    pub fn new(now: Instant, identity: Bytes) -> Pipe {
        let lane = Lane {
            last: now,
            under_way: 0,
            lost: false,
        };
        Pipe {
            identity,
            lock_step: false,
            worker: 0,
            worker_life: 0,
            session: 0,
            dispatcher: 0,
            dispatcher_life: 0,
            up: lane,
            down: lane,
            known: false,
            replaced: false,
            worker_open: true,
            dispatcher_open: true,
        }
    }

    /// Whether the bound side has nothing to do with it any more but to close it.
    pub fn is_left_over(&self) -> bool {
        self.replaced && self.dispatcher_open && self.down.under_way == 0
    }
}

impl Lane {
    /// Takes out a message that has come. Says whether it came intact.
    pub fn take(&mut self) -> bool {
        self.under_way -= 1;
        !self.lost
    }

    /// Takes in a message that would arrive at `at`; says when it does.
    pub fn push(&mut self, at: Instant) -> Instant {
        self.under_way += 1;
        self.last = self.last.max(at);
        self.last
    }
}

impl Pipes {
    /// Adds a connection.
    pub fn insert(&mut self, pipe: Pipe) -> PipeId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            (self.slots.len() - 1) as u32
        });
        let slot = &mut self.slots[index as usize];
        slot.0 += 1;
        slot.1 = Some(pipe);
        PipeId {
            index,
            life: slot.0,
        }
    }

    /// A connection, unless it is gone.
    pub fn get(&self, id: PipeId) -> Option<&Pipe> {
        match self.slots.get(id.index as usize) {
            Some((life, pipe)) if *life == id.life => pipe.as_ref(),
            Some(_) | None => None,
        }
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, id: PipeId) -> Option<&mut Pipe> {
        match self.slots.get_mut(id.index as usize) {
            Some((life, pipe)) if *life == id.life => pipe.as_mut(),
            Some(_) | None => None,
        }
    }

    /// Forgets a connection whose two sides are closed.
    pub fn forget_if_over(&mut self, id: PipeId) {
        let over = |pipe: &Pipe| !pipe.worker_open && !pipe.dispatcher_open;
        if self.get(id).is_some_and(over) {
            self.slots[id.index as usize].1 = None;
            self.free.push(id.index);
        }
    }

    /// All connections.
    pub fn iter(&self) -> impl Iterator<Item = (PipeId, &Pipe)> {
        self.slots
            .iter()
            .zip(0_u32..)
            .filter_map(|((life, pipe), index)| {
                let id = PipeId { index, life: *life };
                pipe.as_ref().map(|pipe| (id, pipe))
            })
    }
}
