//! What will happen, and to whom.

use bytes::Bytes;
use mpcsfaas_core::dispatcher;
use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::wire::message::{FromDispatcher, FromWorker};
use mpcsfaas_core::worker;
use mpcsfaas_core::worker::child::ChildFact;

use crate::guest;
use crate::place::Place;
use crate::storage::Request;
use crate::zmq::pipe::PipeId;

/// A message as it travels. Its bytes are its fields; encoding is another crate's test.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Body {
    FromWorker(FromWorker),
    FromDispatcher(FromDispatcher),
    Json(Bytes),
    /// Bytes that are no message.
    Junk,
}

/// Something that will happen.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Event {
    /// A deadline comes.
    Wake(Place, u64),
    /// A dispatcher's socket has a connection (its handshake is over), and knows the identity.
    Met {
        pipe: PipeId,
        dispatcher: usize,
    },
    /// A message arrives at a dispatcher; `copy`: it had arrived before.
    Up {
        pipe: PipeId,
        dispatcher: usize,
        life: u64,
        peer: dispatcher::Peer,
        body: Body,
        copy: bool,
    },
    /// A message arrives at a worker.
    Down {
        pipe: PipeId,
        worker: usize,
        life: u64,
        body: Body,
        copy: bool,
    },
    /// A dispatcher hears that a connection has ended.
    UpEnd {
        pipe: PipeId,
        dispatcher: usize,
    },
    /// A worker hears that its connection has ended.
    DownEnd {
        pipe: PipeId,
        worker: usize,
    },
    /// A guest's socket connects.
    Dialed(usize, u64),
    ToDispatcher(usize, u64, dispatcher::Input),
    ToWorker(usize, u64, worker::Input),
    ToGuest(Place, u64, guest::Fact),
    AtStore(Request),
    AtRedis {
        from: Place,
        life: u64,
        request: u64,
        op: guest::RedisOp,
    },
    /// A Python child does something, while it lives.
    Child {
        worker: usize,
        life: u64,
        generation: u64,
        fact: ChildFact,
    },
    /// A process of a guest's pool is done with a task.
    Ran(Place, u64, TaskId),
    /// The client sends the submit at this place in the plan, and those of the same moment; then comes the
    /// next.
    NextSubmit(usize),
    /// The client sends it again.
    Submit(usize),
    /// What the client has sent together arrives at the store.
    AtStoreSubmit(Vec<usize>),
    Cancel(TaskId),
    /// The fault at this place in the plan strikes.
    Fault(usize),
    Resume(Place),
    Quicken(Place),
    /// A link is as it was.
    Over(Place),
    Boot(Place),
    StoreBack(usize),
    /// What a slow node has worked off.
    Served(Box<Event>),
    Heal,
}

impl Event {
    /// Which process it is for, if it waits while that process stands still.
    pub(crate) fn target(&self) -> Option<Place> {
        match self {
            Event::Wake(place, _) | Event::ToGuest(place, ..) => Some(*place),
            Event::Met { dispatcher, .. }
            | Event::Up { dispatcher, .. }
            | Event::UpEnd { dispatcher, .. }
            | Event::ToDispatcher(dispatcher, ..) => Some(Place::Dispatcher(*dispatcher)),
            Event::Down { worker, .. }
            | Event::DownEnd { worker, .. }
            | Event::ToWorker(worker, ..) => Some(Place::Worker(*worker)),
            Event::AtStore(_)
            | Event::AtRedis { .. }
            | Event::AtStoreSubmit(_)
            | Event::Cancel(_) => Some(Place::Store),
            Event::Served(event) => event.target(),
            Event::Dialed(..)
            | Event::Child { .. }
            | Event::Ran(..)
            | Event::NextSubmit(_)
            | Event::Submit(_)
            | Event::Fault(_)
            | Event::Resume(_)
            | Event::Quicken(_)
            | Event::Over(_)
            | Event::Boot(_)
            | Event::StoreBack(_)
            | Event::Heal => None,
        }
    }
}
