//! The story of a run, told while it happens, if somebody wants to hear it.

pub(crate) mod words;

use std::collections::BTreeMap;
use std::fmt;

use mpcsfaas_core::dispatcher::Input;
use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::store::op::Reply;
use mpcsfaas_core::store::{Op, RequestId};
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::{TaskRef, ToDispatcher, ToWorker};
use mpcsfaas_core::worker;
use mpcsfaas_core::worker::child::ChildFact;

use self::words::{first_words, message, op, refs_of, reply};
use crate::event::{Body, Event};
use crate::marks::name_of;
use crate::place::Place;
use crate::plan::{FOR_GOOD, Fault, Trouble};
use crate::trace::{Kind, Line};
use crate::world::World;

/// The lines so far, if they are kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Telling {
    lines: Option<Vec<Line>>,
    /// What a dispatcher has asked the store about, so that the answer can be told of it.
    asked: BTreeMap<(usize, RequestId), Vec<TaskRef>>,
}

/// What an event is, in words.
struct Words {
    kind: Kind,
    from: Option<Place>,
    what: String,
    tasks: Vec<TaskRef>,
}

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
        let words = self.words(event);
        let routine = is_routine(event) || self.is_of_the_dead(event);
        let waits = !self.is_free_for(event) && !matches!(event, Event::Served(_));
        if !waits {
            self.remember_asked(event);
        }
        self.tell_line(node, words, self.heap.scheduled(), routine, waits);
    }

    /// A message is lost as soon as it is sent.
    pub(crate) fn tell_loss(&mut self, from: Place, to: Place, body: &Body) {
        let routine = is_beat(body);
        self.tell_lost(from, to, routine, || message(body));
    }

    /// So is a request to the store.
    pub(crate) fn tell_request_loss(&mut self, dispatcher: usize, asked: &Op) {
        let routine = matches!(asked, Op::Renew { .. });
        let from = Place::Dispatcher(dispatcher);
        self.tell_lost(from, Place::Store, routine, || op(asked));
    }

    /// So is its answer.
    pub(crate) fn tell_reply_loss(&mut self, dispatcher: usize, asked: &Op, answer: &Reply) {
        let routine = matches!(answer, Reply::Renewed(_));
        let to = Place::Dispatcher(dispatcher);
        self.tell_lost(Place::Store, to, routine, || (reply(answer), op(asked).1));
    }

    /// So is the store's doorbell.
    pub(crate) fn tell_doorbell_loss(&mut self, dispatcher: usize, lost: &Input) {
        let to = Place::Dispatcher(dispatcher);
        self.tell_lost(Place::Store, to, false, || doorbell(lost));
    }

    fn tell_lost(
        &mut self,
        from: Place,
        to: Place,
        routine: bool,
        words: impl FnOnce() -> (String, Vec<TaskRef>),
    ) {
        if self.telling.lines.is_some() {
            let words = Words::of(Kind::Loss, words()).from(from);
            self.tell_line(to, words, self.now, routine, false);
        }
    }

    fn tell_line(&mut self, node: Place, words: Words, sent: Instant, routine: bool, waits: bool) {
        let (number, at, hash) = (self.events(), self.now, self.hash());
        if let Some(lines) = &mut self.telling.lines {
            lines.push(Line {
                number,
                at,
                sent: words.from.map(|_| sent),
                node,
                from: words.from,
                kind: words.kind,
                what: words.what,
                tasks: words.tasks,
                routine,
                waits,
                hash,
            });
        }
    }

    /// A question is told when it arrives, and its answer is about the same tasks.
    fn remember_asked(&mut self, event: &Event) {
        match event {
            Event::AtStore(request) => {
                let (place, tasks) = ((request.dispatcher, request.request), op(&request.op).1);
                self.telling.asked.insert(place, tasks);
            }
            Event::ToDispatcher(index, _, Input::StoreReplied { request, .. }) => {
                self.telling.asked.remove(&(*index, *request));
            }
            Event::Served(event) => self.remember_asked(event),
            _ => {}
        }
    }

    fn words(&self, event: &Event) -> Words {
        let life = |what: &str| Words::node(Kind::Life, what);
        let of_task = |kind, what: &str, task: TaskId| {
            Words::of(kind, (what.to_owned(), vec![TaskRef { task, attempt: 0 }]))
        };
        match event {
            Event::Wake(..) => Words::node(Kind::Timer, "a deadline"),
            Event::Up {
                pipe, body, copy, ..
            } => {
                let pipe = self.pipes.get(*pipe);
                let lost = pipe.is_none_or(|pipe| pipe.up.lost || !pipe.dispatcher_open);
                let from = pipe.map(|pipe| Place::Worker(pipe.worker));
                arrived(body, from, lost, *copy)
            }
            Event::Down {
                pipe, body, copy, ..
            } => {
                let pipe = self.pipes.get(*pipe);
                let lost = pipe.is_none_or(|pipe| pipe.down.lost || !pipe.worker_open);
                let from = pipe.map(|pipe| Place::Dispatcher(pipe.dispatcher));
                arrived(body, from, lost, *copy)
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
            Event::ToDispatcher(index, life, input) => {
                let gone = self.dispatchers[*index].node.life != *life;
                self.to_dispatcher(*index, input).lost_if(gone)
            }
            Event::ToWorker(_, _, input) => to_worker(input),
            Event::ToGuest(_, _, fact) => {
                Words::node(Kind::Store, &first_words(&format!("{fact:?}"))).from(Place::Store)
            }
            Event::AtStore(request) => Words::of(Kind::Store, op(&request.op))
                .from(Place::Dispatcher(request.dispatcher))
                .lost_if(!self.store_up),
            Event::AtRedis { from, op, .. } => {
                Words::node(Kind::Store, &first_words(&format!("{op:?}"))).from(*from)
            }
            Event::Child { fact, .. } if self.is_of_the_dead(event) => {
                let of = child(fact);
                Words::node(Kind::Child, &format!("{}: it is gone", of.what))
            }
            Event::Child { fact, .. } => child(fact),
            Event::Ran(_, _, task) => of_task(Kind::Child, "ends", *task),
            Event::NextSubmit(index) => {
                self.submits(Kind::Client, "submits", &self.due_submits(*index))
            }
            Event::Submit(index) => self.submits(Kind::Client, "submits", &[*index]),
            Event::AtStoreSubmit(batch) => self
                .submits(Kind::Store, "Submit", batch)
                .from(Place::Client)
                .lost_if(!self.store_up),
            Event::Cancel(task) => of_task(Kind::Store, "Cancel", *task)
                .from(Place::Client)
                .lost_if(!self.store_up),
            Event::Fault(index) => Words::node(Kind::Fault, &self.plan.faults[*index].to_string()),
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
            Event::Heal => Words::node(Kind::Life, "all trouble ends"),
        }
    }

    /// So many tasks that travel together.
    fn submits(&self, kind: Kind, what: &str, batch: &[usize]) -> Words {
        let tasks = batch.iter().map(|index| self.plan.submits[*index].task);
        let refs = refs_of(tasks.map(|task| (task, 0)));
        Words::of(kind, (format!("{what} {}", batch.len()), refs))
    }

    /// A child was to do something, and is gone: nobody notices.
    fn is_of_the_dead(&self, event: &Event) -> bool {
        match event {
            Event::Child {
                worker,
                life,
                generation,
                fact,
            } => self.child_is_gone(*worker, *life, *generation, fact),
            _ => false,
        }
    }

    fn to_dispatcher(&self, index: usize, input: &Input) -> Words {
        match input {
            Input::StoreReplied {
                request,
                reply: answer,
            } => {
                let tasks = match answer {
                    Reply::Claimed(tasks) => {
                        let refs = tasks.iter().map(|claimed| (claimed.task, claimed.attempt));
                        refs_of(refs)
                    }
                    _ => {
                        let asked = self.telling.asked.get(&(index, *request));
                        asked.cloned().unwrap_or_default()
                    }
                };
                Words::of(Kind::Store, (reply(answer), tasks)).from(Place::Store)
            }
            Input::DoorbellRang | Input::ClaimedAhead(_) => {
                Words::of(Kind::Store, doorbell(input)).from(Place::Store)
            }
            other => Words::node(Kind::Store, &first_words(&format!("{other:?}"))),
        }
    }
}

