//! The story of a run, one line an event, for people.

use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::TaskRef;

use crate::place::Place;
pub use crate::telling::{from_dispatcher, from_worker, op, reply};

/// One event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Its number in the run, from 1.
    pub number: u64,
    /// World time.
    pub at: Instant,
    /// Where it happened.
    pub node: Place,
    /// For something that has arrived: where it came from.
    pub from: Option<Place>,
    /// What kind of event it is.
    pub kind: Kind,
    /// What happened, in some words, such as `Hello session 3` or `Claim 2 -> 1 task`.
    pub what: String,
    /// The first task that it is about.
    pub task: Option<TaskRef>,
    /// The hash chain up to and with this event.
    pub hash: u64,
}

/// Kinds of event.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// A message between worker and dispatcher arrived.
    Message,
    /// A message was lost on its way.
    Loss,
    /// A request reached the store, or its answer a dispatcher.
    Store,
    /// The client did something.
    Client,
    /// A Python child did something.
    Child,
    /// A deadline came.
    Timer,
    /// A process started, ended, stood still or went on.
    Life,
    /// A fault struck.
    Fault,
}
