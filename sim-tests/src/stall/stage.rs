//! The plan of a seed: who starts and stops when, and what is submitted.
//!
//! Seeds differ in when the dispatcher starts, and so in the phase of its scans. Ours does not scan;
//! its seeds differ in identities, and in how old the last beat of the stopped workers is.

use std::time::Duration;

use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::store;
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::Flow;
use mpcsfaas_transport_sim::Place;
use mpcsfaas_transport_sim::plan::{
    Bend, Ending, FOR_GOOD, Fault, Occasion, Plan, Shape, Submit, Trouble, Twist, WorkerShape,
};

use super::{Machine, SETTLE, Setting};
use crate::seed_model::stall_rule::Stage;
use crate::seed_model::{BATCH_PAUSE, BEAT, SCAN};

/// A message or a request travels so long, each way.
const LATENCY: Duration = Duration::from_micros(50);

/// How long a task that does nothing runs, with the way through a pool of processes: a guess. It
/// must be longer than the dispatcher takes to send a batch, as it is in the original.
const NO_OP: Duration = Duration::from_millis(5);

/// The old workers start when every dispatcher has.
const OLD_START: Duration = SCAN;

/// They beat so often before they stop.
const OLD_BEATS: u32 = 6;

/// The new workers start so long before the first submit.
const NEW_START: Duration = Duration::from_secs(5);

impl Setting {
    /// The plan of a seed.
    pub(super) fn plan(&self, machine: Machine, seed: u64) -> Plan {
        let old_start = match machine {
            // The gap is counted from the original's last beat.
            Machine::Original => OLD_START,
            Machine::Ours => OLD_START + share(BEAT, seed),
        };
        let new_start = self.first_submit() - NEW_START;
        let crew = |size, start| {
            let worker = WorkerShape {
                starts: Instant::ZERO + start,
                processes: 1,
            };
            std::iter::repeat_n(worker, size)
        };
        let old = crew(self.dead, old_start);
        let new = crew(self.live, new_start);
        Plan {
            shape: Shape {
                salt: seed,
                dispatchers: vec![Instant::ZERO + share(SCAN, seed)],
                workers: old.chain(new).collect(),
                flow: Flow::Push,
                latency: LATENCY,
                queue_limit: store::Config::default().queue_limit,
                claim_limit: 256,
                timeout: self.timeout_of(machine),
            },
            submits: self.submits(),
            faults: self.stops(),
            twists: self.unheard(),
            heal_at: Instant::ZERO
                + self.first_submit()
                + self.completes_within().1.max(self.bound())
                + SETTLE,
        }
    }

    /// The same by the rule, without an overlap: what the original's dispatcher does in this seed.
    pub fn rule(&self, seed: u64) -> Stage {
        let since_start = self.first_submit() - share(SCAN, seed);
        let since_scan = since_start.as_nanos() % SCAN.as_nanos();
        Stage {
            // Who has said goodbye is not registered.
            dead: if self.goodbye { 0 } else { self.dead },
            live: self.live,
            tasks_per_worker: self.tasks_per_worker,
            batch: self.batch,
            pause: BATCH_PAUSE,
            gap: self.gap,
            timeout: self.timeout,
            scan: SCAN,
            next_scan: SCAN - Duration::from_nanos(since_scan as u64),
        }
    }

    /// From the first batch to the last.
    pub(super) fn last_batch(&self) -> Duration {
        let batches = self.tasks().div_ceil(self.batch.max(1));
        BATCH_PAUSE * u32::try_from(batches.saturating_sub(1)).unwrap_or(u32::MAX)
    }

    fn tasks(&self) -> usize {
        self.live * self.tasks_per_worker
    }

    fn first_submit(&self) -> Duration {
        stop() + self.gap - self.overlap
    }

    fn submits(&self) -> Vec<Submit> {
        let batch = self.batch.max(1);
        let submit = |task: usize| Submit {
            at: Instant::ZERO + self.first_submit() + BATCH_PAUSE * (task / batch) as u32,
            task: TaskId(task as u128),
            runs: NO_OP,
            ends: Ending::Returns,
            timeout: None,
            at_most_once: false,
        };
        (0..self.tasks()).map(submit).collect()
    }

    fn stops(&self) -> Vec<Fault> {
        let stop = |worker: usize| Fault {
            at: Instant::ZERO + stop(),
            node: Place::Worker(worker),
            what: match self.goodbye {
                true => Trouble::Leave(FOR_GOOD),
                false => Trouble::Crash(FOR_GOOD),
            },
        };
        (0..self.dead).map(stop).collect()
    }

    /// Nobody hears the end of a connection whose machine is gone.
    fn unheard(&self) -> Vec<Twist> {
        let heard = self.goodbye || self.closes;
        let unheard = |worker: usize| Twist {
            at: Instant::ZERO + stop(),
            nth: 0,
            on: Occasion::EndUp(worker),
            bend: Bend::Lost,
        };
        (0..self.dead).filter(|_| !heard).map(unheard).collect()
    }
}

/// When the old workers stop: at the moment in which the last beat of the original's arrives. It
/// connects, registers and is answered, and beats from then on, which takes four travels in all.
fn stop() -> Duration {
    OLD_START + 4 * LATENCY + OLD_BEATS * BEAT
}

/// A part of a time, by the seed. Multiples of the golden ratio spread any number of seeds evenly.
fn share(whole: Duration, seed: u64) -> Duration {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let turn = u128::from(seed.wrapping_mul(GOLDEN));
    Duration::from_nanos(((turn * whole.as_nanos()) >> 64) as u64)
}
