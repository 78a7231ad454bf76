//! What all parts of a run share.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use madsim::runtime::{Handle, NodeHandle};
use mpcsfaas_core::Machine;
use mpcsfaas_core::id::{FunctionId, TaskId};
use mpcsfaas_core::store::{self, Notice, Op, Reply, Store};
use mpcsfaas_core::task::{Function, Options, Versions};
use mpcsfaas_core::time::WallTime;
use mpcsfaas_transport_real::clock::Clock;
use mpcsfaas_transport_sim::Place;
use mpcsfaas_transport_sim::by_task::ByTask;
use mpcsfaas_transport_sim::history::{Ask, What};
use mpcsfaas_transport_sim::plan::{FOR_GOOD, Plan, Submit};
use mpcsfaas_transport_sim::rng::Stream;
use tokio::sync::Notify;

use crate::bugs::Bug;
use crate::client::Client;
use crate::gate::Gates;
use crate::line::address_of;
use crate::process;
use crate::watch::Watch;

/// The only function; what a task does is in the plan.
pub(crate) const FUNCTION: FunctionId = FunctionId(0xf);

/// The store's clock when the world begins, in milliseconds since the Unix epoch.
const WALL_EPOCH: u64 = 1_700_000_000_000;

/// How soon another process takes the place of one that ended by itself without being asked.
const SOON: Duration = Duration::from_millis(500);

/// Of a thousand children, how many end before they are ready.
const SPAWN_FAILS: u32 = 30;

/// The world of one run. A clone is the same.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) plan: Arc<Plan>,
    pub(crate) bug: Option<Bug>,
    pub(crate) gates: Gates,
    pub(crate) watch: Watch,
    pub(crate) client: Client,
    scripts: Arc<ByTask<Submit>>,
    spawns: Arc<Mutex<Stream>>,
    store: Arc<Mutex<Store>>,
    nodes: Arc<Nodes>,
}

/// The processes, and who starts them.
struct Nodes {
    madsim: Handle,
    /// Where everything lives that is not one of our processes.
    outside: NodeHandle,
    seats: Mutex<BTreeMap<Place, Seat>>,
}

/// A place where a process lives.
struct Seat {
    node: NodeHandle,
    life: u64,
    is_up: bool,
    is_paused: bool,
    /// It was asked to leave: when another comes.
    returns: Option<Duration>,
    /// Nobody comes any more.
    is_gone: bool,
    drain: Arc<Notify>,
}

impl World {
    pub(crate) fn new(plan: Plan, bug: Option<Bug>, told: bool) -> World {
        let madsim = Handle::current();
        let outside = madsim.create_node().name("outside").build();
        let config = store::Config {
            queue_limit: plan.shape.queue_limit,
            ..store::Config::default()
        };
        let mut store = Store::new(config);
        let function = Function {
            name: "scripted".to_owned(),
            body: Bytes::from_static(b"body"),
            options: Options::default(),
            pickled_by: Versions::default(),
        };
        let id = FUNCTION;
        store.apply(WallTime(WALL_EPOCH), Op::PutFunction { id, function });
        let scripts = plan.submits.iter().map(|s| (s.task, s.clone())).collect();
        World {
            bug,
            gates: Gates::new(),
            watch: Watch::new(Clock::start(), told),
            client: Client::new(plan.submits.len()),
            scripts: Arc::new(scripts),
            spawns: Arc::new(Mutex::new(Stream::new(plan.shape.salt, "spawns"))),
            store: Arc::new(Mutex::new(store)),
            nodes: Arc::new(Nodes {
                madsim,
                outside,
                seats: Mutex::default(),
            }),
            plan: Arc::new(plan),
        }
    }

    /// What is planned for a task.
    pub(crate) fn script(&self, task: TaskId) -> Option<&Submit> {
        self.scripts.get(&task)
    }

    /// Whether the next child cannot start. All can once faults are over.
    pub(crate) fn spawn_fails(&self) -> bool {
        let mut spawns = self.spawns.lock().unwrap_or_else(PoisonError::into_inner);
        self.watch.now() < self.plan.heal_at && spawns.per_mille(SPAWN_FAILS)
    }

    /// The store, between two operations.
    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One operation on the store, and whom it rings for.
    pub(crate) fn apply(&self, of: Place, op: Op) -> (Reply, Vec<Notice>) {
        let at = self.watch.now();
        self.watch.takes_in(Place::Store, at, &op);
        if let Op::Cancel { task } = op {
            // Seen first: what it changes comes after it.
            self.watch.see(What::CancelAsked(task));
        }
        let ask = Ask::of(&op);
        if let Place::Dispatcher(_) = of {
            let ask = ask.clone();
            self.watch.see(What::Served { of, ask });
        }
        let mut store = self.store();
        let reply = store.apply(WallTime(WALL_EPOCH + at.as_nanos() / 1_000_000), op);
        self.watch.look_at_store(&mut store);
        if let Some(what) = ask.seen(&reply) {
            self.watch.see(what);
        }
        self.watch.checked(Place::Store, Machine::check(&*store));
        let notices = std::iter::from_fn(|| store.poll_notice()).collect();
        (reply, notices)
    }

