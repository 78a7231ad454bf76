//! A state: everything that decides what may happen next, and what the judges have seen so far.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU128;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mpcsfaas_core::dispatcher::{self, Dispatcher};
use mpcsfaas_core::id::Session;
use mpcsfaas_core::store::{self, Op, RequestId, Store};
use mpcsfaas_core::task::{Function, Options, Versions};
use mpcsfaas_core::time::{Instant, WallTime};
use mpcsfaas_core::wire::message::{FromDispatcher, FromWorker, TaskRef};
use mpcsfaas_core::worker::Worker;
use mpcsfaas_core::worker::child::ChildFact;
use mpcsfaas_transport_sim::history::WorkerState;
use mpcsfaas_transport_sim::place::Place;
use mpcsfaas_transport_sim::tamper::{Bugged, TamperStore, Told};

use super::act::FUNCTION;
use super::judges::{Judges, Past};
use super::part::{Digest, Known, Part, Pool};
use super::scope::{Faults, RETURNS, Scope};

/// The store's clock when the world begins, in milliseconds since the Unix epoch.
const WALL_EPOCH: u64 = 1_700_000_000_000;

/// One state of the small world.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// World time; every clock shows it.
    pub(super) now: Instant,
    pub(super) store: Part<StoreNode>,
    pub(super) dispatchers: Vec<Part<DispatcherNode>>,
    pub(super) workers: Vec<Part<WorkerNode>>,
    /// Connections, by worker and then by age.
    pub(super) pipes: Vec<Part<Pipe>>,
    /// What each dispatcher has asked of the store and the store has not carried out.
    pub(super) requests: Vec<Part<Vec<Request>>>,
    /// How many tasks the client has submitted.
    pub(super) submitted: usize,
    /// What may still go wrong.
    pub(super) faults: Faults,
    pub(super) past: Past,
    pub(super) judges: Arc<Judges>,
}

/// What states share.
#[derive(Debug, Default)]
pub(super) struct Pools {
    stores: Pool<Known<StoreNode>>,
    dispatchers: Pool<Known<DispatcherNode>>,
    workers: Pool<Known<WorkerNode>>,
    requests: Pool<Known<Vec<Request>>>,
    pipes: Pool<Known<Pipe>>,
    /// By what they have seen.
    pub(super) judges: Pool<Judges>,
}

impl Pools {
    pub(super) fn tidy(&self) {
        self.stores.tidy();
        self.dispatchers.tidy();
        self.workers.tidy();
        self.requests.tidy();
        self.pipes.tidy();
        self.judges.tidy();
    }
}

/// Whether a process is there, and goes on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Standing {
    Up,
    /// It stands still until then at least; for which of the pauses.
    Still(Instant, usize),
    /// There is none; another may come then; after which of the times.
    Down(Instant, usize),
    /// It has left for good.
    Gone,
}

/// A dispatcher's place.
#[derive(Clone, Hash, Debug)]
pub(super) struct DispatcherNode {
    pub(super) life: u64,
    pub(super) standing: Standing,
    pub(super) process: Option<Bugged<Dispatcher>>,
    /// What it will learn, in this order: the store's answers, and what its driver found out.
    pub(super) facts: VecDeque<dispatcher::Input>,
    /// What the store has told everybody, in this order. Two rings that have not been heard are one.
    pub(super) doorbell: VecDeque<dispatcher::Input>,
    /// Requests whose answers were lost, and when the driver loses its patience.
    pub(super) failing: Vec<(Instant, RequestId)>,
}

/// A worker's place.
#[derive(Clone, Hash, Debug)]
pub(super) struct WorkerNode {
    pub(super) life: u64,
    pub(super) standing: Standing,
    pub(super) process: Option<Bugged<Worker>>,
    /// What it will learn of its children, in this order.
    pub(super) facts: VecDeque<ChildFact>,
    /// What the child of each slot runs, and since when.
    pub(super) children: Vec<Option<(TaskRef, Instant)>>,
    /// How many connections found nobody: the next one goes to the next dispatcher.
    pub(super) refusals: usize,
}

