//! The nodes of the world, and the one function that moves it: [`World::step`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use mpcsfaas_core::dispatcher::{self, Dispatcher};
use mpcsfaas_core::id::{FunctionId, Incarnation, TaskId, WorkerId};
use mpcsfaas_core::machine::{Machine, step};
use mpcsfaas_core::store::op::{Mode, Notice, Op, Submission};
use mpcsfaas_core::store::{self, Store};
use mpcsfaas_core::task::{Function, Options, Versions};
use mpcsfaas_core::time::{Instant, WallTime};
use mpcsfaas_core::wire::message::{Flow, TaskRef};
use mpcsfaas_core::worker::child::{ChildFact, SlotId};
use mpcsfaas_core::worker::{self, Worker};

use crate::children::Script;
use crate::fault::Fault;
use crate::heap::Heap;
use crate::knobs::Knobs;
use crate::link::{Connection, ConnectionId};
use crate::rng::Stream;
use crate::storage::Request;

/// Names a place where a worker or dispatcher lives; a crash empties it, a restart fills it again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Place {
    /// A dispatcher's.
    Dispatcher(usize),
    /// A worker's.
    Worker(usize),
}

/// A machine at its place.
#[derive(Clone, Debug)]
pub struct Node<M: Machine> {
    /// The machine, unless it is down.
    pub machine: Option<M>,
    /// Grows with each restart: what was meant for an earlier life is dropped.
    pub(crate) life: u64,
    /// Whether it stands still.
    pub(crate) paused: bool,
    /// What has arrived while it stood still.
    backlog: VecDeque<Event>,
    wake_at: Option<Instant>,
}

impl<M: Machine> Default for Node<M> {
    fn default() -> Node<M> {
        Node {
            machine: None,
            life: 0,
            paused: false,
            backlog: VecDeque::new(),
            wake_at: None,
        }
    }
}

/// Something that will happen.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Wake(Place, u64),
    ToDispatcher(usize, u64, dispatcher::Input),
    ToWorker(usize, u64, worker::Input),
    /// A message on a connection, which may be gone by then.
    Upward(ConnectionId, dispatcher::Input),
    Downward(ConnectionId, worker::Input),
    AtStore(Request),
    Child {
        worker: usize,
        life: u64,
        generation: u64,
        fact: ChildFact,
    },
    Submit(TaskId),
    Fault(Fault),
    Resume(Place),
    Boot(Place),
    StoreBack(usize, u64),
    StoreResume,
    Heal,
}

/// What one step did, for the checkers.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// When.
    pub now: Instant,
    /// Rows of the store that were touched.
    pub touched: Vec<TaskId>,
    /// Attempts that a worker started.
    pub started: Vec<(WorkerId, TaskRef)>,
    /// The machine that moved.
    pub moved: Option<Place>,
}

/// The world.
#[derive(Clone, Debug)]
pub struct World {
    /// Its settings.
    pub knobs: Knobs,
    pub(crate) now: Instant,
    pub(crate) heap: Heap<Event>,
    pub(crate) store: Store,
    pub(crate) store_paused: bool,
    pub(crate) store_backlog: VecDeque<Request>,
    /// The dispatchers.
    pub dispatchers: Vec<Node<Dispatcher>>,
    /// The workers.
    pub workers: Vec<Node<Worker>>,
    /// Which dispatchers have a connection to the store.
    pub(crate) store_links: Vec<bool>,
    pub(crate) connections: BTreeMap<ConnectionId, Connection>,
    pub(crate) next_connection: ConnectionId,
    /// Each worker's current connection.
    pub(crate) current: Vec<Option<ConnectionId>>,
    /// How many children each slot has had, as far as their exits were seen.
    pub(crate) children: BTreeMap<(usize, SlotId), u64>,
    pub(crate) scripts: BTreeMap<TaskId, Script>,
    pub(crate) healed: bool,
    accepted: BTreeSet<TaskId>,
    pub(crate) links_rng: Stream,
    pub(crate) store_rng: Stream,
    pub(crate) fault_rng: Stream,
    pub(crate) child_rng: Stream,
    id_rng: Stream,
    pub(crate) step: Step,
    trace: Option<Vec<String>>,
    events: u64,
}

/// The only function of the world; scripts are drawn per task.
const FUNCTION: FunctionId = FunctionId(0xf);

/// The store's clock when the world begins, in milliseconds since the Unix epoch.
const WALL_EPOCH: u64 = 1_700_000_000_000;

