//! The worker as a state machine.
//!
//! ```text
//!  dispatcher ── Run, Ack, Drop ──▶ ┌────────┐ ── Spawn, Execute, Terminate, Kill ──▶ Python
//!             ◀─ Hello, Finished ── │ Worker │ ◀─ Ready, Replied, Exited ──────────── children
//!                                   └────────┘
//! ```
//!
//! A worker has one dispatcher at a time and holds what it was given until it is told to forget
//! it: a result lives here until its Ack arrives, through any number of sessions (R7).
//!
//! Reading order: [`input`] (facts, orders, settings), this file (fields and dispatch only),
//! `session` (the conversation), `hold` (tasks and results), `slots` (the Python children),
//! `pipe` (what a child is given ahead), `drain` (leaving), `credit` (how much to ask for), `timer`, `invariants`.

pub mod child;
mod credit;
mod drain;
mod hold;
pub mod input;
mod invariants;
mod pipe;
mod session;
mod slots;
#[cfg(test)]
mod tests;
mod timer;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use self::drain::Drain;
use self::hold::Held;
pub use self::input::{Config, Input, Output};
use self::session::Link;
use self::slots::Slot;
use crate::id::{FunctionId, Session, WorkerId};
use crate::machine::Machine;
use crate::random::Random;
use crate::task::{Function, Versions};
use crate::time::Instant;
use crate::wire::message::TaskRef;

/// The worker.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Worker {
    config: Config,
    random: Random,
    outputs: VecDeque<Output>,

    // The conversation.
    link: Link,
    session: Session,
    sent: u64,
    received: u64,
    last_heard: Instant,
    next_beat: Instant,
    /// Connections that failed in a row.
    failures: u32,

    // What is held.
    held: BTreeMap<TaskRef, Held>,
    /// Held tasks that wait for a process, in the order they came.
    waiting: VecDeque<TaskRef>,
    /// Results that this session has not told yet, and when it will at the latest.
    untold: hold::Untold,
    functions: BTreeMap<FunctionId, Arc<Function>>,
    /// The functions in the order they came; the oldest is forgotten first.
    function_order: VecDeque<FunctionId>,
    slots: Vec<Slot>,
    versions: Versions,

    // Credit.
    pace: credit::Pace,
    /// How long the runs of each known function take.
    paces: BTreeMap<FunctionId, credit::Pace>,
    /// The credit told last.
    announced: u32,
    /// The largest credit told in this session: what a correct dispatcher never exceeds (P4).
    ceiling: u32,
    pull_sent: bool,

    drain: Drain,
    counters: Counters,
}

/// What a worker has seen, for people and for coverage.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Counters {
    /// Sessions opened.
    pub sessions: u64,
    /// Messages of an older session that were ignored.
    pub stale_messages: u64,
    /// Sessions that ended by a gap in the numbers.
    pub gaps: u64,
    /// Tasks that were over the credit given. A correct dispatcher sends none (P4).
    pub over_credit: u64,
    /// Attempts started.
    pub started: u64,
    /// Attempts dropped while they ran.
    pub dropped: u64,
    /// Attempts given to a process that had another before it.
    pub ahead: u64,
    /// Attempts taken back from a process that had not begun them, or was gone before it did.
    pub recalled: u64,
}

impl Worker {
    /// A worker that starts its Python children and will say Hello when the first is ready.
    pub fn new(config: Config, now: Instant) -> Worker {
        let mut worker = Worker {
            random: Random::new(config.seed),
            outputs: VecDeque::new(),
            link: Link::Starting,
            session: 0,
            sent: 0,
            received: 0,
            last_heard: now,
            next_beat: now,
            failures: 0,
            held: BTreeMap::new(),
            waiting: VecDeque::new(),
            untold: hold::Untold::default(),
            functions: BTreeMap::new(),
            function_order: VecDeque::new(),
            slots: vec![Slot::default(); config.processes as usize],
            versions: Versions::default(),
            pace: credit::Pace::default(),
            paces: BTreeMap::new(),
            announced: 0,
            ceiling: 0,
            pull_sent: false,
            drain: Drain::No,
            counters: Counters::default(),
            config,
        };
        worker.spawn_due(now);
        worker
    }

    /// This life of the worker.
    pub fn id(&self) -> WorkerId {
        self.config.worker
    }

    /// The current session.
    pub fn session(&self) -> Session {
        self.session
    }

    /// Whether a dispatcher has answered the current session's Hello.
    pub fn is_welcome(&self) -> bool {
        matches!(self.link, Link::Up)
    }

    /// How many tasks and results are held.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// How many tasks the worker has said it would hold, at most.
    pub fn credit(&self) -> u32 {
        self.announced
    }

    /// What it has seen.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The attempts that wait for a process, in the order they came.
    pub fn waiting(&self) -> impl Iterator<Item = TaskRef> + '_ {
        self.waiting.iter().copied()
    }

    /// Whether it was asked to leave, and takes no new work.
    pub fn is_leaving_work(&self) -> bool {
        self.is_draining()
    }

    /// The attempts that run now, or are in the pipe of a process.
    pub fn running(&self) -> impl Iterator<Item = TaskRef> + '_ {
        self.held
            .iter()
            .filter(|(_, held)| matches!(held, Held::Running { .. }))
            .map(|(t, _)| *t)
    }
}

impl Machine for Worker {
    type Input = Input;
    type Output = Output;

    fn handle_input(&mut self, now: Instant, input: Input) {
        match input {
            Input::MessageReceived(message) => self.on_message(now, message),
            Input::ConnectionClosed { session } => self.on_closed(now, session),
            Input::Child(fact) => self.on_child(now, fact),
            Input::DrainRequested => self.on_drain_requested(now),
        }
        self.finish_drain(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.on_timeout(now);
        self.finish_drain(now);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.next_deadline()
    }

    fn check(&self) -> Result<(), String> {
        self.check_all()
    }
}