/// The store, and the bug that was planted in front of it, if one was.
#[derive(Debug)]
pub(super) struct StoreNode {
    pub(super) store: Store,
    pub(super) tamper: Option<Box<dyn TamperStore>>,
    /// What it would forget when the bug changes its rows.
    pub(super) told: Told,
}

/// A request to the store.
#[derive(Clone, Hash, Debug)]
pub(super) struct Request {
    /// Of which life of the dispatcher.
    pub(super) life: u64,
    pub(super) request: RequestId,
    pub(super) op: Op,
    pub(super) asked_at: Instant,
}

/// A connection from a worker to a dispatcher: what is under way, in order, both ways.
#[derive(Clone, Hash, Debug)]
pub(super) struct Pipe {
    pub(super) worker: usize,
    pub(super) worker_life: u64,
    pub(super) session: Session,
    pub(super) identity: Bytes,
    pub(super) dispatcher: usize,
    /// Which life of the dispatcher has read its first message.
    pub(super) heard_by: Option<u64>,
    pub(super) up: VecDeque<Up>,
    pub(super) down: VecDeque<Down>,
    /// It was cut: nothing more is sent.
    pub(super) is_cut: bool,
    pub(super) worker_open: bool,
    pub(super) dispatcher_open: bool,
}

/// What is under way to a dispatcher.
#[derive(Clone, Hash, Debug)]
pub(super) enum Up {
    Message(FromWorker),
    /// The connection is over. If it did not end in order, any tail of what comes before may be lost.
    End {
        in_order: bool,
    },
}

/// What is under way to a worker.
#[derive(Clone, Hash, Debug)]
pub(super) enum Down {
    Message(FromDispatcher),
    /// The connection is over.
    End {
        refused: bool,
    },
}

impl State {
    /// Before anything has started.
    pub(super) fn new(scope: &Scope) -> State {
        let mut store = Store::new(store::Config::default());
        let function = Function {
            name: "scripted".to_owned(),
            body: Bytes::from_static(b"body"),
            options: Options::default(),
            pickled_by: Versions::default(),
        };
        let id = FUNCTION;
        store.apply(WallTime(WALL_EPOCH), Op::PutFunction { id, function });
        store.take_changes();
        let store = StoreNode {
            store,
            tamper: scope.tampers.store.map(|make| make()),
            told: Told::default(),
        };
        let starts = |place| Standing::Down(Scope::starts(place), RETURNS.len() - 1);
        let dispatchers = (0..scope.dispatchers).map(|index| {
            Part::new(DispatcherNode {
                life: 0,
                standing: starts(Place::Dispatcher(index)),
                process: None,
                facts: VecDeque::new(),
                doorbell: VecDeque::new(),
                failing: Vec::new(),
            })
        });
        let workers = (0..scope.workers).map(|index| {
            Part::new(WorkerNode {
                life: 0,
                standing: starts(Place::Worker(index)),
                process: None,
                facts: VecDeque::new(),
                children: Vec::new(),
                refusals: 0,
            })
        });
        State {
            now: Instant::ZERO,
            store: Part::new(store),
            dispatchers: dispatchers.collect(),
            workers: workers.collect(),
            pipes: Vec::new(),
            requests: (0..scope.dispatchers)
                .map(|_| Part::new(Vec::new()))
                .collect(),
            submitted: 0,
            faults: scope.faults,
            past: Past::default(),
            judges: Arc::new(Judges::new(scope)),
        }
    }

