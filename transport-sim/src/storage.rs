//! Requests to the store: on their way, carried out, answered, or not.

use std::collections::BTreeMap;
use std::time::Duration;

use mpcsfaas_core::dispatcher::Input;
use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::store::op::{Notice, Reply};
use mpcsfaas_core::store::{Config, Op, RequestId, Row};
use mpcsfaas_core::time::Instant;

use crate::event::Event;
use crate::guest::Fact;
use crate::history::{Ask, What};
use crate::node::Process;
use crate::place::Place;
use crate::plan::{Bend, Occasion, Plan};
use crate::tamper::Tampered;
use crate::world::World;

/// A dispatcher's request on its way.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Request {
    pub(crate) dispatcher: usize,
    life: u64,
    link: u64,
    pub(crate) request: RequestId,
    pub(crate) op: Op,
    asked_at: Instant,
    /// Whether somebody still waits for the answer. Not so for a late copy.
    wanted: bool,
    /// Whether it arrives twice, and which of the two this is.
    double: Option<Double>,
}

/// Which of two that are the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Double {
    Original,
    Copy,
}

/// A dispatcher's connection to the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct StoreLink {
    pub(crate) up: bool,
    /// Grows with each connection: an answer finds only the one that asked.
    number: u64,
    /// Cut until then.
    pub(crate) until: Instant,
}

/// How long a driver waits for an answer before it calls a request failed.
const PATIENCE: Duration = Duration::from_millis(500);

/// How the store of a plan is set up.
pub(crate) fn config_of(plan: &Plan) -> Config {
    Config {
        queue_limit: plan.shape.queue_limit,
        ..Config::default()
    }
}

impl StoreLink {
    pub(crate) fn cut(&mut self) {
        self.up = false;
        self.number += 1;
    }
}

impl World {
    /// One operation on the store, whoever asks.
    pub(crate) fn apply(&mut self, op: Op) -> Reply {
        let ask = Ask::of(&op);
        self.apply_asked(&ask, op)
    }

    fn apply_asked(&mut self, ask: &Ask, op: Op) -> Reply {
        let now = self.wall_time();
        let reply = match &mut self.store_tamper {
            Some(tamper) => {
                let config = config_of(&self.plan);
                let mut store = Tampered::new(&mut self.store, config, &mut self.store_told);
                tamper.apply(&mut store, now, op)
            }
            None => self.store.apply(now, op),
        };
        let changed = std::mem::take(&mut self.store_told.tasks);
        self.look_at_store(changed);
        if let Some(what) = ask.seen(&reply) {
            self.see(what);
        }
        let mut notices = std::mem::take(&mut self.store_told.notices);
        while let Some(notice) = notices.pop_front().or_else(|| self.store.poll_notice()) {
            match notice {
                Notice::Queued => self.ring_doorbells(Input::DoorbellRang),
                Notice::Claimed(ahead) => self.ring_doorbells(Input::ClaimedAhead(ahead)),
                Notice::Ended(_) => {}
            }
        }
        reply
    }

    pub(crate) fn ask_store(&mut self, dispatcher: usize, request: RequestId, op: Op) {
        let seat = &self.dispatchers[dispatcher];
        let (life, link) = (seat.node.life, seat.store);
        let (by, ask) = (Place::Dispatcher(dispatcher), Ask::of(&op));
        self.see(What::Asked { by, request, ask });
        let mut asked = Request {
            dispatcher,
            life,
            link: link.number,
            request,
            op,
            asked_at: self.now,
            wanted: true,
            double: None,
        };
        if !link.up {
            return self.fail_in_time(&mut asked);
        }
        let after = self.latency();
        match self.bend(Occasion::Request(dispatcher)) {
            Some(Bend::Lost) => {
                self.tell_request_loss(dispatcher, &asked.op);
                self.fail_in_time(&mut asked);
            }
            Some(Bend::Twice(later)) => {
                let mut copy = asked.clone();
                copy.wanted = false;
                asked.double = Some(Double::Original);
                copy.double = Some(Double::Copy);
                self.schedule(after, Event::AtStore(asked));
                self.schedule(after + later, Event::AtStore(copy));
            }
            Some(Bend::Late(late)) => {
                if after + late >= PATIENCE {
                    self.fail_in_time(&mut asked);
                }
                self.schedule(after + late, Event::AtStore(asked));
            }
            Some(_) | None => self.schedule(after, Event::AtStore(asked)),
        }
    }

    /// The answer will not come in time: the driver gives up, and wants it no more.
    fn fail_in_time(&mut self, asked: &mut Request) {
        if std::mem::replace(&mut asked.wanted, false) {
            let failed = Input::StoreFailed {
                request: asked.request,
            };
            let event = Event::ToDispatcher(asked.dispatcher, asked.life, failed);
            self.heap
                .push((asked.asked_at + PATIENCE).max(self.now), event);
        }
    }

    /// An event will wait at its node until then: a request may outlast its driver's patience.
    pub(crate) fn outlast(&mut self, mut event: Event, until: Instant) -> Event {
        if let Event::AtStore(request) = &mut event
            && until >= request.asked_at + PATIENCE
        {
            self.fail_in_time(request);
        }
        event
    }

