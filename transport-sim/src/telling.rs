//! The story of a run, told while it happens, if somebody wants to hear it.

use mpcsfaas_core::dispatcher::Input;
use mpcsfaas_core::store::Op;
use mpcsfaas_core::store::op::Reply;
use mpcsfaas_core::wire::message::{FromDispatcher, FromWorker, TaskRef, ToDispatcher, ToWorker};
use mpcsfaas_core::worker;
use mpcsfaas_core::worker::child::ChildFact;

use crate::event::{Body, Event};
use crate::guest::Fact;
use crate::marks::name_of;
use crate::place::Place;
use crate::plan::{FOR_GOOD, Trouble};
use crate::trace::{Kind, Line};
use crate::world::World;

/// The lines so far, if they are kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Telling {
    lines: Option<Vec<Line>>,
}

/// Kind, where from, what, about which task.
type Words = (Kind, Option<Place>, String, Option<TaskRef>);

impl World {
    /// Keeps a line of text for each event from now on.
    pub fn tell(&mut self) {
        self.telling.lines.get_or_insert_default();
    }

    /// The lines kept so far.
    pub fn story(&self) -> &[Line] {
        self.telling.lines.as_deref().unwrap_or_default()
    }

    pub(crate) fn tell_event(&mut self, event: &Event) {
        if self.telling.lines.is_none() {
            return;
        }
        let node = event.target().unwrap_or_else(|| match event {
            Event::Fault(index) => self.plan.faults[*index].node,
            _ => place_of(event),
        });
        let mut words = self.words(event);
        if !self.is_free_for(event) && !matches!(event, Event::Served(_)) {
            words.2 += " (waits)";
        }
        self.tell_line(node, words);
    }

    pub(crate) fn tell_loss(&mut self, from: Place, to: Place, body: &Body) {
        if self.telling.lines.is_some() {
            let (what, task) = message(body);
            self.tell_line(to, (Kind::Loss, Some(from), what, task));
        }
    }

    fn tell_line(&mut self, node: Place, (kind, from, what, task): Words) {
        let (number, at, hash) = (self.events(), self.now, self.hash());
        if let Some(lines) = &mut self.telling.lines {
            lines.push(Line {
                number,
                at,
                node,
                from,
                kind,
                what,
                task,
                hash,
            });
        }
    }

    fn words(&self, event: &Event) -> Words {
        let life = |what: &str| (Kind::Life, None, what.to_owned(), None);
        match event {
            Event::Wake(..) => (Kind::Timer, None, "a deadline".to_owned(), None),
            Event::Up {
                pipe, body, copy, ..
            } => {
                let pipe = self.pipes.get(*pipe);
                let lost = pipe.is_none_or(|pipe| pipe.up.lost || !pipe.dispatcher_open);
                let from = pipe.map(|pipe| Place::Worker(pipe.worker));
                let (what, task) = message(body);
                (arrival(lost && !copy), from, again(what, *copy), task)
            }
            Event::Down {
                pipe, body, copy, ..
            } => {
                let pipe = self.pipes.get(*pipe);
                let lost = pipe.is_none_or(|pipe| pipe.down.lost || !pipe.worker_open);
                let from = pipe.map(|pipe| Place::Dispatcher(pipe.dispatcher));
                let (what, task) = message(body);
                (arrival(lost && !copy), from, again(what, *copy), task)
            }
            Event::Met { pipe, .. } => {
                let from = self.pipes.get(*pipe).map(|pipe| Place::Worker(pipe.worker));
                let from = from.map_or_else(String::new, |from| format!(" with {from}"));
                life(&format!("has a connection{from}"))
            }
            Event::UpEnd { pipe, .. } => {
                let from = self.pipes.get(*pipe).map(|pipe| Place::Worker(pipe.worker));
                let from = from.map_or_else(String::new, |from| format!(" of {from}"));
                life(&format!("hears the end of the connection{from}"))
            }
            Event::DownEnd { .. } => life("hears the end of its connection"),
            Event::Dialed(..) => life("connects"),
            Event::ToDispatcher(_, _, input) => to_dispatcher(input),
            Event::ToWorker(_, _, input) => to_worker(input),
            Event::ToGuest(_, _, fact) => to_guest(fact),
            Event::AtStore(request) => {
                let (what, task) = op(&request.op);
                let from = Some(Place::Dispatcher(request.dispatcher));
                (Kind::Store, from, what, task)
            }
            Event::AtRedis { from, op, .. } => (
                Kind::Store,
                Some(*from),
                first_words(&format!("{op:?}")),
                None,
            ),
            Event::Child { fact, .. } => child(fact),
            Event::Ran(_, _, task) => {
                let task = TaskRef {
                    task: *task,
                    attempt: 0,
                };
                (Kind::Child, None, "ends".to_owned(), Some(task))
            }
            Event::NextSubmit(index) | Event::Submit(index) => {
                let task = self.plan.submits[*index].task;
                let task = TaskRef { task, attempt: 0 };
                (Kind::Client, None, "submits".to_owned(), Some(task))
            }
            Event::AtStoreSubmit(index) => {
                let task = self.plan.submits[*index].task;
                let task = TaskRef { task, attempt: 0 };
                let from = Some(Place::Client);
                (Kind::Store, from, "Submit".to_owned(), Some(task))
            }
            Event::Cancel(task) => {
                let task = TaskRef {
                    task: *task,
                    attempt: 0,
                };
                (
                    Kind::Store,
                    Some(Place::Client),
                    "Cancel".to_owned(),
                    Some(task),
                )
            }
            Event::Fault(index) => {
                let fault = &self.plan.faults[*index];
                let what = format!("{}{}", name_of(fault), strength(fault.what));
                (Kind::Fault, None, what, None)
            }
            Event::Resume(place) => match self.node(*place).paused {
                Some(until) if self.now >= until => life("goes on"),
                Some(_) => life("still stands still"),
                None => life("goes on already"),
            },
            Event::Quicken(_) => life("is fast again"),
            Event::Over(_) => life("its link is as before"),
            Event::Boot(Place::Store) if self.store_up => life("is there already"),
            Event::Boot(place) => match &self.node(*place).process {
                Some(_) => life("is there already"),
                None => life("starts"),
            },
            Event::StoreBack(index) => {
                let seat = &self.dispatchers[*index];
                match (seat.node.process.is_some(), seat.store.up, self.store_up) {
                    (false, _, _) => life("is not there to reach the store"),
                    (_, true, _) => life("has the store already"),
                    (_, _, false) => life("does not find the store"),
                    _ => life("may reach the store"),
                }
            }
            Event::Served(event) => self.words(event),
            Event::Heal => (Kind::Fault, None, "all trouble ends".to_owned(), None),
        }
    }
}

