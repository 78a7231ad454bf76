//! What may happen next in a state.

use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::place::Place;

use super::scope::{Fault, PAUSES, RETURNS, Scope};
use super::state::{Down, Standing, State, Up};

/// One step. Numbers are places in the lists of the state it is a move of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Move {
    /// A dispatcher reads what came first on a connection.
    Up(usize),
    /// A dispatcher sees that a connection is over; what had not arrived is lost.
    UpLost(usize),
    /// A worker reads what came first on a connection.
    Down(usize),
    /// Nobody who knows this connection is at the dispatcher's place.
    Refuse(usize),
    /// A process learns what is first in its line of facts.
    Fact(Place),
    /// A dispatcher hears the doorbell.
    Doorbell(usize),
    /// A dispatcher's driver loses its patience with the first request whose answer was lost.
    Fail(usize),
    /// A deadline of a process has come.
    Timer(Place),
    /// A process goes on after it stood still.
    Resume(Place),
    /// It stands still for longer.
    StayStill(Place),
    /// A process starts.
    Boot(Place),
    /// Nobody starts one yet.
    StayDown(Place),
    /// The store carries out a request of a dispatcher.
    Serve(usize, usize),
    /// The same, and the answer is lost.
    ServeUnheard(usize, usize),
    /// A request of a dispatcher that is gone never reaches the store.
    LoseRequest(usize, usize),
    /// The client submits the next task.
    Submit,
    /// A Python child is done with its task.
    ChildEnds(usize, usize),
    /// The connection of a worker is cut.
    Cut(usize),
    /// A process ends without a word.
    Crash(Place),
    /// A process stands still.
    Pause(Place),
    /// A worker is asked to leave.
    Leave(usize),
    /// Nothing happens until then.
    Time(Instant),
}

/// How pressing a move is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// It happens before time passes, in whatever order.
    Due,
    /// It may happen now or at any later time.
    Free,
    /// It may happen at any time or never, and only so often.
    Fault,
}

/// A move, and the node whose state it changes. Others only get something into a line of theirs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    pub(super) node: Place,
    pub(super) kind: Kind,
    pub(super) step: Move,
}

/// All that may happen next, but for time.
pub(super) fn choices(scope: &Scope, state: &State) -> Vec<Choice> {
    let mut list = List(Vec::with_capacity(24));
    for index in 0..state.pipes.len() {
        list.on_pipe(state, index);
    }
    for index in 0..state.dispatchers.len() {
        list.at_dispatcher(state, index);
    }
    for index in 0..state.workers.len() {
        list.at_worker(state, index);
    }
    list.at_store(scope, state);
    list.0
}

struct List(Vec<Choice>);

impl List {
    fn add(&mut self, node: Place, kind: Kind, step: Move) {
        self.0.push(Choice { node, kind, step });
    }

    fn due(&mut self, node: Place, step: Move) {
        self.add(node, Kind::Due, step);
    }

    fn on_pipe(&mut self, state: &State, index: usize) {
        let pipe = &state.pipes[index];
        let above = Place::Dispatcher(pipe.dispatcher);
        let dispatcher = &state.dispatchers[pipe.dispatcher];
        let strange = pipe.heard_by.is_some_and(|life| life != dispatcher.life);
        if pipe.dispatcher_open && (dispatcher.process.is_none() || strange) {
            self.due(above, Move::Refuse(index));
        } else if let Some(first) = pipe.up.front()
            && pipe.dispatcher_open
            && dispatcher.standing.is_up()
        {
            self.due(above, Move::Up(index));
            let torn = matches!(pipe.up.back(), Some(Up::End { in_order: false }));
            if torn && matches!(first, Up::Message(_)) {
                self.due(above, Move::UpLost(index));
            }
        }
        if !pipe.worker_open {
            return;
        }
        let below = Place::Worker(pipe.worker);
        if state.workers[pipe.worker].standing.is_up() && !pipe.down.is_empty() {
            self.due(below, Move::Down(index));
        }
        let whole = !pipe.is_cut && !matches!(pipe.down.back(), Some(Down::End { .. }));
        if whole && state.faults.has(Fault::Cut) {
            self.add(below, Kind::Fault, Move::Cut(index));
        }
    }

    fn at_dispatcher(&mut self, state: &State, index: usize) {
        let (node, place) = (&state.dispatchers[index], Place::Dispatcher(index));
        self.life(state, place, node.standing);
        let (Standing::Up, Some(process)) = (node.standing, &node.process) else {
            return;
        };
        if !node.facts.is_empty() {
            self.due(place, Move::Fact(place));
        }
        if !node.doorbell.is_empty() {
            self.due(place, Move::Doorbell(index));
        }
        if node.failing.iter().any(|(at, _)| *at <= state.now) {
            self.due(place, Move::Fail(index));
        }
        let timer = process.deadline();
        if timer.is_some_and(|at| at <= state.now) {
            self.due(place, Move::Timer(place));
        }
    }

    fn at_worker(&mut self, state: &State, index: usize) {
        let (node, place) = (&state.workers[index], Place::Worker(index));
        self.life(state, place, node.standing);
        for (slot, child) in node.children.iter().enumerate() {
            if child.is_some() {
                self.add(place, Kind::Free, Move::ChildEnds(index, slot));
            }
        }
        let (Standing::Up, Some(process)) = (node.standing, &node.process) else {
            return;
        };
        if !node.facts.is_empty() {
            self.due(place, Move::Fact(place));
        }
        let timer = process.deadline();
        if timer.is_some_and(|at| at <= state.now) {
            self.due(place, Move::Timer(place));
        }
        if state.faults.has(Fault::Leave) && !process.machine.is_leaving_work() {
            self.add(place, Kind::Fault, Move::Leave(index));
        }
    }

    /// Starts, ends and pauses.
    fn life(&mut self, state: &State, place: Place, standing: Standing) {
        match standing {
            Standing::Still(until, pause) if until <= state.now => {
                self.due(place, Move::Resume(place));
                if pause + 1 < PAUSES.len() {
                    self.due(place, Move::StayStill(place));
                }
            }
            Standing::Down(until, time) if until <= state.now => {
                self.due(place, Move::Boot(place));
                if time + 1 < RETURNS.len() {
                    self.due(place, Move::StayDown(place));
                }
            }
            Standing::Up | Standing::Still(..) | Standing::Down(..) | Standing::Gone => {}
        }
        let there = matches!(standing, Standing::Up | Standing::Still(..));
        if there && state.faults.has(Fault::Crash) {
            self.add(place, Kind::Fault, Move::Crash(place));
        }
        if standing.is_up() && state.faults.has(Fault::Pause) {
            self.add(place, Kind::Fault, Move::Pause(place));
        }
    }

    fn at_store(&mut self, scope: &Scope, state: &State) {
        for (dispatcher, requests) in state.requests.iter().enumerate() {
            let node = &state.dispatchers[dispatcher];
            for (index, request) in requests.iter().enumerate() {
                self.due(Place::Store, Move::Serve(dispatcher, index));
                if node.process.is_none() || request.life != node.life {
                    self.due(Place::Store, Move::LoseRequest(dispatcher, index));
                } else if state.faults.has(Fault::Loss) {
                    let step = Move::ServeUnheard(dispatcher, index);
                    self.add(Place::Store, Kind::Fault, step);
                }
            }
        }
        if state.submitted < scope.tasks {
            self.add(Place::Store, Kind::Free, Move::Submit);
        }
    }
}
