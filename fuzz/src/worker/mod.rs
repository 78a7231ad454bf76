//! `worker`: a dispatcher, children and a clock that do anything.
//!
//! Mostly they do what they may: a message has the next number, a child that answers was asked. Then
//! they repeat, leave out, lie and stand still. Besides the worker's own invariants: it numbers what it
//! says without a gap and opens each session with a Hello that lists all it holds; it orders of a
//! child only what that child's state allows; a result stays until it was acknowledged or dropped;
//! and time goes on: what is due is done at once, and leads to no more at the same instant.

mod children;
mod event;
mod heard;

use std::sync::Arc;
use std::time::Duration;

use mpcsfaas_core::id::{Incarnation, WorkerId};
use mpcsfaas_core::machine::{Machine, step};
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::{Flow, FromDispatcher, ToWorker, UNNUMBERED};
use mpcsfaas_core::worker::{Config, Counters, Input, Output, Worker};

use self::children::Children;
use self::event::Event;
use self::heard::Heard;
use crate::draw::Draw;
use crate::pace::{self, MOST_OUTPUTS};

/// At most so many events an input.
const EVENTS: usize = 300;

/// How far ahead something may be due to be waited for.
const NEAR: Duration = Duration::from_secs(120);

/// Python processes.
const PROCESSES: u32 = 2;

/// One input. Returns what the worker has seen, and what it still held.
///
/// # Panics
/// If the worker does not keep what is said above.
pub fn run(data: &[u8]) -> Counters {
    let mut draw = Draw::new(data);
    let mut world = World::new(&mut draw);
    for _ in 0..EVENTS {
        if draw.is_empty() {
            break;
        }
        let event = draw.worker_event();
        world.happen(&mut draw, event);
    }
    world.worker.counters()
}

struct World {
    worker: Worker,
    now: Instant,
    children: Children,
    heard: Heard,
    /// The number of the last message that was told in this session.
    told: u64,
}

impl World {
    fn new(draw: &mut Draw<'_>) -> World {
        let flow = draw.one_of(&[Flow::Push, Flow::Pull]);
        let config = Config {
            function_limit: draw.one_of(&[1_024, 1]),
            ..Config::new(WorkerId(7), PROCESSES, flow, draw.number(0, 3))
        };
        let now = Instant::from_nanos(1_000_000_000);
        let mut world = World {
            worker: Worker::new(config, now),
            now,
            children: Children::new(PROCESSES),
            heard: Heard::default(),
            told: 0,
        };
        while let Some(order) = world.worker.poll_output() {
            world.obey(order);
        }
        world
    }

    fn happen(&mut self, draw: &mut Draw<'_>, event: Event) {
        match event {
            Event::Tell => {
                let body = draw.dispatcher_says();
                self.tell(body);
            }
            Event::Welcome => self.tell(ToWorker::Welcome {
                dispatcher: Incarnation { boot: 1, epoch: 0 },
                beat: Duration::from_secs(1),
                timeout: Duration::from_secs(3),
            }),
            Event::Run => {
                let tasks = draw.list(3, Draw::run);
                self.tell(ToWorker::Run(tasks));
            }
            Event::Function => {
                let (id, function) = (draw.function_id(), Arc::new(draw.function()));
                self.tell(ToWorker::Function { id, function });
            }
            Event::AckHeld => {
                let tasks = self.heard.results().collect();
                self.tell(ToWorker::Ack(tasks));
            }
            Event::Beat => self.tell_in(
                self.heard.session(),
                UNNUMBERED,
                ToWorker::Beat { last: self.told },
            ),
            Event::Stray => {
                let (session, number) = (
                    self.heard.session().wrapping_sub(draw.number(0, 2)),
                    draw.edge(),
                );
                let body = draw.dispatcher_says();
                self.tell_in(session, number, body);
            }
            Event::Closed { back } => {
                let session = self.heard.session().wrapping_sub(back);
                self.feed(Some(Input::ConnectionClosed { session }));
            }
            Event::Child => {
                if let Some(fact) = self.children.fact(draw) {
                    self.feed(Some(Input::Child(fact)));
                }
            }
            Event::StrayChild => {
                let fact = draw.child_fact();
                if self.children.is_possible(&fact) {
                    self.feed(Some(Input::Child(fact)));
                }
            }
            Event::Wait(time) => self.wait(time),
            Event::UntilDue => {
                let due = self.worker.poll_timeout().map(|due| due.since(self.now));
                if let Some(time) = due.filter(|time| *time < NEAR) {
                    self.wait(time);
                }
            }
            Event::Leave => self.feed(Some(Input::DrainRequested)),
        }
    }

    /// Says the next thing in the current session.
    fn tell(&mut self, body: ToWorker) {
        let number = match body {
            ToWorker::Beat { .. } | ToWorker::SayHello => UNNUMBERED,
            ToWorker::Welcome { .. }
            | ToWorker::Run(_)
            | ToWorker::Function { .. }
            | ToWorker::Ack(_)
            | ToWorker::Drop(_)
            | ToWorker::Drain => {
                self.told += 1;
                self.told
            }
        };
        self.tell_in(self.heard.session(), number, body);
    }

    fn tell_in(&mut self, session: u64, number: u64, body: ToWorker) {
        let message = FromDispatcher {
            session,
            number,
            body: self.heard.within_credit(body, self.worker.held()),
        };
        self.heard.told(&message.body);
        self.feed(Some(Input::MessageReceived(message)));
    }

    /// Lets time pass; what becomes due on the way is done when it is.
    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        pace::pass(
            self,
            self.now,
            until,
            |world| world.worker.poll_timeout(),
            |world, now| {
                world.now = now;
                world.feed(None);
            },
        );
        self.now = until;
    }

    fn feed(&mut self, input: Option<Input>) {
        let session = self.heard.session();
        let mut orders = Vec::new();
        step(&mut self.worker, self.now, input, |order| {
            orders.push(order)
        });
        assert!(
            orders.len() <= MOST_OUTPUTS,
            "{} orders at once",
            orders.len()
        );
        for order in orders {
            self.obey(order);
        }
        if self.heard.session() != session {
            self.told = 0;
        }
        self.check();
    }

    fn obey(&mut self, order: Output) {
        match order {
            Output::Connect { session } => self.heard.connected(session),
            Output::Send(message) => self.heard.said(&message),
            Output::Child(order) => self.children.obey(&order),
            Output::Exit => self.heard.left(),
        }
    }

    fn check(&self) {
        if let Err(broken) = self.worker.check() {
            panic!("{broken}\n{:?}", self.worker);
        }
        self.heard.check(&self.worker);
        self.children.check(&self.worker);
    }
}
