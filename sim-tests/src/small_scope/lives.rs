//! Processes start and end, and who hears of it.

use std::collections::BTreeSet;

use mpcsfaas_core::dispatcher::{self, Dispatcher};
use mpcsfaas_core::id::{Incarnation, WorkerId};
use mpcsfaas_core::store::op::Mode;
use mpcsfaas_core::timing::Timing;
use mpcsfaas_core::wire::message::Flow;
use mpcsfaas_core::worker::{self, Worker};
use mpcsfaas_transport_sim::chain::Chain;
use mpcsfaas_transport_sim::history::What;
use mpcsfaas_transport_sim::place::Place;
use mpcsfaas_transport_sim::plan::Trouble;
use mpcsfaas_transport_sim::tamper::Bugged;

use super::act::Act;
use super::scope::{Fault, PAUSES, RETURNS, TIMEOUT};
use super::state::Standing;

impl Act<'_> {
    fn standing(&mut self, place: Place) -> Option<&mut Standing> {
        match place {
            Place::Dispatcher(index) => Some(&mut self.state.dispatchers[index].change().standing),
            Place::Worker(index) => Some(&mut self.state.workers[index].change().standing),
            Place::Client | Place::Store => None,
        }
    }

    pub(super) fn resume(&mut self, place: Place) {
        if let Some(standing) = self.standing(place) {
            *standing = Standing::Up;
            self.see(What::Over { node: place });
        }
    }

    /// A process stands still for the shortest of the pauses, or for the next one instead. Judges see
    /// two pauses in a row.
    pub(super) fn pause(&mut self, place: Place) {
        let now = self.state.now;
        let Some(standing) = self.standing(place) else {
            return;
        };
        let (pause, time) = match *standing {
            Standing::Still(_, pause) => (pause + 1, PAUSES[pause + 1] - PAUSES[pause]),
            Standing::Up | Standing::Down(..) | Standing::Gone => (0, PAUSES[0]),
        };
        *standing = Standing::Still(now + time, pause);
        if pause == 0 {
            self.state.faults.spend(Fault::Pause);
        }
        self.strike(place, Trouble::Pause(time));
    }

    pub(super) fn crash(&mut self, place: Place) {
        self.state.faults.spend(Fault::Crash);
        self.strike(place, Trouble::Crash(RETURNS[0]));
        let down = Standing::Down(self.state.now + RETURNS[0], 0);
        match place {
            Place::Dispatcher(index) => self.end_dispatcher(index, down),
            Place::Worker(index) => self.end_worker(index, down, false),
            Place::Client | Place::Store => {}
        }
    }

    /// Another process comes after the next of the times only.
    pub(super) fn stay_down(&mut self, place: Place) {
        if let Some(Standing::Down(until, time)) = self.standing(place) {
            *until = *until + (RETURNS[*time + 1] - RETURNS[*time]);
            *time += 1;
        }
    }

    /// Starts a process at a place that is empty.
    pub(super) fn boot(&mut self, place: Place) {
        self.see(What::Arrived(place));
        match place {
            Place::Dispatcher(index) => self.boot_dispatcher(index),
            Place::Worker(index) => self.boot_worker(index),
            Place::Client | Place::Store => {}
        }
    }

    fn boot_dispatcher(&mut self, index: usize) {
        let now = self.state.now;
        let node = self.state.dispatchers[index].change();
        node.life += 1;
        node.standing = Standing::Up;
        let boot = Chain::of(&(Place::Dispatcher(index), node.life));
        let mode = match self.scope.flow {
            Flow::Push => Mode::Push,
            Flow::Pull => Mode::Pull,
        };
        let incarnation = Incarnation { boot, epoch: 0 };
        let mut config = dispatcher::Config::new(incarnation, mode);
        config.timing = timing();
        let machine = Dispatcher::new(config, now);
        node.process = Some(Bugged::new(machine, self.scope.tampers.dispatcher));
        node.facts.push_back(dispatcher::Input::StoreConnected);
    }

    fn boot_worker(&mut self, index: usize) {
        let now = self.state.now;
        let node = self.state.workers[index].change();
        node.life += 1;
        node.standing = Standing::Up;
        let place = (Place::Worker(index), node.life);
        let (id, seed) = (Chain::of(&place), Chain::of(&(place, "jitter")));
        let mut config = worker::Config::new(WorkerId(id), 1, self.scope.flow, seed);
        config.timing = timing();
        let machine = Worker::new(config, now);
        node.process = Some(Bugged::new(machine, self.scope.tampers.worker));
        // The first orders of a machine wait in it; that no time has passed is harmless to learn.
        self.step_worker(index, None);
    }

    /// A dispatcher's process is gone. Its connections are refused one by one.
    pub(super) fn end_dispatcher(&mut self, index: usize, down: Standing) {
        let node = self.state.dispatchers[index].change();
        node.life += 1;
        node.standing = down;
        node.process = None;
        node.facts.clear();
        node.doorbell.clear();
        node.failing.clear();
        let (node, by_itself) = (Place::Dispatcher(index), false);
        self.see(What::Ended { node, by_itself });
    }

    /// A worker's process is gone, and its children with it.
    pub(super) fn end_worker(&mut self, index: usize, down: Standing, by_itself: bool) {
        let node = self.state.workers[index].change();
        node.life += 1;
        node.standing = down;
        node.process = None;
        node.facts.clear();
        node.refusals = 0;
        for (task, _) in std::mem::take(&mut node.children).into_iter().flatten() {
            self.see_stopped(index, task, false);
        }
        self.hang_up(index, by_itself);
        let node = Place::Worker(index);
        self.see(What::Ended { node, by_itself });
    }

    /// A worker ends by itself, and nobody takes its place.
    pub(super) fn leave(&mut self, index: usize) {
        self.end_worker(index, Standing::Gone, true);
    }

    /// Which live workers a dispatcher has just given up, although they are in the session that it
    /// has welcomed.
    pub(super) fn see_deaths(&mut self, index: usize) {
        let node = &self.state.dispatchers[index];
        let Some(process) = &node.process else { return };
        let listed: BTreeSet<_> = process
            .machine
            .workers()
            .map(|(worker, session)| (worker.clone(), session))
            .collect();
        let by = Place::Dispatcher(index);
        let here = |worker: &usize| {
            let machine = self.state.workers[*worker].process.as_ref();
            let machine = machine.map(|process| &process.machine);
            let pipe = self.state.pipe_of(*worker);
            let pipe = pipe.map(|pipe| &self.state.pipes[pipe]);
            let known = pipe
                .is_some_and(|pipe| pipe.dispatcher == index && pipe.heard_by == Some(node.life));
            machine.is_some_and(|machine| {
                let name = (machine.id().into(), machine.session());
                known && machine.is_welcome() && !listed.contains(&name)
            })
        };
        let dead: Vec<usize> = (0..self.state.workers.len()).filter(here).collect();
        for worker in dead {
            let worker = Place::Worker(worker);
            self.see(What::DeclaredDead { by, worker });
        }
    }
}

fn timing() -> Timing {
    Timing {
        timeout: TIMEOUT,
        ..Timing::default()
    }
}
