//! What a move does: one process learns one thing, and its orders are carried out.

use std::collections::BTreeSet;

use bytes::Bytes;
use mpcsfaas_core::dispatcher;
use mpcsfaas_core::id::{FunctionId, TaskId};
use mpcsfaas_core::machine::Machine;
use mpcsfaas_core::store::op::{Notice, Reply, Submission};
use mpcsfaas_core::store::{Config, Op};
use mpcsfaas_core::task::{Options, Outcome, Versions};
use mpcsfaas_core::wire::message::{TaskRef, ToDispatcher, ToWorker};
use mpcsfaas_core::worker;
use mpcsfaas_core::worker::child::{ChildFact, ChildOrder, SlotId};
use mpcsfaas_transport_sim::history::{Ask, Row, Seen, What};
use mpcsfaas_transport_sim::place::Place;
use mpcsfaas_transport_sim::plan::{self, Bend, FOR_GOOD, Occasion, Trouble};
use mpcsfaas_transport_sim::result_of;
use mpcsfaas_transport_sim::tamper::Tampered;

use super::moves::Move;
use super::scope::{Fault, Scope};
use super::state::{PATIENCE, Request, State};

/// The only function of the world.
pub(super) const FUNCTION: FunctionId = FunctionId(0xf);

/// A state in which something happens.
#[derive(Debug)]
pub(super) struct Act<'s> {
    pub(super) scope: &'s Scope,
    pub(super) state: State,
    /// What was seen of it.
    pub(super) seen: Vec<Seen>,
    /// What the check of a machine says against it.
    pub(super) unsound: Option<String>,
}