fn place_of(event: &Event) -> Place {
    match event {
        Event::Dialed(worker, _) | Event::Child { worker, .. } => Place::Worker(*worker),
        Event::Ran(place, ..)
        | Event::Resume(place)
        | Event::Quicken(place)
        | Event::Over(place)
        | Event::Boot(place) => *place,
        Event::StoreBack(index) => Place::Dispatcher(*index),
        Event::NextSubmit(_) | Event::Submit(_) => Place::Client,
        _ => Place::Store,
    }
}

/// What a fault's name does not tell.
fn strength(what: Trouble) -> String {
    match what {
        Trouble::Cut | Trouble::Junk | Trouble::Impostor => String::new(),
        Trouble::Clog(time)
        | Trouble::Pause(time)
        | Trouble::Crash(time)
        | Trouble::StoreCut(time)
        | Trouble::Partition { time, .. }
            if time != FOR_GOOD =>
        {
            format!(" for {time:?}")
        }
        Trouble::Clog(_)
        | Trouble::Pause(_)
        | Trouble::Crash(_)
        | Trouble::StoreCut(_)
        | Trouble::Partition { .. } => " for good".to_owned(),
        Trouble::Slow { by, time } => format!(" by {by:?} for {time:?}"),
        Trouble::Leave(time) if time == FOR_GOOD => ", for good".to_owned(),
        Trouble::Leave(time) => format!(", back after {time:?}"),
        Trouble::ClockDrift(ppm) => format!(" of {ppm} ppm"),
        Trouble::ClockJump { millis } => format!(" of {millis} ms"),
        Trouble::Cancel(place) => format!(" of the task of submit {}", place + 1),
    }
}

/// A message that comes on a connection that has ended is lost.
fn arrival(lost: bool) -> Kind {
    if lost { Kind::Loss } else { Kind::Message }
}

fn again(what: String, copy: bool) -> String {
    if copy {
        format!("{what} (again)")
    } else {
        what
    }
}

