//! The plan of a seed: workers that have been there for a while, then all the work at once.

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

/// When everything is submitted. All workers have long been welcomed.
pub(super) const SUBMIT: Duration = Duration::from_secs(3);

/// How long a task that does nothing keeps a Python process: two pipes, and two pickles. A guess
/// that is the same for every row.
pub(super) const NOOP: Duration = Duration::from_micros(100);

/// When the dispatcher begins to take time for its steps: before the submit, after the arrivals.
const COSTS_FROM: Duration = Duration::from_secs(2);

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
                timeout: Timing::default().timeout,
            },
            submits: self.submits(&mut Stream::new(seed, "study tasks")),
            faults: self.costs(),
            twists: Vec::new(),
            heal_at: Instant::ZERO + EVER,
        }
    }

    fn submits(&self, rng: &mut Stream) -> Vec<Submit> {
        let submit = |index: usize| Submit {
            at: Instant::ZERO + SUBMIT,
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
        (0..self.tasks()).map(submit).collect()
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
            .saturating_mul(10);
        Instant::ZERO + SUBMIT + Duration::from_secs(60) + work + turns
    }
}
