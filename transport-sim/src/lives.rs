//! Processes start, end, stand still, are slow, and are woken by their deadlines.

use std::time::Duration;

use mpcsfaas_core::dispatcher::{self, Dispatcher};
use mpcsfaas_core::id::{Incarnation, WorkerId};
use mpcsfaas_core::store::op::Mode;
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::timing::Timing;
use mpcsfaas_core::wire::message::{Flow, TaskRef};
use mpcsfaas_core::worker::{self, Worker};

use crate::chain::Chain;
use crate::event::Event;
use crate::history::What;
use crate::node::Process;
use crate::place::Place;
use crate::plan::{Bend, FOR_GOOD, Occasion};
use crate::tamper::Bugged;
use crate::world::World;
use crate::zmq::Flavor;
use crate::zmq::router::Router;

/// How much work some workers give their children ahead.
const GENEROUS_PIPE: Duration = Duration::from_secs(2);

impl World {
    /// Starts a process at a place that is empty.
    pub(crate) fn boot(&mut self, place: Place) {
        let node = self.node(place);
        if node.process.is_some() || node.gone {
            return;
        }
        let (local, life) = (node.clock.show(self.now), node.life + 1);
        if let Some(guest) = self.cast.guest(place, local, life) {
            self.begin(place, Process::Guest(guest));
            if let Place::Dispatcher(index) = place {
                self.dispatchers[index].router = Some(Router::new(Flavor::Libzmq));
                self.dispatchers[index].store.up = true;
            }
            return self.step_guest(place, None);
        }
        match place {
            Place::Client => {}
            Place::Store => self.store_begins(),
            Place::Dispatcher(index) => self.boot_dispatcher(index, local, life),
            Place::Worker(index) => self.boot_worker(index, local, life),
        }
    }

    fn begin(&mut self, place: Place, process: Process) {
        let now = self.now;
        self.node_mut(place).live(now, Some(process));
        self.see(What::Arrived(place));
    }

    fn timing(&self) -> Timing {
        Timing {
            timeout: self.plan.shape.timeout,
            ..Timing::default()
        }
    }

    fn boot_dispatcher(&mut self, index: usize, local: Instant, life: u64) {
        let place = Place::Dispatcher(index);
        let boot = Chain::of(&(self.plan.shape.salt, place, life));
        let mode = match self.plan.shape.flow {
            Flow::Push => Mode::Push,
            Flow::Pull => Mode::Pull,
        };
        let incarnation = Incarnation { boot, epoch: 0 };
        let mut config = dispatcher::Config::new(incarnation, mode);
        config.timing = self.timing();
        config.claim_limit = self.plan.shape.claim_limit;
        let bugged = Bugged::new(Dispatcher::new(config, local), self.tampers.dispatcher);
        self.begin(place, Process::Dispatcher(Box::new(bugged)));
        self.dispatchers[index].router = Some(Router::new(Flavor::ZeromqCrate));
        self.rearm(place);
        self.schedule(Duration::from_millis(5), Event::StoreBack(index));
    }

    fn boot_worker(&mut self, index: usize, local: Instant, life: u64) {
        let place = Place::Worker(index);
        let salt = self.plan.shape.salt;
        let id = WorkerId(Chain::of(&(salt, place, life)));
        let seed = Chain::of(&(salt, place, life, "jitter"));
        let processes = self.plan.shape.workers[index].processes;
        let mut config = worker::Config::new(id, processes, self.plan.shape.flow, seed);
        config.timing = self.timing();
        // Tasks here take longer than real ones for which pipes are made. So every other worker
        // gives its children more ahead than a real one would.
        if Chain::of(&(salt, place, life, "pipe")).is_multiple_of(2) {
            config.pipe = GENEROUS_PIPE;
        }
        let bugged = Bugged::new(Worker::new(config, local), self.tampers.worker);
        self.workers[index].slots.clear();
        self.begin(place, Process::Worker(Box::new(bugged)));
        // The first orders of a machine wait in it; that no time has passed is harmless to learn.
        self.step_worker(index, None);
    }

    /// A process ends by itself.
    pub(crate) fn leave(&mut self, place: Place) {
        let guest = matches!(self.node(place).process, Some(Process::Guest(_)));
        self.end(place, true);
        let returns = self.node_mut(place).returns.take();
        match returns {
            Some(after) if after != FOR_GOOD => self.schedule(after, Event::Boot(place)),
            // Nobody starts the original's processes again.
            None if !guest => self.schedule(Duration::from_millis(500), Event::Boot(place)),
            Some(_) | None => self.node_mut(place).gone = true,
        }
    }

    /// Ends a process without a word.
    pub(crate) fn crash(&mut self, place: Place) {
        if self.node(place).process.is_some() {
            self.end(place, false);
        }
    }

