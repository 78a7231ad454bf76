//! Who of the original lives where in a world.

use std::fmt;

use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::guest::{Fact, Guest, Order};
use mpcsfaas_transport_sim::plan::Plan;
use mpcsfaas_transport_sim::{Cast, Place};

use super::stranger::{Role, Stranger};
use super::{
    DispatcherConfig, Gateway, LocalDispatcher, PullDispatcher, PullWorker, PushDispatcher,
    PushWorker, WorkerConfig,
};

/// The original's modes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Mode {
    /// The dispatcher runs tasks itself.
    Local,
    /// The dispatcher sends tasks to workers.
    Push,
    /// Workers ask for tasks.
    Pull,
}

/// Which places are the original's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// All but the store.
    Everybody,
    /// The workers: they join a dispatcher of ours.
    Workers,
    /// Nobody but the strangers.
    Strangers,
}

/// The original in a world.
#[derive(Clone, Debug)]
pub struct Original {
    /// How tasks get to processes.
    pub mode: Mode,
    /// How its dispatchers are set up.
    pub dispatcher: DispatcherConfig,
    /// What it plays.
    pub part: Part,
    /// Peers that are no workers, at workers' places.
    pub strangers: Vec<(usize, Role)>,
    /// How many processes each worker has. In local mode the dispatcher has all of them.
    pub processes: Vec<usize>,
}

impl Original {
    /// The whole original, with as many processes at each place as the plan says.
    pub fn of(plan: &Plan, mode: Mode) -> Original {
        let workers = plan.shape.workers.iter();
        Original {
            mode,
            dispatcher: DispatcherConfig::default(),
            part: Part::Everybody,
            strangers: Vec::new(),
            processes: workers.map(|worker| worker.processes as usize).collect(),
        }
    }

    fn dispatcher(&self, now: Instant) -> Box<dyn Guest> {
        match self.mode {
            Mode::Local => Box::new(LocalDispatcher::new(now, self.processes.iter().sum())),
            Mode::Push => Box::new(PushDispatcher::new(now, self.dispatcher)),
            Mode::Pull => Box::new(PullDispatcher::new(now, self.dispatcher)),
        }
    }

    fn worker(&self, now: Instant, index: usize, life: u64) -> Box<dyn Guest> {
        let name = name_of(index, life);
        let config = WorkerConfig {
            processes: self.processes[index],
            // Who says it and who understands it go together.
            goodbye: self.dispatcher.goodbye,
            ..WorkerConfig::default()
        };
        match self.mode {
            Mode::Local => Box::new(Nobody),
            Mode::Push => Box::new(PushWorker::new(now, name, config)),
            Mode::Pull => Box::new(PullWorker::new(now, name, config)),
        }
    }

    fn role(&self, place: Place) -> Option<&Role> {
        let mut strangers = self.strangers.iter();
        let (_, role) = strangers.find(|(index, _)| place == Place::Worker(*index))?;
        Some(role)
    }
}

impl Cast for Original {
    fn guest(&self, place: Place, now: Instant, life: u64) -> Option<Box<dyn Guest>> {
        if let Some(role) = self.role(place) {
            let lock_step = self.mode == Mode::Pull;
            return Some(Box::new(Stranger::new(now, lock_step, role)));
        }
        match (self.part, place) {
            (Part::Everybody, Place::Client) => Some(Box::new(Gateway::new(now))),
            (Part::Everybody, Place::Dispatcher(_)) => Some(self.dispatcher(now)),
            (Part::Everybody | Part::Workers, Place::Worker(index)) => {
                Some(self.worker(now, index, life))
            }
            (Part::Workers | Part::Strangers, _) | (Part::Everybody, Place::Store) => None,
        }
    }
}

/// What a worker calls itself in one of its lives.
pub fn name_of(worker: usize, life: u64) -> String {
    format!("W{worker}.{life}")
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Mode::Local => "local",
            Mode::Push => "push",
            Mode::Pull => "pull",
        })
    }
}

/// Local mode has no workers: their places stay empty.
#[derive(Debug)]
struct Nobody;

impl Guest for Nobody {
    fn step(&mut self, _now: Instant, _fact: Option<Fact>, orders: &mut Vec<Order>) {
        orders.push(Order::Exit);
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }
}