    /// Two states with the same key have the same future, and the same verdicts on it.
    pub(super) fn key(&mut self, pools: &Pools) -> NonZeroU128 {
        let mut key = Digest::new();
        (self.now, self.submitted, self.faults, self.past).hash(&mut key);
        self.store.settle(&pools.stores).hash(&mut key);
        for part in &mut self.dispatchers {
            part.settle(&pools.dispatchers).hash(&mut key);
        }
        for part in &mut self.workers {
            part.settle(&pools.workers).hash(&mut key);
        }
        for part in &mut self.requests {
            part.settle(&pools.requests).hash(&mut key);
        }
        for part in &mut self.pipes {
            part.settle(&pools.pipes).hash(&mut key);
        }
        key.value()
    }

    /// The store's clock.
    pub(super) fn wall_time(&self) -> WallTime {
        WallTime(WALL_EPOCH + self.now.as_nanos() / 1_000_000)
    }

    /// Whether every task was submitted and has ended.
    pub(super) fn is_done(&self, scope: &Scope) -> bool {
        self.submitted == scope.tasks
            && self
                .store
                .store
                .tasks()
                .all(|(_, row)| row.status.is_terminal())
    }

    /// Whether everybody who has not left is up and goes on.
    pub(super) fn is_well(&self) -> bool {
        let well = |standing: Standing| matches!(standing, Standing::Up | Standing::Gone);
        self.dispatchers.iter().all(|node| well(node.standing))
            && self.workers.iter().all(|node| well(node.standing))
            && self.dispatchers.iter().all(|node| node.failing.is_empty())
    }

    /// When something happens by itself next, if nothing happens before.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let dispatchers = self.dispatchers.iter().filter_map(|node| {
            let own = || {
                let timer = node.process.as_ref()?.deadline();
                let failing = node.failing.iter().map(|(at, _)| *at).min();
                earlier(timer, failing)
            };
            node.standing.deadline(own)
        });
        let workers = self.workers.iter().filter_map(|node| {
            let own = || node.process.as_ref()?.deadline();
            node.standing.deadline(own)
        });
        dispatchers.chain(workers).min()
    }

    /// The connection that a worker uses.
    pub(super) fn pipe_of(&self, worker: usize) -> Option<usize> {
        self.pipes
            .iter()
            .position(|pipe| pipe.worker == worker && pipe.worker_open)
    }

    /// What a judge sees of a worker, if it is there.
    pub(super) fn look_at_worker(&self, index: usize) -> Option<WorkerState> {
        let node = &self.workers[index];
        let machine = &node.process.as_ref()?.machine;
        let pipe = self.pipe_of(index).map(|index| &self.pipes[index]);
        Some(WorkerState {
            node: Place::Worker(index),
            id: machine.id(),
            session: machine.session(),
            welcome: machine.is_welcome(),
            dispatcher: pipe.map(|pipe| Place::Dispatcher(pipe.dispatcher)),
            held: machine.held(),
            running: node.children.iter().flatten().count(),
            credit: machine.credit(),
            ready: 1,
            over_credit: machine.counters().over_credit > 0,
            leaving: machine.is_leaving_work(),
        })
    }
}

impl Standing {
    pub(super) fn is_up(self) -> bool {
        self == Standing::Up
    }

    fn deadline(self, own: impl FnOnce() -> Option<Instant>) -> Option<Instant> {
        match self {
            Standing::Up => own(),
            Standing::Still(until, _) | Standing::Down(until, _) => Some(until),
            Standing::Gone => None,
        }
    }
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

impl Clone for StoreNode {
    fn clone(&self) -> StoreNode {
        StoreNode {
            store: self.store.clone(),
            tamper: self.tamper.as_ref().map(|tamper| tamper.fork()),
            told: self.told.clone(),
        }
    }
}

impl Hash for StoreNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.store.hash(state);
        self.told.hash(state);
        if let Some(tamper) = &self.tamper {
            format!("{tamper:?}").hash(state);
        }
    }
}

/// How long a driver waits for the store's answer before it calls a request failed.
pub(super) const PATIENCE: Duration = Duration::from_millis(500);
