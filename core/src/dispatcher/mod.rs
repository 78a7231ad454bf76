//! The dispatcher as a state machine.
//!
//! ```text
//!            Claim, Commit, Requeue, Adopt        Run, Ack, Drop
//!   store ◀────────────────────────── ┌────────────┐ ───────────▶ workers
//!         ──── replies, doorbell ───▶ │ Dispatcher │ ◀─────────── Hello, Finished, Pull, Beat
//!                                     └────────────┘
//! ```
//!
//! What the dispatcher knows of a task is a *belief*: the store decides, and answers late. A
//! belief says what the dispatcher wants next, and at most one store operation per task is under
//! way (R6a): when its answer arrives, the next is chosen from what is believed then. So a crash,
//! a lost answer or a worker that comes back in between needs no case of its own.
//!
//! Reading order: [`input`], [`output`], this file (fields and dispatch only), `belief` (what is
//! known of a task), `wants` (what it needs of the store), `roster` (the workers), `hello` (sessions and adoption), `finish` (results and
//! hand-backs), `claims`, `placement` (runs), `ask` (requests to the store), `lease`, `legacy`
//! (the original's workers), `drain`, `timer`, `invariants`.

mod ask;
mod belief;
mod claims;
mod drain;
mod finish;
mod hello;
pub mod input;
mod invariants;
mod lease;
mod legacy;
pub mod output;
mod placement;
mod roster;
#[cfg(test)]
mod tests;
mod timer;
mod wants;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use self::ask::Asked;
use self::belief::Belief;
use self::claims::Queue;
use self::drain::Leaving;
pub use self::input::{Config, Input, Peer};
use self::lease::Lease;
pub use self::output::Output;
use self::roster::Roster;
use self::timer::{Timer, Timers};
use self::wants::Wants;
use crate::id::{Attempt, FunctionId, Incarnation, Session, TaskId, WorkerKey};
use crate::machine::Machine;
use crate::store::RequestId;
use crate::store::op::Report;
use crate::task::Function;
use crate::time::Instant;
use crate::wire::message::TaskRef;

/// The dispatcher.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Dispatcher {
    config: Config,
    incarnation: Incarnation,
    outputs: VecDeque<Output>,
    timers: Timers,
    last_seen: Instant,

    roster: Roster,
    beliefs: BTreeMap<TaskRef, Belief>,
    functions: BTreeMap<FunctionId, Arc<Function>>,
    function_order: VecDeque<FunctionId>,
    /// Claimed tasks that wait for their function's body.
    fetching: BTreeMap<FunctionId, Vec<TaskRef>>,

    // The store.
    store_up: bool,
    next_request: RequestId,
    asked: BTreeMap<RequestId, Asked>,
    /// Tasks with an operation under way (R6a).
    busy: BTreeSet<TaskId>,
    /// Attempts whose belief may want an operation.
    wants: Wants,
    lease: Lease,
    queue: Queue,
    /// What a renewal listed that was not known here, and the last claim that may have brought it.
    unaccounted: BTreeMap<TaskRef, u64>,

    placements: u64,
    legacy_sessions: Session,
    /// Peers whose stale sessions have been logged.
    noted: BTreeSet<Peer>,
    leaving: Leaving,
    counters: Counters,
}

/// What a dispatcher has seen, for people and for coverage.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Counters {
    /// Bytes that were no message.
    pub junk: u64,
    /// Messages of an older or unknown session.
    pub stale_messages: u64,
    /// Sessions that ended by a gap in the numbers.
    pub gaps: u64,
    /// Hellos that opened a session.
    pub sessions: u64,
    /// Workers declared dead.
    pub deaths: u64,
    /// Tasks claimed.
    pub claimed: u64,
    /// Those of them that the store claimed ahead, and told of.
    pub claimed_ahead: u64,
    /// Times a hint showed that one before it was missed.
    pub hints_missed: u64,
    /// Results committed.
    pub committed: u64,
    /// Results that the store called stale.
    pub stale_commits: u64,
    /// Tasks taken over from a worker's Hello.
    pub adopted: u64,
    /// Adoptions that the store refused.
    pub refused_adoptions: u64,
    /// Tasks given back.
    pub requeued: u64,
    /// Times the lease was found gone.
    pub leases_lost: u64,
    /// Tasks of dead dispatchers given back.
    pub reaped: u64,
    /// Running tasks that turned out to be nobody's or somebody else's, and were dropped.
    pub disowned: u64,
    /// Times the clock jumped (R10).
    pub pauses: u64,
}