    fn seats(&self) -> MutexGuard<'_, BTreeMap<Place, Seat>> {
        let seats = self.nodes.seats.lock();
        seats.unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something that no trouble of a node stops.
    pub(crate) fn outside(&self, what: impl Future<Output = ()> + Send + 'static) {
        self.nodes.outside.spawn(what);
    }

    /// Does something on the client's machine.
    pub(crate) fn on_the_clients_machine(&self, what: impl Future<Output = ()> + Send + 'static) {
        if let Some(seat) = self.seats().get(&Place::Client) {
            seat.node.spawn(what);
        }
    }

    /// Opens a place, and starts the first process there.
    pub(crate) fn open(&self, place: Place) {
        let world = self.clone();
        let node = self
            .nodes
            .madsim
            .create_node()
            .name(place.to_string())
            .ip(address_of(place))
            .init(move || process::live(world.clone(), place))
            .build();
        let seat = Seat {
            node,
            life: 1,
            is_up: true,
            is_paused: false,
            returns: None,
            is_gone: false,
            drain: Arc::default(),
        };
        self.seats().insert(place, seat);
    }

    /// Which life of a place this is, from 1, and by what it is asked to leave.
    pub(crate) fn life(&self, place: Place) -> (u64, Arc<Notify>) {
        self.seats()
            .get(&place)
            .map(|seat| (seat.life, Arc::clone(&seat.drain)))
            .unwrap_or_default()
    }

    /// Fills a place again that is empty.
    fn fill(&self, place: Place) {
        let mut seats = self.seats();
        let Some(seat) = seats.get_mut(&place) else {
            return;
        };
        if seat.is_up || seat.is_gone {
            return;
        }
        seat.life += 1;
        (seat.is_up, seat.returns, seat.drain) = (true, None, Arc::default());
        let node = seat.node.id();
        drop(seats);
        // A process that ended by itself leaves its port bound in madsim; one that is killed does not.
        self.nodes.madsim.kill(node);
        self.nodes.madsim.restart(node);
    }

    /// Fills a place again after a while.
    fn fill_after(&self, place: Place, after: Duration) {
        if after == FOR_GOOD {
            if let Some(seat) = self.seats().get_mut(&place) {
                seat.is_gone = true;
            }
            return;
        }
        let world = self.clone();
        self.outside(async move {
            tokio::time::sleep(after).await;
            world.fill(place);
        });
    }

    /// A process has ended by itself.
    pub(crate) fn left(&self, place: Place) {
        let mut seats = self.seats();
        let Some(seat) = seats.get_mut(&place) else {
            return;
        };
        seat.is_up = false;
        let returns = seat.returns.take().unwrap_or(SOON);
        drop(seats);
        self.watch.ended(place, true);
        self.fill_after(place, returns);
    }

    /// Ends a process without a word; another takes its place after a while.
    pub(crate) fn crash(&self, place: Place, time: Duration) {
        let mut seats = self.seats();
        let Some(seat) = seats.get_mut(&place).filter(|seat| seat.is_up) else {
            return;
        };
        (seat.is_up, seat.is_paused) = (false, false);
        let node = seat.node.id();
        drop(seats);
        self.nodes.madsim.kill(node);
        if place != Place::Store {
            self.watch.ended(place, false);
        }
        self.fill_after(place, time);
    }

    /// Asks a process to leave; another takes its place some time after it has.
    pub(crate) fn ask_to_leave(&self, place: Place, time: Duration) {
        if let Some(seat) = self.seats().get_mut(&place).filter(|seat| seat.is_up) {
            seat.returns = Some(time);
            seat.drain.notify_one();
        }
    }

    /// Stands a process still.
    pub(crate) fn pause(&self, place: Place) {
        if let Some(seat) = self.seats().get_mut(&place).filter(|seat| seat.is_up) {
            seat.is_paused = true;
            self.nodes.madsim.pause(seat.node.id());
        }
    }

    /// Lets it go on.
    pub(crate) fn resume(&self, place: Place) {
        if let Some(seat) = self.seats().get_mut(&place).filter(|seat| seat.is_paused) {
            seat.is_paused = false;
            self.nodes.madsim.resume(seat.node.id());
            self.watch.see(What::Over { node: place });
        }
    }

    /// Ends all trouble: everybody but those who left for good is up, awake and connected.
    pub(crate) fn heal(&self) {
        self.watch.see(What::Healed);
        self.gates.open_all();
        let places: Vec<Place> = self.seats().keys().copied().collect();
        for place in places {
            self.resume(place);
            self.fill(place);
        }
    }
}

impl fmt::Debug for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nodes").finish_non_exhaustive()
    }
}
