//! The world of a scenario: a plan, how the original is set up in it, and who else is there.

use std::time::Duration;

use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::Flow;
use mpcsfaas_transport_sim::Place;
use mpcsfaas_transport_sim::plan::{
    Bend, Ending, Fault, Occasion, Plan, Shape, Submit, Trouble, Twist, WorkerShape,
};

use crate::run::{Case, Run};
use crate::seed_model::{DispatcherConfig, Mode, Original, Role};

pub(super) const D0: Place = Place::Dispatcher(0);
pub(super) const W0: Place = Place::Worker(0);
pub(super) const W1: Place = Place::Worker(1);
pub(super) const T1: TaskId = TaskId(1);
pub(super) const T2: TaskId = TaskId(2);

/// A message or a request to the store travels so long.
const LATENCY: Duration = Duration::from_millis(1);

/// A world to play in.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How the original works in it.
    pub mode: Mode,
    /// Who is there, what is submitted, what goes wrong.
    pub plan: Plan,
    /// How the original's dispatchers are set up.
    pub dispatcher: DispatcherConfig,
    /// Peers that are no workers, at workers' places, in the original's world. In ours a worker is
    /// there.
    pub strangers: Vec<(usize, Role)>,
}

impl Setup {
    /// When the world begins.
    pub(super) const START: Instant = Instant::ZERO;

    /// A dispatcher from the beginning, nothing else. All is well again after `heal_after` seconds.
    pub(super) fn new(mode: Mode, heal_after: u64) -> Setup {
        let shape = Shape {
            salt: 0,
            dispatchers: vec![Instant::ZERO],
            workers: Vec::new(),
            flow: match mode {
                Mode::Pull => Flow::Pull,
                Mode::Push | Mode::Local => Flow::Push,
            },
            latency: LATENCY,
            queue_limit: 1_000,
            claim_limit: 256,
            timeout: Duration::from_secs(3),
        };
        Setup {
            mode,
            plan: Plan {
                shape,
                submits: Vec::new(),
                faults: Vec::new(),
                twists: Vec::new(),
                heal_at: at(heal_after * 1_000),
            },
            dispatcher: DispatcherConfig::default(),
            strangers: Vec::new(),
        }
    }

    /// The first dispatcher starts later.
    pub(super) fn dispatcher_starts(mut self, millis: u64) -> Setup {
        self.plan.shape.dispatchers[0] = at(millis);
        self
    }

    /// Another dispatcher, from the beginning.
    pub(super) fn second_dispatcher(mut self) -> Setup {
        self.plan.shape.dispatchers.push(Instant::ZERO);
        self
    }

    /// Another worker.
    pub(super) fn worker(mut self, millis: u64, processes: u32) -> Setup {
        self.plan.shape.workers.push(WorkerShape {
            starts: at(millis),
            processes,
        });
        self
    }

    /// A place where somebody else lives than a worker, if the original plays.
    pub(super) fn stranger(mut self, millis: u64, role: Role) -> Setup {
        self.strangers.push((self.plan.shape.workers.len(), role));
        self.worker(millis, 1)
    }

    /// Another task; they are T1, T2, ...
    pub(super) fn task(self, millis: u64, runs_for: u64) -> Setup {
        self.task_that(Ending::Returns, millis, runs_for)
    }

    /// Another task that ends in this way.
    pub(super) fn task_that(mut self, ends: Ending, millis: u64, runs_for: u64) -> Setup {
        let submits = &mut self.plan.submits;
        submits.push(Submit {
            at: at(millis),
            task: TaskId(submits.len() as u128 + 1),
            runs: ms(runs_for),
            ends,
            timeout: None,
            at_most_once: false,
        });
        self
    }

    /// Something goes wrong.
    pub(super) fn fault(mut self, millis: u64, node: Place, what: Trouble) -> Setup {
        let at = at(millis);
        self.plan.faults.push(Fault { at, node, what });
        self
    }

    /// Something goes another way than it usually does.
    pub(super) fn twist(mut self, millis: u64, on: Occasion, bend: Bend) -> Setup {
        let at = at(millis);
        let twist = Twist {
            at,
            nth: 0,
            on,
            bend,
        };
        self.plan.twists.push(twist);
        self
    }

    /// Takes all faults, twists and strangers away.
    pub(super) fn calm(&mut self) {
        self.plan.faults.clear();
        self.plan.twists.clear();
        self.strangers.clear();
    }

    /// The original in it.
    pub fn original(&self) -> Original {
        Original {
            dispatcher: self.dispatcher,
            strangers: self.strangers.clone(),
            ..Original::of(&self.plan, self.mode)
        }
    }

    /// Lets the original play. Nobody judges it.
    pub fn played_by_the_original(&self) -> Run {
        let cast = Box::new(self.original());
        Case::of_plan(&self.plan).played_by(cast).kept().run()
    }

    /// Lets ours play, up to the first promise that is broken.
    pub fn played_by_ours(&self) -> Run {
        Case::of_plan(&self.plan).kept().run()
    }
}

pub(super) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn at(millis: u64) -> Instant {
    Instant::ZERO + ms(millis)
}
