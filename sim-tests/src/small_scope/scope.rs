//! What is searched: who is there, what they do, and how much may go wrong.

use std::time::Duration;

use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::Flow;
use mpcsfaas_transport_sim::Tampers;
use mpcsfaas_transport_sim::place::Place;
use mpcsfaas_transport_sim::plan::{
    self, Ending, FOR_GOOD, Plan, Shape, Submit, Trouble, WorkerShape,
};

/// How long an attempt runs on the fair way to the end: longer than the silence after which a worker
/// counts as dead, so that there is time for everything to be noticed.
pub(super) const RUNS: Duration = Duration::from_secs(5);

/// After which silence either side counts as dead.
pub(super) const TIMEOUT: Duration = Duration::from_secs(3);

/// How long a pause may be: one that nobody notices, one that is taken for a death, and one that
/// outlasts the lease.
pub(super) const PAUSES: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(12),
];

/// After which time another process may take the place of one that crashed: soon, or when the lease
/// of a dispatcher is over.
pub(super) const RETURNS: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(12)];

/// A larger scope is not small.
pub const MOST_DISPATCHERS: usize = 2;
/// The same of workers.
pub const MOST_WORKERS: usize = 3;
/// The same of tasks.
pub const MOST_TASKS: usize = 3;

/// A small world.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// How many dispatchers.
    pub dispatchers: usize,
    /// How many workers, each with one process.
    pub workers: usize,
    /// How many tasks. The first is there from the beginning; the others come at any time.
    pub tasks: usize,
    /// How workers take tasks.
    pub flow: Flow,
    /// How often what may go wrong.
    pub faults: Faults,
    /// A bug that is planted.
    pub tampers: Tampers,
}

/// How often each kind of trouble may strike, wherever and whenever it likes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Faults {
    /// A connection between a worker and a dispatcher is cut.
    pub cuts: u8,
    /// A worker's or a dispatcher's process ends without a word, and comes back after 0.5 s or 12 s.
    pub crashes: u8,
    /// A worker or a dispatcher stands still for 1 s, 5 s or 12 s.
    pub pauses: u8,
    /// The store's answer to a dispatcher is lost.
    pub losses: u8,
    /// A worker is asked to leave.
    pub leaves: u8,
    /// The most in all.
    pub in_all: u8,
}

/// Kinds of trouble.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    Cut,
    Crash,
    Pause,
    Loss,
    Leave,
}

impl Faults {
    /// Nothing goes wrong.
    pub const NONE: Faults = Faults {
        cuts: 0,
        crashes: 0,
        pauses: 0,
        losses: 0,
        leaves: 0,
        in_all: 0,
    };

    /// One of each, but that nobody leaves.
    pub const ONE_EACH: Faults = Faults {
        cuts: 1,
        crashes: 1,
        pauses: 1,
        losses: 1,
        in_all: 4,
        ..Faults::NONE
    };

    /// The most that can strike, if each kind strikes as often as it may.
    pub const fn sum(&self) -> u8 {
        let Faults {
            cuts,
            crashes,
            pauses,
            losses,
            leaves,
            ..
        } = *self;
        cuts + crashes + pauses + losses + leaves
    }

    /// Whether one of this kind may still strike.
    pub(super) fn has(mut self, fault: Fault) -> bool {
        self.in_all > 0 && *self.of(fault) > 0
    }

    /// One has struck.
    pub(super) fn spend(&mut self, fault: Fault) {
        *self.of(fault) -= 1;
        self.in_all -= 1;
    }

    pub(super) fn of(&mut self, fault: Fault) -> &mut u8 {
        match fault {
            Fault::Cut => &mut self.cuts,
            Fault::Crash => &mut self.crashes,
            Fault::Pause => &mut self.pauses,
            Fault::Loss => &mut self.losses,
            Fault::Leave => &mut self.leaves,
        }
    }
}

impl Default for Scope {
    fn default() -> Scope {
        Scope {
            dispatchers: 1,
            workers: 2,
            tasks: 2,
            flow: Flow::Push,
            faults: Faults::ONE_EACH,
            tampers: Tampers::default(),
        }
    }
}

impl Scope {
    /// The task at this place.
    pub(super) const fn task(index: usize) -> TaskId {
        TaskId(index as u128 + 1)
    }

    /// When each process starts: one after the other, so that no two beat at the same time.
    pub(super) fn starts(place: Place) -> Instant {
        let after = match place {
            Place::Client | Place::Store => 0,
            Place::Dispatcher(index) => 10 * index as u64,
            Place::Worker(index) => 50 + 70 * index as u64,
        };
        Instant::ZERO + Duration::from_millis(after)
    }

    /// What the judges are told of it.
    pub(super) fn plan(&self) -> Plan {
        let workers = (0..self.workers).map(|index| WorkerShape {
            starts: Scope::starts(Place::Worker(index)),
            processes: 1,
        });
        let submits = (0..self.tasks).map(|index| Submit {
            at: Instant::ZERO,
            task: Scope::task(index),
            runs: RUNS,
            ends: Ending::Returns,
            timeout: None,
            at_most_once: false,
        });
        // That somebody may leave is all that a bound depends on.
        let leave = plan::Fault {
            at: Instant::ZERO,
            node: Place::Worker(0),
            what: Trouble::Leave(FOR_GOOD),
        };
        Plan {
            shape: Shape {
                salt: 0,
                dispatchers: (0..self.dispatchers)
                    .map(|index| Scope::starts(Place::Dispatcher(index)))
                    .collect(),
                workers: workers.collect(),
                flow: self.flow,
                latency: Duration::ZERO,
                queue_limit: u64::from(u32::MAX),
                claim_limit: 256,
                timeout: TIMEOUT,
            },
            submits: submits.collect(),
            faults: match self.faults.leaves {
                0 => Vec::new(),
                _ => vec![leave],
            },
            twists: Vec::new(),
            heal_at: Instant::ZERO,
        }
    }
}