impl World {
    /// The world of these knobs and this seed, before its first event.
    pub fn new(knobs: Knobs, seed: u64) -> World {
        let mut world = World {
            now: Instant::ZERO,
            heap: Heap::default(),
            store: Store::new(store::Config::default()),
            store_paused: false,
            store_backlog: VecDeque::new(),
            dispatchers: vec![Node::default(); knobs.dispatchers],
            workers: vec![Node::default(); knobs.workers],
            store_links: vec![false; knobs.dispatchers],
            connections: BTreeMap::new(),
            next_connection: 1,
            current: vec![None; knobs.workers],
            children: BTreeMap::new(),
            scripts: BTreeMap::new(),
            healed: false,
            accepted: BTreeSet::new(),
            links_rng: Stream::new(seed, "links"),
            store_rng: Stream::new(seed, "store"),
            fault_rng: Stream::new(seed, "faults"),
            child_rng: Stream::new(seed, "children"),
            id_rng: Stream::new(seed, "ids"),
            step: Step::default(),
            trace: None,
            events: 0,
            knobs,
        };
        world.populate();
        world
    }

    /// Keeps a line of text for each event from now on.
    pub fn record(&mut self) {
        self.trace = Some(Vec::new());
    }

    /// The lines kept so far.
    pub fn trace(&self) -> &[String] {
        self.trace.as_deref().unwrap_or_default()
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Whether faults are over.
    pub fn is_healed(&self) -> bool {
        self.healed
    }

    /// How many events have happened.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Tasks that the store has acknowledged to the client.
    pub fn accepted(&self) -> &BTreeSet<TaskId> {
        &self.accepted
    }

    /// Whether the client has got every task accepted, and all have ended.
    pub fn is_done(&self) -> bool {
        self.accepted.len() == self.knobs.tasks
            && self.accepted.iter().all(|task| {
                self.store
                    .task(*task)
                    .is_some_and(|row| row.status.is_terminal())
            })
    }

    fn populate(&mut self) {
        let function = Function {
            name: "scripted".to_owned(),
            body: Bytes::from_static(b"body"),
            options: Options::default(),
            pickled_by: Versions::default(),
        };
        self.store.apply(
            self.wall_time(),
            Op::PutFunction {
                id: FUNCTION,
                function,
            },
        );
        for index in 0..self.knobs.dispatchers {
            self.schedule(Duration::ZERO, Event::Boot(Place::Dispatcher(index)));
        }
        for index in 0..self.knobs.workers {
            self.schedule(Duration::from_millis(10), Event::Boot(Place::Worker(index)));
        }
        for _ in 0..self.knobs.tasks {
            let task = TaskId(u128::from(self.id_rng.u64()));
            let script = Script::draw(&self.knobs, &mut self.child_rng);
            self.scripts.insert(task, script);
            let at = self.id_rng.between(Duration::ZERO, self.knobs.trouble);
            self.schedule(at, Event::Submit(task));
        }
        self.plan_faults();
        self.schedule(self.knobs.trouble, Event::Heal);
    }

    /// Handles the next event. `None` when there is none left.
    pub fn step(&mut self) -> Option<&Step> {
        let (at, event) = self.heap.pop()?;
        self.now = self.now.max(at);
        self.events += 1;
        self.step = Step {
            now: self.now,
            ..Step::default()
        };
        self.note(|| format!("{event:?}"));
        self.happen(event);
        Some(&self.step)
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Wake(place, life) => self.wake(place, life),
            Event::ToDispatcher(index, life, input) => self.tell_dispatcher(index, life, input),
            Event::ToWorker(index, life, input) => self.tell_worker(index, life, input),
            Event::Upward(connection, input) => self.arrive_up(connection, input),
            Event::Downward(connection, input) => self.arrive_down(connection, input),
            Event::AtStore(request) => self.serve(request),
            Event::Child {
                worker,
                life,
                generation,
                fact,
            } => {
                self.child_has(worker, life, generation, fact);
            }
            Event::Submit(task) => self.submit(task),
            Event::Fault(fault) => self.strike(fault),
            Event::Resume(place) => self.resume(place),
            Event::Boot(place) => self.boot(place),
            Event::StoreBack(index, life) => self.store_back(index, life),
            Event::StoreResume => self.store_resume(),
            Event::Heal => self.heal(),
        }
    }

