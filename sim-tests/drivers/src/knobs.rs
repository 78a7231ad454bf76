//! How a seed draws a run.

use std::time::Duration;

use mpcsfaas_core::wire::message::Flow;
use mpcsfaas_transport_sim::knobs::Load;
use mpcsfaas_transport_sim::plan::{Fault, Trouble, Way};
use mpcsfaas_transport_sim::rng::Stream;
use mpcsfaas_transport_sim::{Knobs, Place};

/// Every fault that a driver can be put through here.
pub(crate) const FAULTS: [&str; 17] = [
    "cut",
    "clog",
    "partition",
    "partition-up",
    "partition-down",
    "worker-pause",
    "worker-crash",
    "worker-leave",
    "dispatcher-pause",
    "dispatcher-crash",
    "dispatcher-leave",
    "store-cut",
    "store-pause",
    "store-crash",
    "cancel",
    "junk",
    "impostor",
];

/// The name of a fault, if it is one of these.
pub(crate) fn name_of(fault: &Fault) -> Option<&'static str> {
    Some(match (fault.what, fault.node) {
        (Trouble::Cut, _) => "cut",
        (Trouble::Clog(_), _) => "clog",
        (Trouble::Partition { way, .. }, _) => match way {
            Way::Both => "partition",
            Way::Up => "partition-up",
            Way::Down => "partition-down",
        },
        (Trouble::Pause(_), Place::Worker(_)) => "worker-pause",
        (Trouble::Pause(_), Place::Dispatcher(_)) => "dispatcher-pause",
        (Trouble::Pause(_), Place::Store) => "store-pause",
        (Trouble::Crash(_), Place::Worker(_)) => "worker-crash",
        (Trouble::Crash(_), Place::Dispatcher(_)) => "dispatcher-crash",
        (Trouble::Crash(_), Place::Store) => "store-crash",
        (Trouble::Leave(_), Place::Worker(_)) => "worker-leave",
        (Trouble::Leave(_), Place::Dispatcher(_)) => "dispatcher-leave",
        (Trouble::StoreCut(_), _) => "store-cut",
        (Trouble::Cancel(_), _) => "cancel",
        (Trouble::Junk, _) => "junk",
        (Trouble::Impostor, _) => "impostor",
        _ => return None,
    })
}

/// The settings of a seed: every seed its own subset and strength of troubles.
pub(crate) fn knobs_of(seed: u64) -> Knobs {
    let mut rng = Stream::new(seed, "drivers");
    let mut knobs = Knobs::calm();
    knobs.dispatchers = 1 + rng.below(2);
    knobs.workers = 1 + rng.below(3);
    knobs.processes = 1 + rng.below(2);
    knobs.flow = [Flow::Push, Flow::Pull][rng.below(2)];
    knobs.latency = [1, 5, 20].map(Duration::from_millis)[rng.below(3)];
    knobs.trouble = rng.between(Duration::from_secs(10), Duration::from_secs(20));
    knobs.tasks = 5 + rng.below(40);
    knobs.load = [Load::Even, Load::Bursts, Load::Idle, Load::Skewed][rng.below(4)];
    knobs.longest_task = [20, 500, 2_000].map(Duration::from_millis)[rng.below(3)];
    let density = [50, 150, 400][rng.below(3)];
    let mut rate = |most: usize| match rng.per_mille(density) {
        true => rng.below(most) as u32,
        false => 0,
    };
    knobs.at_most_once = rate(300);
    knobs.deadlines = rate(300);
    knobs.bad_ends = rate(200);
    for name in FAULTS {
        let count = rate(4);
        if count > 0 {
            knobs.faults.push((name, count));
        }
    }
    if rng.per_mille(250) {
        // Much that waits at workers: who leaves has something to hand back.
        knobs.load = Load::Bursts;
        knobs.longest_task = Duration::from_millis(20);
        knobs.tasks = 60 + rng.below(60);
        knobs.processes = 1;
        knobs.faults.push(("worker-leave", 2));
    }
    knobs
}
