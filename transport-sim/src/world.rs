//! The nodes of the world, and the one function that moves it: [`World::step`].

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use mpcsfaas_core::dispatcher::{self, Dispatcher};
use mpcsfaas_core::id::{FunctionId, Incarnation, TaskId};
use mpcsfaas_core::store::{Op, RequestId, Store};
use mpcsfaas_core::task::{Function, Options, Versions};
use mpcsfaas_core::time::{Instant, WallTime};
use mpcsfaas_core::wire::message::{ToDispatcher, ToWorker};
use mpcsfaas_core::worker::{self, Worker};

use crate::chain::Chain;
use crate::chance::Chance;
use crate::children::Slot;
use crate::client::Client;
use crate::clock::Clock;
use crate::event::{Body, Event};
use crate::guest::{Guest, Order};
use crate::heap::Heap;
use crate::history::{Seen, What};
use crate::link::Partition;
use crate::marks::Marks;
use crate::node::{Node, Process};
use crate::place::Place;
use crate::plan::{Bend, Occasion, Plan};
use crate::redis::Keyspace;
use crate::storage::{StoreLink, config_of};
use crate::tamper::{TamperStore, Tampers, Told};
use crate::telling::Telling;
use crate::watch::Watch;
use crate::zmq::dealer::Dealer;
use crate::zmq::pipe::{PipeId, Pipes};
use crate::zmq::router::Router;

/// Decides which processes are guests; ours live everywhere else.
pub trait Cast: std::fmt::Debug {
    /// The guest that lives at a place, fresh, at this time of its own clock. `None`: one of ours.
    fn guest(&self, place: Place, now: Instant, life: u64) -> Option<Box<dyn Guest>>;
}

/// Everybody is one of ours.
#[derive(Clone, Copy, Debug)]
pub struct Ours;

impl Cast for Ours {
    fn guest(&self, _place: Place, _now: Instant, _life: u64) -> Option<Box<dyn Guest>> {
        None
    }
}

/// The world.
#[derive(Debug)]
pub struct World {
    pub(crate) plan: Plan,
    pub(crate) cast: Box<dyn Cast>,
    pub(crate) tampers: Tampers,
    pub(crate) chance: Chance,
    pub(crate) now: Instant,
    pub(crate) heap: Heap<Event>,
    chain: Chain,
    events: u64,

    pub(crate) store_node: Node,
    pub(crate) client_node: Node,
    pub(crate) dispatchers: Vec<DispatcherSeat>,
    pub(crate) workers: Vec<WorkerSeat>,

    pub(crate) store: Store,
    /// Whether the store's process runs.
    pub(crate) store_up: bool,
    pub(crate) store_tamper: Option<Box<dyn TamperStore>>,
    pub(crate) store_told: Told,
    pub(crate) keyspace: Keyspace,
    pub(crate) client: Client,
    pub(crate) pipes: Pipes,
    pub(crate) partitions: Vec<Partition>,
    pub(crate) healed: bool,

    pub(crate) seen: Vec<Seen>,
    pub(crate) watch: Watch,
    pub(crate) marks: Marks,
    pub(crate) telling: Telling,
    dispatcher_outputs: Vec<dispatcher::Output>,
    worker_outputs: Vec<worker::Output>,
}

/// A dispatcher's place.
#[derive(Debug)]
pub(crate) struct DispatcherSeat {
    pub(crate) node: Node,
    pub(crate) router: Option<Router<Body>>,
    pub(crate) store: StoreLink,
    /// Who listens on the channel `tasks`, in which life. Only guests do.
    pub(crate) subscribed: Option<u64>,
    /// Requests that the store has served, and of which a copy is still under way: life, number.
    pub(crate) served_doubles: BTreeSet<(u64, RequestId)>,
    /// The last claim that the store has seen of it.
    pub(crate) last_claim: Option<(Incarnation, u64)>,
}

/// A worker's place.
#[derive(Debug)]
pub(crate) struct WorkerSeat {
    pub(crate) node: Node,
    pub(crate) pipe: Option<PipeId>,
    /// A guest's socket.
    pub(crate) dealer: Option<Dealer<Body>>,
    pub(crate) slots: Vec<Slot>,
}

/// The only function of the world; what a task does is in the plan.
pub(crate) const FUNCTION: FunctionId = FunctionId(0xf);

/// The store's clock when the world begins, in milliseconds since the Unix epoch.
const WALL_EPOCH: u64 = 1_700_000_000_000;