    pub(crate) fn serve(&mut self, mut asked: Request) {
        if !self.store_up {
            return self.fail_in_time(&mut asked);
        }
        let claim = matches!(asked.op, Op::Claim(_));
        let dispatcher = asked.dispatcher;
        let request = asked.request;
        let again = self.is_served_again(&asked) && is_fenced(&asked.op);
        let before = again.then(|| self.rows_of(&asked.op));
        let from = self.seen.len();
        let (of, ask) = (Place::Dispatcher(dispatcher), Ask::of(&asked.op));
        self.see(What::Served {
            of,
            ask: ask.clone(),
        });
        let reply = self.apply_asked(&ask, asked.op.clone());
        if let Some(before) = before {
            self.see_served_again(dispatcher, &before, from);
        }
        self.note_reply(&asked, &reply);
        if claim {
            self.watch_claim(dispatcher, &reply);
        }
        let cut = self.dispatchers[dispatcher].store.number != asked.link;
        if cut || self.bend(Occasion::Reply(dispatcher)) == Some(Bend::Lost) {
            self.tell_reply_loss(dispatcher, &asked.op, &reply);
            return self.fail_in_time(&mut asked);
        }
        if asked.wanted {
            let input = Input::StoreReplied { request, reply };
            let event = Event::ToDispatcher(dispatcher, asked.life, input);
            self.schedule(self.latency(), event);
        }
    }

    /// Whether the store has carried out another copy of this before. The first may have come when
    /// it was down.
    fn is_served_again(&mut self, asked: &Request) -> bool {
        let served = &mut self.dispatchers[asked.dispatcher].served_doubles;
        let key = (asked.life, asked.request);
        match asked.double {
            Some(Double::Original) => {
                served.insert(key);
                false
            }
            Some(Double::Copy) => served.remove(&key),
            None => false,
        }
    }

    /// The rows that an operation names.
    fn rows_of(&self, op: &Op) -> BTreeMap<TaskId, Row> {
        let named: Vec<TaskId> = match op {
            Op::Commit(batch) => batch.iter().map(|item| item.task).collect(),
            Op::Requeue(batch) => batch.iter().map(|item| item.task).collect(),
            Op::Adopt { tasks, .. } => tasks.iter().map(|item| item.task).collect(),
            _ => Vec::new(),
        };
        let row = |task: TaskId| self.store.task(task).map(|row| (task, row.clone()));
        named.into_iter().filter_map(row).collect()
    }

    /// Tells every connected dispatcher that the queue has got tasks, or that some were claimed ahead: they
    /// hear the same channel.
    fn ring_doorbells(&mut self, heard: Input) {
        for index in 0..self.dispatchers.len() {
            if !self.dispatchers[index].store.up {
                continue;
            }
            if self.bend(Occasion::Doorbell(index)) == Some(Bend::Lost) {
                self.tell_doorbell_loss(index, &heard);
            } else {
                let life = self.dispatchers[index].node.life;
                let event = Event::ToDispatcher(index, life, heard.clone());
                self.schedule(self.latency(), event);
            }
        }
    }

    /// Cuts a dispatcher off the store for a while.
    pub(crate) fn cut_store(&mut self, dispatcher: usize, time: Duration) {
        let until = self.now + time;
        let link = &mut self.dispatchers[dispatcher].store;
        link.until = link.until.max(until);
        self.heap.push(until, Event::StoreBack(dispatcher));
        if !link.up {
            return;
        }
        link.cut();
        self.store_lost(dispatcher);
    }

    fn store_lost(&mut self, dispatcher: usize) {
        let seat = &mut self.dispatchers[dispatcher];
        seat.subscribed = None;
        let life = seat.node.life;
        let event = match seat.node.process {
            Some(Process::Guest(_)) => {
                Event::ToGuest(Place::Dispatcher(dispatcher), life, Fact::RedisLost)
            }
            Some(_) | None => Event::ToDispatcher(dispatcher, life, Input::StoreDisconnected),
        };
        self.schedule(Duration::ZERO, event);
    }

    pub(crate) fn store_back(&mut self, dispatcher: usize) {
        let (now, healed, store_up) = (self.now, self.healed, self.store_up);
        let seat = &mut self.dispatchers[dispatcher];
        let early = now < seat.store.until && !healed;
        if seat.node.process.is_none() || seat.store.up || early || !store_up {
            return;
        }
        seat.store.up = true;
        let life = seat.node.life;
        let event = match seat.node.process {
            Some(Process::Guest(_)) => {
                Event::ToGuest(Place::Dispatcher(dispatcher), life, Fact::RedisBack)
            }
            Some(_) | None => Event::ToDispatcher(dispatcher, life, Input::StoreConnected),
        };
        self.schedule(Duration::ZERO, event);
        if self.dispatchers[dispatcher].store.until > Instant::ZERO {
            let node = Place::Dispatcher(dispatcher);
            self.see(What::Over { node });
        }
    }

    /// The store's process ends. What it has acknowledged is on disk.
    pub(crate) fn store_ends(&mut self) {
        self.store_up = false;
        for index in 0..self.dispatchers.len() {
            if self.dispatchers[index].store.up {
                self.dispatchers[index].store.cut();
                self.store_lost(index);
            }
        }
    }

    /// It is there again.
    pub(crate) fn store_begins(&mut self) {
        if std::mem::replace(&mut self.store_up, true) {
            return;
        }
        self.see(What::Over { node: Place::Store });
        for index in 0..self.dispatchers.len() {
            self.schedule(Duration::ZERO, Event::StoreBack(index));
        }
    }
}

/// Whether a late copy of an operation may change nothing: what it is about has a number, a session
/// or a lease that is over by then.
fn is_fenced(op: &Op) -> bool {
    matches!(
        op,
        Op::OpenLease { .. }
            | Op::Claim(_)
            | Op::Commit(_)
            | Op::Requeue(_)
            | Op::Adopt { .. }
            | Op::Release { .. }
    )
}
