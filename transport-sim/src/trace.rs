//! The story of a run, one line an event, for people.

use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::TaskRef;

use crate::place::Place;
pub use crate::telling::words::{from_dispatcher, from_worker, op, reply};

/// One event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Its number in the run, from 1.
    pub number: u64,
    /// World time.
    pub at: Instant,
    /// For something that has arrived: when it was sent. For something that had waited at its node,
    /// and is taken in now: since when it could be.
    pub sent: Option<Instant>,
    /// Where it happened.
    pub node: Place,
    /// For something that has arrived: where it came from.
    pub from: Option<Place>,
    /// What kind of event it is.
    pub kind: Kind,
    /// What happened, in some words, such as `Hello session 3` or `Claim 2 -> 1 task`.
    pub what: String,
    /// The tasks that it is about.
    pub tasks: Vec<TaskRef>,
    /// Whether it is no news: a beat, a renewal or a deadline, which come again and again, or
    /// something that a child was to do which is gone.
    pub routine: bool,
    /// Whether it waits, because its node stands still or is slow. It is told again when it is taken in.
    pub waits: bool,
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