impl World {
    /// The world of a plan, before its first event.
    pub fn new(plan: Plan, chance: Chance, cast: Box<dyn Cast>, tampers: Tampers) -> World {
        let salt = plan.shape.salt;
        let clock = |place: Place| {
            // Clocks of different machines have nothing to do with each other.
            let offset = Chain::of(&(salt, place, "clock")) % 1_000_000_000_000;
            Node::new(Clock::new(Instant::from_nanos(offset)))
        };
        let config = config_of(&plan);
        let dispatchers = (0..plan.shape.dispatchers.len()).map(|index| DispatcherSeat {
            node: clock(Place::Dispatcher(index)),
            router: None,
            store: StoreLink::default(),
            subscribed: None,
            served_doubles: BTreeSet::new(),
            last_claim: None,
        });
        let workers = (0..plan.shape.workers.len()).map(|index| WorkerSeat {
            node: clock(Place::Worker(index)),
            pipe: None,
            dealer: None,
            slots: Vec::new(),
        });
        let mut world = World {
            chance,
            now: Instant::ZERO,
            heap: Heap::default(),
            chain: Chain::new(),
            events: 0,
            store_node: Node::new(Clock::new(Instant::ZERO)),
            client_node: Node::new(Clock::new(Instant::ZERO)),
            dispatchers: dispatchers.collect(),
            workers: workers.collect(),
            store: Store::new(config),
            store_up: true,
            store_tamper: tampers.store.map(|make| make()),
            store_told: Told::default(),
            keyspace: Keyspace::default(),
            client: Client::new(&plan),
            pipes: Pipes::default(),
            partitions: Vec::new(),
            healed: false,
            seen: Vec::new(),
            watch: Watch::new(&plan),
            marks: Marks::default(),
            telling: Telling::default(),
            dispatcher_outputs: Vec::new(),
            worker_outputs: Vec::new(),
            plan,
            cast,
            tampers,
        };
        world.populate();
        world
    }

    fn populate(&mut self) {
        let function = Function {
            name: "scripted".to_owned(),
            body: Bytes::from_static(b"body"),
            options: Options::default(),
            pickled_by: Versions::default(),
        };
        let id = FUNCTION;
        self.store
            .apply(self.wall_time(), Op::PutFunction { id, function });
        self.heap.push(Instant::ZERO, Event::Boot(Place::Client));
        for (index, starts) in self.plan.shape.dispatchers.iter().enumerate() {
            self.heap
                .push(*starts, Event::Boot(Place::Dispatcher(index)));
        }
        for (index, worker) in self.plan.shape.workers.iter().enumerate() {
            self.heap
                .push(worker.starts, Event::Boot(Place::Worker(index)));
        }
        self.plan_next_submit();
        for (index, fault) in self.plan.faults.iter().enumerate() {
            self.heap.push(fault.at, Event::Fault(index));
        }
        self.heap.push(self.plan.heal_at, Event::Heal);
    }

    /// Handles the next event; what was seen of it is in [`World::seen`]. Says whether there was one.
    pub fn step(&mut self) -> bool {
        self.seen.clear();
        loop {
            let Some((at, event)) = self.heap.pop() else {
                return false;
            };
            self.now = self.now.max(at);
            if let Event::Wake(place, life) = *event
                && !self.is_due(place, life)
            {
                continue;
            }
            self.take_in(event);
            return true;
        }
    }