    fn end(&mut self, place: Place, by_itself: bool) {
        self.count_life(place);
        for task in self.running_at(place) {
            let by_itself = false;
            self.see(What::Stopped {
                at: place,
                task,
                by_itself,
            });
        }
        let now = self.now;
        self.node_mut(place).live(now, None);
        match place {
            Place::Client | Place::Store => {}
            Place::Dispatcher(index) => {
                let seat = &mut self.dispatchers[index];
                seat.router = None;
                seat.store.cut();
                seat.subscribed = None;
                self.sever(index);
            }
            Place::Worker(index) => {
                self.workers[index].dealer = None;
                self.workers[index].slots.clear();
                if let Some(pipe) = self.workers[index].pipe.take() {
                    self.hang_up(pipe);
                }
            }
        }
        self.see(What::Ended {
            node: place,
            by_itself,
        });
    }

    fn running_at(&self, place: Place) -> Vec<TaskRef> {
        match place {
            Place::Worker(index) => self.workers[index]
                .slots
                .iter()
                .filter_map(|slot| slot.running)
                .collect(),
            Place::Client | Place::Store | Place::Dispatcher(_) => Vec::new(),
        }
    }

    /// Stands a node still.
    pub(crate) fn pause(&mut self, place: Place, time: Duration) {
        let until = self.now + time;
        let node = self.node_mut(place);
        node.paused = node.paused.max(Some(until));
        self.heap.push(until, Event::Resume(place));
    }

    /// Lets it go on; what has arrived meanwhile is waiting.
    pub(crate) fn resume(&mut self, place: Place) {
        let now = self.now;
        let healed = self.healed;
        let node = self.node_mut(place);
        if !node.paused.is_some_and(|until| now >= until || healed) {
            return;
        }
        node.paused = None;
        node.wake = None;
        let backlog = std::mem::take(&mut node.backlog);
        self.see(What::Over { node: place });
        // Either may come first on a real machine: what waits in the socket, or the timer.
        let timer_first = self.bend(Occasion::Waking(place)) == Some(Bend::TimerFirst);
        if timer_first {
            self.rearm(place);
        }
        for event in backlog {
            self.schedule(Duration::ZERO, event);
        }
        if !timer_first {
            self.rearm(place);
        }
    }

    /// A slow node is as fast as before.
    pub(crate) fn quicken(&mut self, place: Place) {
        let now = self.now;
        let healed = self.healed;
        let node = self.node_mut(place);
        if node.slow.is_some_and(|(until, _)| now >= until || healed) {
            node.slow = None;
            self.see(What::Over { node: place });
        }
    }

    /// Whether an event happens now, as nearly all do.
    pub(crate) fn is_free_for(&self, event: &Event) -> bool {
        event.target().is_none_or(|place| {
            let node = self.node(place);
            node.paused.is_none() && node.slow.is_none() && node.busy <= self.now
        })
    }

    /// What happens now at a node that stands still happens when it goes on, and at a slow one
    /// after what came before it.
    pub(crate) fn admit(&mut self, event: Event) -> Option<Event> {
        let Some(place) = event.target() else {
            return Some(event);
        };
        let now = self.now;
        let node = self.node_mut(place);
        if let Some(until) = node.paused {
            // What a slow node has not come to yet was there before.
            if now < node.busy && !matches!(event, Event::Served(_)) {
                let turn = node.busy;
                self.heap.push(turn, Event::Served(Box::new(event)));
                return None;
            }
            let event = self.outlast(event, until);
            self.node_mut(place).backlog.push_back(event);
            return None;
        }
        if matches!(event, Event::Served(_)) {
            return Some(event);
        }
        let by = node.slow.map_or(Duration::ZERO, |(_, by)| by);
        if by.is_zero() && now >= node.busy {
            return Some(event);
        }
        node.busy = node.busy.max(now) + by;
        let done = node.busy;
        let event = self.outlast(event, done);
        self.heap.push(done, Event::Served(Box::new(event)));
        None
    }

    /// Whether a scheduled wake-up still means something.
    pub(crate) fn is_due(&mut self, place: Place, life: u64) -> bool {
        let now = self.now;
        let node = self.node_mut(place);
        if node.life != life || node.wake != Some(now) {
            return false;
        }
        node.wake = None;
        // A node that stands still looks at its timers when it goes on.
        if node.paused.is_some() {
            return false;
        }
        let due = node.deadline().is_some_and(|at| at <= now);
        if !due {
            self.rearm(place);
        }
        due
    }

    pub(crate) fn wake(&mut self, place: Place, life: u64) {
        if self.node(place).life != life {
            return;
        }
        match place {
            Place::Dispatcher(index) if self.dispatcher(index).is_some() => {
                self.step_dispatcher(index, None);
            }
            Place::Worker(index) if self.worker(index).is_some() => self.step_worker(index, None),
            Place::Client | Place::Store | Place::Dispatcher(_) | Place::Worker(_) => {
                self.step_guest(place, None);
            }
        }
    }

    /// Schedules the wake-up that a process wants next. An earlier one that is scheduled already
    /// serves as well: when it comes, it looks again.
    pub(crate) fn rearm(&mut self, place: Place) {
        let now = self.now;
        let node = self.node_mut(place);
        let Some(at) = node.deadline() else { return };
        let at = at.max(now);
        if node.paused.is_some() || node.wake.is_some_and(|scheduled| scheduled <= at) {
            return;
        }
        node.wake = Some(at);
        let life = node.life;
        self.heap.push(at, Event::Wake(place, life));
    }
}