/// What the doorbell says, and which attempts it is about.
fn doorbell(heard: &Input) -> (String, Vec<TaskRef>) {
    match heard {
        Input::ClaimedAhead(ahead) => {
            let what = format!("ClaimedAhead #{} {}", ahead.number, ahead.tasks.len());
            let refs = ahead.tasks.iter().map(|task| (task.task, task.attempt));
            (what, refs_of(refs))
        }
        other => (first_words(&format!("{other:?}")), Vec::new()),
    }
}

impl Words {
    fn of(kind: Kind, (what, tasks): (String, Vec<TaskRef>)) -> Words {
        Words {
            kind,
            from: None,
            what,
            tasks,
        }
    }

    /// Of no task.
    fn node(kind: Kind, what: &str) -> Words {
        Words::of(kind, (what.to_owned(), Vec::new()))
    }

    fn from(self, place: impl Into<Option<Place>>) -> Words {
        Words {
            from: place.into(),
            ..self
        }
    }

    /// It arrives where nobody is there any more.
    fn lost_if(self, lost: bool) -> Words {
        match (lost, self.from) {
            (true, Some(_)) => Words {
                kind: Kind::Loss,
                ..self
            },
            _ => self,
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

/// Its name and strength, such as `worker-pause for 2s`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", name_of(self), strength(self.what))
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
fn arrived(body: &Body, from: Option<Place>, lost: bool, copy: bool) -> Words {
    let (what, tasks) = message(body);
    let what = if copy {
        format!("{what} (again)")
    } else {
        what
    };
    let words = Words::of(Kind::Message, (what, tasks));
    words.from(from).lost_if(lost && !copy)
}

/// Whether an event comes again and again, whatever happens.
fn is_routine(event: &Event) -> bool {
    match event {
        Event::Wake(..) => true,
        Event::Up { body, .. } | Event::Down { body, .. } => is_beat(body),
        Event::AtStore(request) => matches!(request.op, Op::Renew { .. }),
        Event::ToDispatcher(_, _, Input::StoreReplied { reply, .. }) => {
            matches!(reply, Reply::Renewed(_))
        }
        Event::Served(event) => is_routine(event),
        _ => false,
    }
}

fn is_beat(body: &Body) -> bool {
    match body {
        Body::FromWorker(message) => matches!(message.body, ToDispatcher::Beat { .. }),
        Body::FromDispatcher(message) => matches!(message.body, ToWorker::Beat { .. }),
        Body::Json(_) | Body::Junk => false,
    }
}

fn to_worker(input: &worker::Input) -> Words {
    match input {
        worker::Input::Child(fact) => child(fact),
        other => Words::node(Kind::Life, &first_words(&format!("{other:?}"))),
    }
}

fn child(fact: &ChildFact) -> Words {
    match fact {
        ChildFact::Ready { slot, .. } => {
            Words::node(Kind::Child, &format!("child {slot} is ready"))
        }
        ChildFact::Replied {
            slot,
            task,
            attempt,
            ..
        } => {
            let tasks = refs_of([(*task, *attempt)].into_iter());
            Words::of(Kind::Child, (format!("child {slot} replies"), tasks))
        }
        ChildFact::Recalled { slot, tasks } => {
            let tasks = refs_of(tasks.iter().map(|task| (task.task, task.attempt)));
            Words::of(Kind::Child, (format!("child {slot} gives back"), tasks))
        }
        ChildFact::Exited {
            slot, code, signal, ..
        } => {
            let how = match (code, signal) {
                (Some(code), _) => format!("code {code}"),
                (None, Some(signal)) => format!("signal {signal}"),
                (None, None) => "nothing".to_owned(),
            };
            Words::node(Kind::Child, &format!("child {slot} ends with {how}"))
        }
    }
}