impl<'s> Act<'s> {
    /// Makes a move. Who judges has not been told yet.
    pub(super) fn of(scope: &'s Scope, state: &State, step: Move) -> Act<'s> {
        let mut act = Act {
            scope,
            state: state.clone(),
            seen: Vec::new(),
            unsound: None,
        };
        act.make(step);
        act.state.pipes.retain(|pipe| !pipe.is_over());
        for index in 0..act.state.workers.len() {
            let now = act.state.look_at_worker(index);
            if let Some(now) = now
                && Some(now) != state.look_at_worker(index)
            {
                act.see(What::Worker(now));
            }
        }
        for seen in &act.seen {
            act.state.past.add(seen);
        }
        act
    }

    pub(super) fn see(&mut self, what: What) {
        let at = self.state.now;
        self.seen.push(Seen { at, what });
    }

    pub(super) fn strike(&mut self, node: Place, what: Trouble) {
        let at = self.state.now;
        self.see(What::Struck(plan::Fault { at, node, what }));
    }

    fn make(&mut self, step: Move) {
        match step {
            Move::Up(pipe) => self.read_up(pipe),
            Move::UpLost(pipe) => self.end_up(pipe),
            Move::Down(pipe) => self.read_down(pipe),
            Move::Refuse(pipe) => self.refuse(pipe),
            Move::Fact(place) => self.learn(place),
            Move::Doorbell(index) => {
                let node = self.state.dispatchers[index].change();
                let heard = node.doorbell.pop_front();
                self.step_dispatcher(index, heard);
            }
            Move::Fail(index) => {
                let (_, request) = self.state.dispatchers[index].change().failing.remove(0);
                let failed = dispatcher::Input::StoreFailed { request };
                self.step_dispatcher(index, Some(failed));
            }
            Move::Timer(place) => self.wake(place),
            Move::Resume(place) => self.resume(place),
            Move::StayStill(place) | Move::Pause(place) => self.pause(place),
            Move::Boot(place) => self.boot(place),
            Move::StayDown(place) => self.stay_down(place),
            Move::Serve(index, request) => self.serve(index, request, false),
            Move::ServeUnheard(index, request) => self.serve(index, request, true),
            Move::LoseRequest(index, request) => {
                self.state.requests[index].change().remove(request);
            }
            Move::Submit => self.submit(),
            Move::ChildEnds(worker, slot) => self.child_ends(worker, slot),
            Move::Cut(pipe) => {
                self.state.faults.spend(Fault::Cut);
                self.strike(Place::Worker(self.state.pipes[pipe].worker), Trouble::Cut);
                self.cut(pipe);
            }
            Move::Crash(place) => self.crash(place),
            Move::Leave(index) => self.ask_to_leave(index),
            Move::Time(at) => self.state.now = at,
        }
    }

    fn learn(&mut self, place: Place) {
        match place {
            Place::Dispatcher(index) => {
                let fact = self.state.dispatchers[index].change().facts.pop_front();
                if let Some(dispatcher::Input::StoreReplied { request, .. }) = fact {
                    self.see(What::Told { by: place, request });
                }
                self.step_dispatcher(index, fact);
            }
            Place::Worker(index) => {
                let fact = self.state.workers[index].change().facts.pop_front();
                self.step_worker(index, fact.map(worker::Input::Child));
            }
            Place::Client | Place::Store => {}
        }
    }

    fn wake(&mut self, place: Place) {
        match place {
            Place::Dispatcher(index) => self.step_dispatcher(index, None),
            Place::Worker(index) => self.step_worker(index, None),
            Place::Client | Place::Store => {}
        }
    }

    /// A dispatcher learns something, or that time has passed, and is obeyed.
    pub(super) fn step_dispatcher(&mut self, index: usize, input: Option<dispatcher::Input>) {
        let now = self.state.now;
        let Some(process) = &mut self.state.dispatchers[index].change().process else {
            return;
        };
        let deaths = process.machine.counters().deaths;
        let mut outputs = Vec::new();
        process.step(now, input, &mut outputs);
        self.unsound = process.machine.check().err();
        if process.machine.counters().deaths > deaths {
            self.see_deaths(index);
        }
        for output in outputs {
            match output {
                dispatcher::Output::Send { peer, message } => {
                    if let ToWorker::Ack(results) = &message.body {
                        let (by, results) = (Place::Dispatcher(index), results.clone());
                        self.see(What::Acknowledged { by, results });
                    }
                    self.send_down(index, peer, message);
                }
                dispatcher::Output::Store { request, op } => {
                    let (by, ask) = (Place::Dispatcher(index), Ask::of(&op));
                    self.see(What::Asked { by, request, ask });
                    let life = self.state.dispatchers[index].life;
                    self.state.requests[index].change().push(Request {
                        life,
                        request,
                        op,
                        asked_at: now,
                    });
                }
                // Nobody here speaks the original's dialect, and no dispatcher is asked to leave.
                dispatcher::Output::SendLegacy { .. } | dispatcher::Output::Exit => {}
            }
        }
    }

    /// A worker learns something, or that time has passed, and is obeyed.
    pub(super) fn step_worker(&mut self, index: usize, input: Option<worker::Input>) {
        let now = self.state.now;
        let Some(process) = &mut self.state.workers[index].change().process else {
            return;
        };
        let mut outputs = Vec::new();
        process.step(now, input, &mut outputs);
        self.unsound = process.machine.check().err();
        for output in outputs {
            match output {
                worker::Output::Connect { session } => self.connect(index, session),
                worker::Output::Send(message) => {
                    if let ToDispatcher::Returned { tasks, .. } = &message.body {
                        let (by, tasks) = (Place::Worker(index), tasks.clone());
                        self.see(What::HandedBack { by, tasks });
                    }
                    self.send_up(index, message)
                }
                worker::Output::Child(order) => self.obey_child_order(index, order),
                worker::Output::Exit => self.leave(index),
            }
        }
    }

    fn obey_child_order(&mut self, worker: usize, order: ChildOrder) {
        let now = self.state.now;
        let node = self.state.workers[worker].change();
        match order {
            ChildOrder::Spawn { slot } => {
                let versions = Versions::default();
                node.facts.push_back(ChildFact::Ready {
                    slot,
                    versions,
                    reads_ahead: false,
                });
            }
            ChildOrder::Execute {
                slot,
                task,
                attempt,
                ..
            } => {
                let index = slot as usize;
                if index >= node.children.len() {
                    node.children.resize(index + 1, None);
                }
                let task = TaskRef { task, attempt };
                node.children[index] = Some((task, now));
                let at = Place::Worker(worker);
                self.see(What::Started { at, task });
            }
            ChildOrder::Recall { slot } => {
                let tasks = Vec::new();
                node.facts.push_back(ChildFact::Recalled { slot, tasks });
            }
            ChildOrder::Terminate { slot } | ChildOrder::Kill { slot } => {
                let killed = node.children.get_mut(slot as usize).and_then(Option::take);
                node.facts.push_back(ChildFact::Exited {
                    slot,
                    code: None,
                    signal: Some(15),
                    output: Bytes::new(),
                    begun: killed.into_iter().map(|(task, _)| task).collect(),
                });
                if let Some((task, _)) = killed {
                    self.see_stopped(worker, task, false);
                }
            }
        }
    }

    /// A child is done. It is heard at once, unless its parent stands still.
    fn child_ends(&mut self, worker: usize, slot: usize) {
        let now = self.state.now;
        let node = self.state.workers[worker].change();
        let Some((task, since)) = node.children[slot].take() else {
            return;
        };
        let fact = ChildFact::Replied {
            slot: slot as SlotId,
            task: task.task,
            attempt: task.attempt,
            outcome: Outcome::completed(result_of(task)),
            took: now.since(since),
        };
        let hears = node.standing.is_up() && node.facts.is_empty();
        if !hears {
            node.facts.push_back(fact.clone());
        }
        self.see_stopped(worker, task, true);
        if hears {
            self.step_worker(worker, Some(worker::Input::Child(fact)));
        }
    }

    pub(super) fn see_stopped(&mut self, worker: usize, task: TaskRef, by_itself: bool) {
        let at = Place::Worker(worker);
        self.see(What::Stopped {
            at,
            task,
            by_itself,
        });
    }

    fn serve(&mut self, dispatcher: usize, index: usize, unheard: bool) {
        let asked = self.state.requests[dispatcher].change().remove(index);
        let request = asked.request;
        let (of, ask) = (Place::Dispatcher(dispatcher), Ask::of(&asked.op));
        self.see(What::Served { of, ask });
        let reply = self.apply(asked.op);
        let node = &mut self.state.dispatchers[dispatcher];
        if node.process.is_none() || node.life != asked.life {
            return;
        }
        if unheard {
            let at = asked.asked_at + PATIENCE;
            node.change().failing.push((at, request));
            self.state.faults.spend(Fault::Loss);
            let (on, bend) = (Occasion::Reply(dispatcher), Bend::Lost);
            return self.see(What::Twisted { on, bend });
        }
        let replied = dispatcher::Input::StoreReplied { request, reply };
        node.change().facts.push_back(replied);
    }

    /// One operation on the store, whoever asks.
    fn apply(&mut self, op: Op) -> Reply {
        let now = self.state.wall_time();
        let ask = Ask::of(&op);
        let node = self.state.store.change();
        let store = &mut node.store;
        let told = &mut node.told;
        let reply = match &mut node.tamper {
            Some(tamper) => {
                let mut tampered = Tampered::new(store, Config::default(), told);
                tamper.apply(&mut tampered, now, op)
            }
            None => store.apply(now, op),
        };
        let mut changed: BTreeSet<TaskId> = std::mem::take(&mut told.tasks);
        changed.append(&mut store.take_changes().tasks);
        let hints = std::iter::from_fn(|| store.poll_notice());
        let hints = std::mem::take(&mut told.notices).into_iter().chain(hints);
        let rung: Vec<_> = hints
            .filter_map(|hint| match hint {
                Notice::Queued => Some(dispatcher::Input::DoorbellRang),
                Notice::Claimed(ahead) => Some(dispatcher::Input::ClaimedAhead(ahead)),
                Notice::Ended(_) => None,
            })
            .collect();
        self.unsound = store.check().err();
        for task in changed {
            let row = self.state.store.store.task(task);
            self.see(row.map_or(What::RowGone(task), |row| What::Row(Row::of(task, row))));
        }
        if let Some(what) = ask.seen(&reply) {
            self.see(what);
        }
        for node in &mut self.state.dispatchers {
            if node.process.is_some() && !rung.is_empty() {
                let doorbell = &mut node.change().doorbell;
                for heard in &rung {
                    if doorbell.back() != Some(heard) {
                        doorbell.push_back(heard.clone());
                    }
                }
            }
        }
        reply
    }

    fn submit(&mut self) {
        let task = Scope::task(self.state.submitted);
        self.state.submitted += 1;
        let at_most_once = false;
        self.see(What::Submitted { task, at_most_once });
        let submission = Submission {
            task,
            function: FUNCTION,
            params: Bytes::copy_from_slice(&task.0.to_be_bytes()),
            options: Options::default(),
        };
        if let Reply::Submitted(answers) = self.apply(Op::Submit(vec![submission])) {
            for answer in answers {
                self.see(What::Answered { task, answer });
            }
        }
    }

    fn ask_to_leave(&mut self, worker: usize) {
        self.state.faults.spend(Fault::Leave);
        let node = Place::Worker(worker);
        self.strike(node, Trouble::Leave(FOR_GOOD));
        let process = self.state.workers[worker].process.as_ref();
        let unstarted =
            process.map_or_else(Vec::new, |process| process.machine.waiting().collect());
        self.see(What::Leaving { node, unstarted });
        self.step_worker(worker, Some(worker::Input::DrainRequested));
    }
}