    pub(crate) fn schedule(&mut self, after: Duration, event: Event) {
        self.heap.push(self.now + after, event);
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:?} {}", self.now, line()));
        }
    }

    /// The store's clock.
    pub(crate) fn wall_time(&self) -> WallTime {
        WallTime(WALL_EPOCH + self.now.as_nanos() / 1_000_000)
    }

    /// One operation on the store, whoever asks.
    pub(crate) fn apply(&mut self, op: Op) -> store::Reply {
        let reply = self.store.apply(self.wall_time(), op);
        self.step.touched.extend(self.store.take_changes().tasks);
        while let Some(notice) = self.store.poll_notice() {
            if notice == Notice::Queued {
                self.ring_doorbells();
            }
        }
        reply
    }

    fn submit(&mut self, task: TaskId) {
        if self.store_paused {
            return self.schedule(Duration::from_millis(500), Event::Submit(task));
        }
        let options = self
            .scripts
            .get(&task)
            .map(|script| script.options)
            .unwrap_or_default();
        let params = Bytes::copy_from_slice(&task.0.to_be_bytes());
        let submission = Submission {
            task,
            function: FUNCTION,
            params,
            options,
        };
        self.apply(Op::Submit(vec![submission]));
        // The answer may be lost on its way to the client, who then submits the same task again.
        if !self.healed && self.store_rng.per_mille(self.knobs.lost_replies) {
            return self.schedule(Duration::from_millis(300), Event::Submit(task));
        }
        self.accepted.insert(task);
    }

    pub(crate) fn boot(&mut self, place: Place) {
        match place {
            Place::Dispatcher(index) => self.boot_dispatcher(index),
            Place::Worker(index) => self.boot_worker(index),
        }
    }

    fn boot_dispatcher(&mut self, index: usize) {
        if self.dispatchers[index].machine.is_some() {
            return;
        }
        let incarnation = Incarnation {
            boot: self.id_rng.u64(),
            epoch: 0,
        };
        let mode = if self.knobs.flow == Flow::Push {
            Mode::Push
        } else {
            Mode::Pull
        };
        let config = dispatcher::Config::new(incarnation, mode);
        let node = &mut self.dispatchers[index];
        node.life += 1;
        node.paused = false;
        node.machine = Some(Dispatcher::new(config, self.now));
        let life = node.life;
        self.rearm(Place::Dispatcher(index));
        self.schedule(Duration::from_millis(5), Event::StoreBack(index, life));
    }

    fn boot_worker(&mut self, index: usize) {
        if self.workers[index].machine.is_some() {
            return;
        }
        let id = WorkerId(self.id_rng.u64());
        let seed = self.id_rng.u64();
        let config = worker::Config::new(id, self.knobs.processes, self.knobs.flow, seed);
        let mut machine = Worker::new(config, self.now);
        let mut outputs = Vec::new();
        while let Some(output) = machine.poll_output() {
            outputs.push(output);
        }
        let node = &mut self.workers[index];
        node.life += 1;
        node.paused = false;
        node.machine = Some(machine);
        for output in outputs {
            self.obey_worker(index, output);
        }
        self.rearm(Place::Worker(index));
    }

    fn wake(&mut self, place: Place, life: u64) {
        match place {
            Place::Dispatcher(index) => {
                let node = &mut self.dispatchers[index];
                if node.is_due(life, self.now) {
                    node.wake_at = None;
                    self.step_dispatcher(index, None);
                }
            }
            Place::Worker(index) => {
                let node = &mut self.workers[index];
                if node.is_due(life, self.now) {
                    node.wake_at = None;
                    self.step_worker(index, None);
                }
            }
        }
    }

    pub(crate) fn tell_dispatcher(&mut self, index: usize, life: u64, input: dispatcher::Input) {
        let node = &mut self.dispatchers[index];
        if node.life != life || node.machine.is_none() {
            return;
        }
        match node.paused {
            true => node
                .backlog
                .push_back(Event::ToDispatcher(index, life, input)),
            false => self.step_dispatcher(index, Some(input)),
        }
    }

    pub(crate) fn tell_worker(&mut self, index: usize, life: u64, input: worker::Input) {
        let node = &mut self.workers[index];
        if node.life != life || node.machine.is_none() {
            return;
        }
        match node.paused {
            true => node.backlog.push_back(Event::ToWorker(index, life, input)),
            false => self.step_worker(index, Some(input)),
        }
    }

    fn step_dispatcher(&mut self, index: usize, input: Option<dispatcher::Input>) {
        if self.dispatchers[index].paused {
            return;
        }
        let mut outputs = Vec::new();
        let now = self.now;
        let Some(machine) = self.dispatchers[index].machine.as_mut() else {
            return;
        };
        step(machine, now, input, |output| outputs.push(output));
        self.step.moved = Some(Place::Dispatcher(index));
        for output in outputs {
            self.note(|| format!("  D{index} {output:?}"));
            self.obey_dispatcher(index, output);
        }
        self.rearm(Place::Dispatcher(index));
    }

    fn step_worker(&mut self, index: usize, input: Option<worker::Input>) {
        if self.workers[index].paused {
            return;
        }
        let mut outputs = Vec::new();
        let now = self.now;
        let Some(machine) = self.workers[index].machine.as_mut() else {
            return;
        };
        step(machine, now, input, |output| outputs.push(output));
        self.step.moved = Some(Place::Worker(index));
        for output in outputs {
            self.note(|| format!("  W{index} {output:?}"));
            self.obey_worker(index, output);
        }
        self.rearm(Place::Worker(index));
    }

    fn obey_dispatcher(&mut self, index: usize, output: dispatcher::Output) {
        match output {
            dispatcher::Output::Send { peer, message } => self.send_down(index, &peer, message),
            // The original's workers have their own world.
            dispatcher::Output::SendLegacy { .. } => {}
            dispatcher::Output::Store { request, op } => self.ask_store(index, request, op),
            dispatcher::Output::Exit => {
                self.crash(Place::Dispatcher(index));
                self.schedule(
                    Duration::from_millis(500),
                    Event::Boot(Place::Dispatcher(index)),
                );
            }
        }
    }

    fn obey_worker(&mut self, index: usize, output: worker::Output) {
        match output {
            worker::Output::Connect { session } => self.connect(index, session),
            worker::Output::Send(message) => self.send_up(index, message),
            worker::Output::Child(order) => self.obey_child_order(index, order),
            worker::Output::Exit => {
                self.crash(Place::Worker(index));
                self.schedule(
                    Duration::from_millis(500),
                    Event::Boot(Place::Worker(index)),
                );
            }
        }
    }

    /// Schedules the wake-up that a machine wants next.
    fn rearm(&mut self, place: Place) {
        let (wake_at, wanted, life) = match place {
            Place::Dispatcher(index) => self.dispatchers[index].wake(),
            Place::Worker(index) => self.workers[index].wake(),
        };
        if *wake_at != wanted {
            *wake_at = wanted;
            if let Some(at) = wanted {
                self.heap.push(at, Event::Wake(place, life));
            }
        }
    }

    /// Stands a node still.
    pub(crate) fn pause(&mut self, place: Place) {
        match place {
            Place::Dispatcher(index) => self.dispatchers[index].paused = true,
            Place::Worker(index) => self.workers[index].paused = true,
        }
    }

    /// Lets it go on; what has arrived meanwhile is waiting.
    pub(crate) fn resume(&mut self, place: Place) {
        let backlog = match place {
            Place::Dispatcher(index) => {
                self.dispatchers[index].paused = false;
                std::mem::take(&mut self.dispatchers[index].backlog)
            }
            Place::Worker(index) => {
                self.workers[index].paused = false;
                std::mem::take(&mut self.workers[index].backlog)
            }
        };
        // Either may come first on a real machine: what waits in the socket, or the timer.
        let timer_first = self.fault_rng.per_mille(500);
        let life = match place {
            Place::Dispatcher(index) => self.dispatchers[index].life,
            Place::Worker(index) => self.workers[index].life,
        };
        if timer_first {
            self.schedule(Duration::ZERO, Event::Wake(place, life));
        }
        for event in backlog {
            self.schedule(Duration::ZERO, event);
        }
        if !timer_first {
            self.schedule(Duration::ZERO, Event::Wake(place, life));
        }
    }

    /// Ends a node without a word.
    pub(crate) fn crash(&mut self, place: Place) {
        match place {
            Place::Dispatcher(index) => {
                let node = &mut self.dispatchers[index];
                *node = Node {
                    life: node.life + 1,
                    ..Node::default()
                };
                self.store_links[index] = false;
            }
            Place::Worker(index) => {
                let node = &mut self.workers[index];
                *node = Node {
                    life: node.life + 1,
                    ..Node::default()
                };
                // Children end with their parent.
                for (_, generation) in self.children.iter_mut().filter(|((w, _), _)| *w == index) {
                    *generation += 1;
                }
            }
        }
        self.sever(place);
    }
}

impl<M: Machine> Node<M> {
    /// Whether a wake-up still means something. One that comes while the node stands still is
    /// kept: the timer is overdue when it goes on.
    fn is_due(&self, life: u64, now: Instant) -> bool {
        self.life == life && !self.paused && self.wake_at.is_some_and(|at| at <= now)
    }

    fn wake(&mut self) -> (&mut Option<Instant>, Option<Instant>, u64) {
        let wanted = self
            .machine
            .as_ref()
            .and_then(|machine| machine.poll_timeout());
        (&mut self.wake_at, wanted, self.life)
    }
}
