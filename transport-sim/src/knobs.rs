//! What can be set in a world, and how a seed draws it.
//!
//! Each seed draws its own subset and strength of faults (swarm testing: Groce et al. 2012), so
//! that one kind of fault does not hide what another would find.

use std::time::Duration;

use mpcsfaas_core::wire::message::Flow;

use crate::rng::Stream;

/// The settings of a world.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Knobs {
    /// Dispatchers.
    pub dispatchers: usize,
    /// Workers.
    pub workers: usize,
    /// Python processes of each worker.
    pub processes: u32,
    /// How workers take tasks.
    pub flow: Flow,
    /// Tasks that the client submits.
    pub tasks: usize,
    /// Of a thousand tasks, how many may run at most once.
    pub at_most_once: u32,
    /// The longest a task runs.
    pub longest_task: Duration,
    /// Of a thousand tasks, how many end their Python child.
    pub child_exits: u32,
    /// The longest a message travels.
    pub latency: Duration,
    /// How long faults happen; afterwards everything is healed.
    pub trouble: Duration,
    /// How many of each kind of fault happen in that time.
    pub faults: Vec<(FaultKind, u32)>,
    /// Of a thousand messages within a session, how many are lost silently.
    pub lost_messages: u32,
    /// Of a thousand store requests, how many are carried out but not answered.
    pub lost_replies: u32,
    /// Of a thousand store requests, how many never arrive.
    pub lost_requests: u32,
    /// Of a thousand store requests, how many arrive a second time, later.
    pub repeated_requests: u32,
    /// Of a thousand closed connections, how many does the other side not hear of.
    pub silent_closes: u32,
}

/// The kinds of fault that happen at a time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FaultKind {
    /// A worker's connection is cut.
    Cut,
    /// A connection delivers nothing for a while.
    Clog,
    /// A worker ends without a word; another takes its place.
    WorkerCrash,
    /// A worker stands still.
    WorkerPause,
    /// A worker is asked to leave; another takes its place.
    WorkerDrain,
    /// A dispatcher ends without a word and is restarted.
    DispatcherCrash,
    /// A dispatcher stands still.
    DispatcherPause,
    /// A dispatcher is asked to leave and is restarted.
    DispatcherDrain,
    /// A dispatcher loses its connection to the store.
    StoreCut,
    /// The store stands still.
    StorePause,
    /// A user cancels a task.
    Cancel,
}

impl FaultKind {
    /// All kinds.
    pub const ALL: [FaultKind; 11] = [
        FaultKind::Cut,
        FaultKind::Clog,
        FaultKind::WorkerCrash,
        FaultKind::WorkerPause,
        FaultKind::WorkerDrain,
        FaultKind::DispatcherCrash,
        FaultKind::DispatcherPause,
        FaultKind::DispatcherDrain,
        FaultKind::StoreCut,
        FaultKind::StorePause,
        FaultKind::Cancel,
    ];
}

impl Knobs {
    /// A world without faults.
    pub fn calm() -> Knobs {
        Knobs {
            dispatchers: 1,
            workers: 2,
            processes: 2,
            flow: Flow::Push,
            tasks: 50,
            at_most_once: 0,
            longest_task: Duration::from_millis(200),
            child_exits: 0,
            latency: Duration::from_millis(1),
            trouble: Duration::from_secs(5),
            faults: Vec::new(),
            lost_messages: 0,
            lost_replies: 0,
            lost_requests: 0,
            repeated_requests: 0,
            silent_closes: 0,
        }
    }

    /// The world of a seed.
    pub fn swarm(seed: u64) -> Knobs {
        let mut rng = Stream::new(seed, "knobs");
        let mut knobs = Knobs::calm();
        knobs.dispatchers = 1 + rng.below(3);
        knobs.workers = 1 + rng.below(4);
        knobs.processes = 1 + rng.below(3) as u32;
        knobs.flow = if rng.per_mille(500) {
            Flow::Push
        } else {
            Flow::Pull
        };
        knobs.tasks = 5 + rng.below(60);
        knobs.trouble = rng.between(Duration::from_secs(5), Duration::from_secs(30));
        knobs.longest_task = [1, 20, 500, 5_000].map(Duration::from_millis)[rng.below(4)];
        knobs.latency = [200, 1_000, 20_000, 200_000].map(Duration::from_micros)[rng.below(4)];
        let mut rate = |most: usize| {
            if rng.per_mille(500) {
                rng.below(most) as u32
            } else {
                0
            }
        };
        knobs.at_most_once = rate(300);
        knobs.child_exits = rate(200);
        knobs.lost_messages = rate(20);
        knobs.lost_replies = rate(100);
        knobs.lost_requests = rate(100);
        knobs.repeated_requests = rate(100);
        knobs.silent_closes = rate(1_000);
        for kind in FaultKind::ALL {
            let count = rate(6);
            if count > 0 {
                knobs.faults.push((kind, count));
            }
        }
        knobs
    }
}