impl Dispatcher {
    /// A dispatcher that waits for its store.
    pub fn new(config: Config, now: Instant) -> Dispatcher {
        let mut dispatcher = Dispatcher {
            incarnation: config.incarnation,
            outputs: VecDeque::new(),
            timers: Timers::default(),
            last_seen: now,
            roster: Roster::default(),
            beliefs: BTreeMap::new(),
            functions: BTreeMap::new(),
            function_order: VecDeque::new(),
            fetching: BTreeMap::new(),
            store_up: false,
            next_request: 1,
            asked: BTreeMap::new(),
            busy: BTreeSet::new(),
            wants: Wants::default(),
            lease: Lease::default(),
            queue: Queue::default(),
            unaccounted: BTreeMap::new(),
            placements: 0,
            legacy_sessions: 0,
            noted: BTreeSet::new(),
            leaving: Leaving::No,
            counters: Counters::default(),
            config,
        };
        dispatcher
            .timers
            .set(Timer::Beat, now + dispatcher.config.timing.beat);
        dispatcher
    }

    /// This life of the dispatcher; changes when a lease is lost.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// What it has seen.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// What it would tell the store of itself now.
    pub fn report(&self) -> Report {
        let live = || self.roster.live().map(|(_, seat)| seat);
        Report {
            mode: self.config.mode,
            workers: live().count() as u32,
            // What a worker says of itself may be anything.
            processes: live().fold(0, |sum, seat| seat.processes.saturating_add(sum)),
            held: live().map(|seat| seat.tasks.len() as u32).sum(),
            free: u32::try_from(self.roster.free_total()).unwrap_or(u32::MAX),
            draining: self.is_draining(),
        }
    }

    /// Tasks it believes to have, in whatever state.
    pub fn believed(&self) -> impl Iterator<Item = (TaskId, Attempt)> + '_ {
        self.beliefs.keys().map(|key| (key.task, key.attempt))
    }

    /// Workers that are not dead, and their sessions.
    pub fn workers(&self) -> impl Iterator<Item = (&WorkerKey, Session)> {
        self.roster
            .live()
            .map(|(worker, seat)| (worker, seat.session))
    }

    fn settle(&mut self, now: Instant) {
        self.place(now);
        if self.queue.take_exhausted() {
            self.answer_empty_queue();
        }
        self.claim_more(now);
        self.flush_wants();
        self.finish_drain(now);
    }
}

impl Machine for Dispatcher {
    type Input = Input;
    type Output = Output;

    fn handle_input(&mut self, now: Instant, input: Input) {
        self.notice_pause(now);
        match input {
            Input::StoreConnected => self.on_store_connected(now),
            Input::StoreDisconnected => self.on_store_disconnected(),
            Input::StoreReplied { request, reply } => self.on_reply(now, request, reply),
            Input::StoreFailed { request } => self.on_store_failed(now, request),
            Input::DoorbellRang => self.queue.ring(),
            Input::ClaimedAhead(ahead) => self.on_claimed_ahead(now, ahead),
            Input::MessageReceived { peer, message } => self.on_message(now, peer, message),
            Input::LegacyReceived { peer, message } => self.on_legacy(now, peer, message),
            Input::JunkReceived { peer } => self.on_junk(peer),
            Input::PeerClosed { peer } => self.on_peer_closed(now, &peer),
            Input::DrainRequested => self.on_drain_requested(now),
        }
        self.settle(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.notice_pause(now);
        while let Some(timer) = self.timers.pop_due(now) {
            self.on_timer(now, timer);
        }
        self.settle(now);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self.leaving {
            Leaving::Gone => None,
            Leaving::No | Leaving::Draining | Leaving::Releasing => self.timers.next(),
        }
    }

    fn check(&self) -> Result<(), String> {
        self.check_all()
    }
}
