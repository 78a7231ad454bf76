//! The plan of a seed: workers that have each had a task, then all the work at once.
//!
//! ```text
//!   arriving (1 s) ──▶ 2 s: steps begin to cost ──▶ a task for each worker ──▶ all idle ──▶ the work
//! ```
//!
//! With the first tasks the function travels to everybody, and workers learn how long tasks take and
//! ask for as many as suits that.

use std::time::Duration;

use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::store;
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::timing::Timing;
use mpcsfaas_transport_sim::Place;
use mpcsfaas_transport_sim::plan::{Ending, Fault, Plan, Shape, Submit, Trouble, WorkerShape};
use mpcsfaas_transport_sim::rng::Stream;

use super::{Point, Workload};

/// Workers start within so long, so that their beats are spread and do not come in one heap.
const ARRIVING: Duration = Duration::from_secs(1);

/// How long a task that does nothing keeps a Python process: two pipes, and two pickles. A guess
/// that is the same for every row.
pub(super) const NOOP: Duration = Duration::from_micros(100);

/// When the dispatcher begins to take time for its steps: everybody has been welcomed.
const COSTS_FROM: Duration = Duration::from_secs(2);

/// When each worker gets its first task.
const WARM_UP: Duration = Duration::from_millis(2_100);

/// The first tasks have ended within so many links, even if a claim brings only some of them.
const LINKS: u32 = 200;

/// A task is at most so many steps of the dispatcher.
const STEPS: u32 = 10;

/// Longer than any run. Until then a world is as its plan says.
const EVER: Duration = Duration::from_secs(24 * 3_600);

impl Point {
    /// The plan of a seed.
    pub(super) fn plan(&self, seed: u64) -> Plan {
        let mut rng = Stream::new(seed, "study");
        let workers = (0..self.workers).map(|_| WorkerShape {
            starts: Instant::ZERO + rng.between(Duration::ZERO, ARRIVING),
            processes: self.processes,
        });
        Plan {
            shape: Shape {
                salt: seed,
                dispatchers: vec![Instant::ZERO],
                workers: workers.collect(),
                flow: self.flow,
                latency: self.latency,
                queue_limit: store::Config::default().queue_limit,
                claim_limit: 256,
                timeout: Timing::default().timeout,
            },
            submits: self.submits(&mut Stream::new(seed, "study tasks")),
            faults: self.costs(),
            twists: Vec::new(),
            heal_at: Instant::ZERO + EVER,
        }
    }

    /// When the work is submitted: the first tasks have ended, and all is quiet.
    pub(super) fn submit_at(&self) -> Instant {
        let workers = u32::try_from(self.workers).unwrap_or(u32::MAX);
        let steps = (STEPS * self.step_cost).saturating_mul(workers);
        let quiet = Duration::from_secs(1);
        Instant::ZERO + WARM_UP + LINKS * self.latency + 2 * self.longest() + steps + quiet
    }

    /// The first tasks, and the work.
    fn submits(&self, rng: &mut Stream) -> Vec<Submit> {
        let submit = |index: usize| Submit {
            at: match index < self.workers {
                true => Instant::ZERO + WARM_UP,
                false => self.submit_at(),
            },
            task: TaskId(u128::from(rng.u64()) << 32 | index as u128),
            runs: match self.workload {
                Workload::Noop => NOOP,
                Workload::Sleep => self.runs,
                Workload::Cpu => rng.between(self.runs / 2, self.longest()),
            },
            ends: Ending::Returns,
            timeout: None,
            at_most_once: false,
        };
        (0..self.workers + self.tasks()).map(submit).collect()
    }

    fn longest(&self) -> Duration {
        self.runs + self.runs / 2
    }

    /// A cost of each step is a trouble of the world: a node that is slow.
    fn costs(&self) -> Vec<Fault> {
        let slow = Fault {
            at: Instant::ZERO + COSTS_FROM,
            node: Place::Dispatcher(0),
            what: Trouble::Slow {
                by: self.step_cost,
                time: EVER,
            },
        };
        (!self.step_cost.is_zero())
            .then_some(slow)
            .into_iter()
            .collect()
    }

    /// When a run is given up. Nothing here comes near it, unless tasks are lost.
    pub(super) fn gives_up_at(&self) -> Instant {
        let tasks = u32::try_from(self.tasks()).unwrap_or(u32::MAX);
        let each = u32::try_from(self.tasks_per_worker).unwrap_or(u32::MAX);
        let work = self.longest().saturating_mul(each);
        let turns = (self.latency + self.step_cost)
            .saturating_mul(tasks)
            .saturating_mul(STEPS);
        self.submit_at() + Duration::from_secs(60) + (work + turns)
    }
}