    fn take_in(&mut self, event: Box<Event>) {
        use std::hash::Hash;
        self.events += 1;
        self.now.hash(&mut self.chain);
        event.hash(&mut self.chain);
        if self.is_free_for(&event) {
            self.tell_event(&event);
            self.happen(*event);
        } else {
            self.tell_event(&event);
            if let Some(event) = self.admit(*event) {
                self.happen(event);
            }
        }
        self.look();
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Wake(place, life) => self.wake(place, life),
            Event::Met { pipe, dispatcher } => self.meet(pipe, dispatcher),
            Event::Up {
                pipe,
                dispatcher,
                life,
                peer,
                body,
                copy,
            } => self.arrive_up(pipe, (dispatcher, life), peer, body, copy),
            Event::Down {
                pipe,
                worker,
                life,
                body,
                copy,
            } => self.arrive_down(pipe, (worker, life), body, copy),
            Event::UpEnd { pipe, .. } => self.end_seen_above(pipe),
            Event::DownEnd { pipe, .. } => self.end_seen_below(pipe),
            Event::Dialed(worker, life) => self.dialed(worker, life),
            Event::ToDispatcher(index, life, input) => self.tell_dispatcher(index, life, input),
            Event::ToWorker(index, life, input) => self.tell_worker(index, life, input),
            Event::ToGuest(place, life, fact) => self.tell_guest(place, life, fact),
            Event::AtStore(request) => self.serve(request),
            Event::AtRedis {
                from,
                life,
                request,
                op,
            } => self.serve_redis(from, life, request, op),
            Event::Child {
                worker,
                life,
                generation,
                fact,
            } => self.child_has(worker, life, generation, fact),
            Event::Ran(place, life, task) => self.pool_ran(place, life, task),
            Event::NextSubmit(index) => self.send_next_submits(index),
            Event::Submit(index) => self.send_submits(vec![index]),
            Event::AtStoreSubmit(batch) => self.submit(&batch),
            Event::Cancel(task) => self.cancel(task),
            Event::Fault(index) => self.strike(index),
            Event::Resume(place) => self.resume(place),
            Event::Quicken(place) => self.quicken(place),
            Event::Over(node) => self.see(What::Over { node }),
            Event::Boot(place) => self.boot(place),
            Event::StoreBack(index) => self.store_back(index),
            Event::Served(event) => self.happen(*event),
            Event::Heal => self.heal(),
        }
    }

    /// The time of the world, which no node's clock shows.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// What was seen of the last step.
    pub fn seen(&self) -> &[Seen] {
        &self.seen
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How many events have happened.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The hash chain over all events so far.
    pub fn hash(&self) -> u64 {
        use std::hash::Hasher;
        self.chain.finish()
    }

    /// What has happened that a good run should show, and how often.
    pub fn marks(&self) -> &Marks {
        &self.marks
    }

    /// What was decided while the world ran, if that is written down.
    pub fn chance(&self) -> &Chance {
        &self.chance
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Whether faults are over.
    pub fn is_healed(&self) -> bool {
        self.healed
    }

    /// A dispatcher's machine, if one of ours is up.
    pub fn dispatcher(&self, index: usize) -> Option<&Dispatcher> {
        match self.dispatchers.get(index)?.node.process.as_ref()? {
            Process::Dispatcher(bugged) => Some(&bugged.machine),
            Process::Worker(_) | Process::Guest(_) => None,
        }
    }

    /// A worker's machine, if one of ours is up.
    pub fn worker(&self, index: usize) -> Option<&Worker> {
        match self.workers.get(index)?.node.process.as_ref()? {
            Process::Worker(bugged) => Some(&bugged.machine),
            Process::Dispatcher(_) | Process::Guest(_) => None,
        }
    }

    pub(crate) fn schedule(&mut self, after: Duration, event: Event) {
        self.heap.push(self.now + after, event);
    }

    pub(crate) fn latency(&self) -> Duration {
        self.plan.shape.latency
    }

    /// Takes another way than the usual, if the dice or the list say so.
    pub(crate) fn bend(&mut self, on: Occasion) -> Option<Bend> {
        if self.healed {
            return None;
        }
        let bend = self.chance.bend(self.now, on)?;
        self.twisted(on, bend);
        Some(bend)
    }

    /// The store's clock.
    pub(crate) fn wall_time(&self) -> WallTime {
        WallTime(WALL_EPOCH + self.store_node.clock.show(self.now).as_nanos() / 1_000_000)
    }

    pub(crate) fn node(&self, place: Place) -> &Node {
        match place {
            Place::Client => &self.client_node,
            Place::Store => &self.store_node,
            Place::Dispatcher(index) => &self.dispatchers[index].node,
            Place::Worker(index) => &self.workers[index].node,
        }
    }

    pub(crate) fn node_mut(&mut self, place: Place) -> &mut Node {
        match place {
            Place::Client => &mut self.client_node,
            Place::Store => &mut self.store_node,
            Place::Dispatcher(index) => &mut self.dispatchers[index].node,
            Place::Worker(index) => &mut self.workers[index].node,
        }
    }

    pub(crate) fn tell_dispatcher(&mut self, index: usize, life: u64, input: dispatcher::Input) {
        if self.dispatchers[index].node.life == life {
            if input == dispatcher::Input::DrainRequested {
                self.see_leaving(Place::Dispatcher(index));
            }
            if let dispatcher::Input::StoreReplied { request, .. } = input {
                let by = Place::Dispatcher(index);
                self.see(What::Told { by, request });
            }
            self.step_dispatcher(index, Some(input));
        }
    }

    pub(crate) fn tell_worker(&mut self, index: usize, life: u64, input: worker::Input) {
        if self.workers[index].node.life == life {
            if input == worker::Input::DrainRequested {
                self.see_leaving(Place::Worker(index));
            }
            self.step_worker(index, Some(input));
        }
    }

    pub(crate) fn step_dispatcher(&mut self, index: usize, input: Option<dispatcher::Input>) {
        let now = self.now;
        let node = &mut self.dispatchers[index].node;
        let local = node.clock.show(now);
        let Some(Process::Dispatcher(bugged)) = node.process.as_mut() else {
            return;
        };
        let deaths = bugged.machine.counters().deaths;
        let mut outputs = std::mem::take(&mut self.dispatcher_outputs);
        bugged.step(local, input, &mut outputs);
        let died = bugged.machine.counters().deaths > deaths;
        self.watch.moved(Place::Dispatcher(index));
        if died {
            self.see_deaths(index);
        }
        for output in outputs.drain(..) {
            self.obey_dispatcher(index, output);
        }
        self.dispatcher_outputs = outputs;
        self.rearm(Place::Dispatcher(index));
    }

    pub(crate) fn step_worker(&mut self, index: usize, input: Option<worker::Input>) {
        let now = self.now;
        let node = &mut self.workers[index].node;
        let local = node.clock.show(now);
        let Some(Process::Worker(bugged)) = node.process.as_mut() else {
            return;
        };
        let mut outputs = std::mem::take(&mut self.worker_outputs);
        bugged.step(local, input, &mut outputs);
        self.watch.moved(Place::Worker(index));
        self.obey_worker_all(index, outputs);
        self.rearm(Place::Worker(index));
    }

    fn obey_worker_all(&mut self, index: usize, mut outputs: Vec<worker::Output>) {
        for output in outputs.drain(..) {
            self.obey_worker(index, output);
        }
        self.worker_outputs = outputs;
    }

    fn obey_dispatcher(&mut self, index: usize, output: dispatcher::Output) {
        match output {
            dispatcher::Output::Send { peer, message } => {
                if let ToWorker::Ack(results) = &message.body {
                    let (by, results) = (Place::Dispatcher(index), results.clone());
                    self.see(What::Acknowledged { by, results });
                }
                self.send_down(index, &peer.identity, Body::FromDispatcher(message));
            }
            dispatcher::Output::SendLegacy { peer, message } => {
                let json = mpcsfaas_core::wire::json::encode(&message, peer.delimited);
                self.send_down(index, &peer.identity, Body::Json(json.into()));
            }
            dispatcher::Output::Store { request, op } => self.ask_store(index, request, op),
            dispatcher::Output::Exit => self.leave(Place::Dispatcher(index)),
        }
    }

    fn obey_worker(&mut self, index: usize, output: worker::Output) {
        match output {
            worker::Output::Connect { session } => self.connect(index, session),
            worker::Output::Send(message) => {
                if let ToDispatcher::Returned { tasks, .. } = &message.body {
                    let (by, tasks) = (Place::Worker(index), tasks.clone());
                    self.see(What::HandedBack { by, tasks });
                }
                self.send_up(index, Body::FromWorker(message))
            }
            worker::Output::Child(order) => self.obey_child_order(index, order),
            worker::Output::Exit => self.leave(Place::Worker(index)),
        }
    }

    /// Carries out a guest's order.
    pub(crate) fn obey_guest(&mut self, place: Place, order: Order) {
        match (order, place) {
            (Order::Send { peer, body }, Place::Dispatcher(index)) => {
                self.send_down(index, &peer.identity, Body::Json(body));
            }
            (Order::Send { body, .. }, Place::Worker(index)) => {
                self.send_up(index, Body::Json(body))
            }
            (
                Order::Connect {
                    identity,
                    lock_step,
                },
                Place::Worker(index),
            ) => self.guest_connects(index, identity, lock_step),
            (Order::Redis { request, op }, _) => self.ask_redis(place, request, op),
            (Order::Execute(task), _) => self.pool_runs(place, task),
            (Order::Accept(task), _) => self.accepted_by_guest(task),
            (Order::Exit, _) => self.leave(place),
            // A bound socket is there as soon as its dispatcher is.
            (Order::Bind { .. } | Order::Send { .. } | Order::Connect { .. }, _) => {}
        }
    }

    /// The plan's task of this name.
    pub(crate) fn script(&self, task: TaskId) -> Option<&crate::plan::Submit> {
        self.client
            .place_of(task)
            .and_then(|index| self.plan.submits.get(index))
    }
}