fn first_words(text: &str) -> String {
    text.split(['{', '('])
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn message(body: &Body) -> (String, Option<TaskRef>) {
    match body {
        Body::FromWorker(message) => from_worker(message),
        Body::FromDispatcher(message) => from_dispatcher(message),
        Body::Json(json) => {
            let text = String::from_utf8_lossy(json);
            (text.chars().take(80).collect(), None)
        }
        Body::Junk => ("junk".to_owned(), None),
    }
}

fn from_worker(message: &FromWorker) -> (String, Option<TaskRef>) {
    let (what, task) = match &message.body {
        ToDispatcher::Hello(hello) => {
            let (running, finished) = (hello.running.len(), hello.finished.len());
            let credit = hello.credit;
            let text = format!("Hello credit {credit}, {running} running, {finished} finished");
            (
                text,
                hello.running.first().or(hello.finished.first()).copied(),
            )
        }
        ToDispatcher::Beat { last, credit } => (format!("Beat last {last} credit {credit}"), None),
        ToDispatcher::Pull { credit } => (format!("Pull credit {credit}"), None),
        ToDispatcher::Finished(tasks) => {
            let first = tasks.first().map(|finished| finished.task);
            (format!("Finished {}", tasks.len()), first)
        }
        ToDispatcher::Returned { tasks, .. } => {
            (format!("Returned {}", tasks.len()), tasks.first().copied())
        }
        ToDispatcher::Goodbye { returned } => (
            format!("Goodbye {} back", returned.len()),
            returned.first().copied(),
        ),
    };
    (
        format!("{what} [s{} #{}]", message.session, message.number),
        task,
    )
}

fn from_dispatcher(message: &FromDispatcher) -> (String, Option<TaskRef>) {
    let (what, task) = match &message.body {
        ToWorker::Welcome { .. } => ("Welcome".to_owned(), None),
        ToWorker::Run(runs) => (
            format!("Run {}", runs.len()),
            runs.first().map(|run| run.task),
        ),
        ToWorker::Function { .. } => ("Function".to_owned(), None),
        ToWorker::Ack(tasks) => (format!("Ack {}", tasks.len()), tasks.first().copied()),
        ToWorker::Drop(tasks) => (format!("Drop {}", tasks.len()), tasks.first().copied()),
        ToWorker::SayHello => ("SayHello".to_owned(), None),
        ToWorker::Beat { last } => (format!("Beat last {last}"), None),
        ToWorker::Drain => ("Drain".to_owned(), None),
    };
    (
        format!("{what} [s{} #{}]", message.session, message.number),
        task,
    )
}

fn op(op: &Op) -> (String, Option<TaskRef>) {
    let pair = |task, attempt| Some(TaskRef { task, attempt });
    match op {
        Op::Claim(claim) => (format!("Claim #{} up to {}", claim.number, claim.max), None),
        Op::Commit(batch) => {
            let first = batch.first().and_then(|item| pair(item.task, item.attempt));
            (format!("Commit {}", batch.len()), first)
        }
        Op::Requeue(batch) => {
            let reason = batch.first().map_or("", |item| item.reason.as_str());
            let first = batch.first().and_then(|item| pair(item.task, item.attempt));
            (format!("Requeue {} ({reason})", batch.len()), first)
        }
        Op::Adopt { tasks, .. } => {
            let first = tasks.first().and_then(|item| pair(item.task, item.attempt));
            (format!("Adopt {}", tasks.len()), first)
        }
        other => (first_words(&format!("{other:?}")), None),
    }
}

fn to_dispatcher(input: &Input) -> Words {
    match input {
        Input::StoreReplied { reply, .. } => {
            let what = match reply {
                Reply::Claimed(tasks) => format!("Claimed {}", tasks.len()),
                Reply::Committed(verdicts) => format!("Committed {verdicts:?}"),
                Reply::Requeued(verdicts) => format!("Requeued {verdicts:?}"),
                Reply::Adopted(verdicts) => format!("Adopted {verdicts:?}"),
                Reply::Renewed(owned) => format!("Renewed, owns {}", owned.len()),
                other => first_words(&format!("{other:?}")),
            };
            let task = match reply {
                Reply::Claimed(tasks) => tasks.first().map(|claimed| TaskRef {
                    task: claimed.task,
                    attempt: claimed.attempt,
                }),
                _ => None,
            };
            (Kind::Store, Some(Place::Store), what, task)
        }
        other => (
            Kind::Store,
            Some(Place::Store),
            first_words(&format!("{other:?}")),
            None,
        ),
    }
}

fn to_worker(input: &worker::Input) -> Words {
    match input {
        worker::Input::Child(fact) => child(fact),
        other => (Kind::Life, None, first_words(&format!("{other:?}")), None),
    }
}

fn to_guest(fact: &Fact) -> Words {
    (
        Kind::Store,
        Some(Place::Store),
        first_words(&format!("{fact:?}")),
        None,
    )
}

fn child(fact: &ChildFact) -> Words {
    match fact {
        ChildFact::Ready { slot, .. } => {
            (Kind::Child, None, format!("child {slot} is ready"), None)
        }
        ChildFact::Replied {
            slot,
            task,
            attempt,
            ..
        } => {
            let task = TaskRef {
                task: *task,
                attempt: *attempt,
            };
            (
                Kind::Child,
                None,
                format!("child {slot} replies"),
                Some(task),
            )
        }
        ChildFact::Exited {
            slot, code, signal, ..
        } => {
            let how = match (code, signal) {
                (Some(code), _) => format!("code {code}"),
                (None, Some(signal)) => format!("signal {signal}"),
                (None, None) => "nothing".to_owned(),
            };
            (
                Kind::Child,
                None,
                format!("child {slot} ends with {how}"),
                None,
            )
        }
    }
}
