//! A node: the process at a place, its clock, and whether it stands still or is slow.

use std::collections::VecDeque;
use std::time::Duration;

use mpcsfaas_core::dispatcher::Dispatcher;
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::worker::Worker;

use crate::clock::Clock;
use crate::event::Event;
use crate::guest::Guest;
use crate::tamper::Bugged;

/// A place and what lives there.
#[derive(Debug)]
pub(crate) struct Node {
    /// The process, unless it is down.
    pub(crate) process: Option<Process>,
    /// Grows with each start and end: what was meant for an earlier life is dropped.
    pub(crate) life: u64,
    /// When this life began, in world time.
    pub(crate) since: Instant,
    pub(crate) clock: Clock,
    /// Stands still until then.
    pub(crate) paused: Option<Instant>,
    /// What has arrived while it stood still.
    pub(crate) backlog: VecDeque<Event>,
    /// Until when everything takes longer, and how much.
    pub(crate) slow: Option<(Instant, Duration)>,
    /// When a slow node is done with what it has.
    pub(crate) busy: Instant,
    /// The earliest wake-up that is scheduled.
    pub(crate) wake: Option<Instant>,
    /// Another takes its place so long after it left.
    pub(crate) returns: Option<Duration>,
    /// It left for good: not even healing brings it back.
    pub(crate) gone: bool,
}

/// What lives at a place.
#[derive(Debug)]
pub(crate) enum Process {
    Dispatcher(Box<Bugged<Dispatcher>>),
    Worker(Box<Bugged<Worker>>),
    Guest(Box<dyn Guest>),
}

impl Node {
    pub(crate) fn new(clock: Clock) -> Node {
        Node {
            process: None,
            life: 0,
            since: Instant::ZERO,
            clock,
            paused: None,
            backlog: VecDeque::new(),
            slow: None,
            busy: Instant::ZERO,
            wake: None,
            returns: None,
            gone: false,
        }
    }

    /// A new life, of this process or of none.
    pub(crate) fn live(&mut self, now: Instant, process: Option<Process>) {
        self.process = process;
        self.life += 1;
        self.since = now;
        self.paused = None;
        self.slow = None;
        self.backlog.clear();
        self.wake = None;
    }

    /// When the process wants to be woken, in world time.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let own = match self.process.as_ref()? {
            Process::Dispatcher(bugged) => bugged.deadline(),
            Process::Worker(bugged) => bugged.deadline(),
            Process::Guest(guest) => guest.deadline(),
        };
        own.map(|at| self.clock.when(at))
    }
}
