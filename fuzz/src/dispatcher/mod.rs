//! `dispatcher`: workers, workers of the original, a store, other dispatchers and a clock that do
//! anything.
//!
//! The store is the core's own, so that sequences reach deep states; between it and the dispatcher
//! requests and answers are lost, late, repeated and overtaken. Besides the dispatcher's own
//! invariants: no worker is given more than it said it would hold, no attempt is run twice, a
//! function's body comes before its first task, the numbers of a session have no gap, a request is
//! repeated word for word, and time goes on. Half of the inputs end in peace, and then every task must
//! end, or the dispatcher have left if it was asked to.

mod event;
mod guests;
mod peace;
mod requests;

use std::time::Duration;

use mpcsfaas_core::dispatcher::{Config, Counters, Dispatcher, Input, Output, Peer};
use mpcsfaas_core::id::Incarnation;
use mpcsfaas_core::machine::{Machine, step};
use mpcsfaas_core::store::op::Mode;
use mpcsfaas_core::time::Instant;

use self::guests::Guests;
use self::requests::Requests;
use crate::draw::Draw;
use crate::pace::{self, MOST_OUTPUTS};

/// At most so many events an input.
const EVENTS: usize = 300;

/// One input. Returns what the dispatcher has seen.
///
/// # Panics
/// If the dispatcher does not keep what is said above.
pub fn run(data: &[u8]) -> Counters {
    let mut draw = Draw::new(data);
    let peaceful = draw.flag();
    let mut world = World::new(&mut draw);
    for _ in 0..EVENTS {
        if draw.is_empty() || world.gone {
            break;
        }
        world.happen(&mut draw);
    }
    if peaceful && !world.mad && !world.gone {
        world.make_peace();
    }
    world.dispatcher.counters()
}

struct World {
    dispatcher: Dispatcher,
    now: Instant,
    requests: Requests,
    guests: Guests,
    /// The store has answered what no store does.
    mad: bool,
    /// It was asked to leave.
    leaving: bool,
    /// It has left.
    gone: bool,
}

impl World {
    fn new(draw: &mut Draw<'_>) -> World {
        let incarnation = Incarnation { boot: 1, epoch: 0 };
        let config = Config {
            worker_limit: draw.one_of(&[10_000, 2]),
            function_limit: draw.one_of(&[1_024, 1]),
            claim_limit: draw.one_of(&[256, 1]),
            batches_in_flight: draw.one_of(&[2, 1]),
            ..Config::new(incarnation, Mode::Push)
        };
        let now = Instant::from_nanos(1_000_000_000);
        World {
            dispatcher: Dispatcher::new(config, now),
            now,
            requests: Requests::new(),
            guests: Guests::default(),
            mad: false,
            leaving: false,
            gone: false,
        }
    }

    /// Lets time pass; what becomes due on the way is done when it is.
    fn wait(&mut self, time: Duration) {
        let (from, until) = (self.now, self.now + time);
        pace::pass(
            self,
            from,
            until,
            |world| world.dispatcher.poll_timeout(),
            |world, now| {
                world.now = now;
                world.step(None);
            },
        );
        self.now = until;
    }

    /// Lets time pass at one blow: the process stands still.
    fn stand_still(&mut self, time: Duration) {
        self.now = self.now + time;
        self.step(None);
    }

    fn feed(&mut self, input: Input) {
        self.step(Some(input));
    }

    /// Nothing, once it has left: its process has ended.
    fn step(&mut self, input: Option<Input>) {
        if self.gone {
            return;
        }
        let mut orders = Vec::new();
        step(&mut self.dispatcher, self.now, input, |order| {
            orders.push(order)
        });
        assert!(
            orders.len() <= MOST_OUTPUTS,
            "{} orders at once",
            orders.len()
        );
        for order in orders {
            // What is ordered after the end is of no interest to anybody.
            if self.gone {
                return;
            }
            match order {
                Output::Send { peer, message } => self.guests.told(&peer, &message),
                Output::SendLegacy { peer, message } => self.guests.told_legacy(&peer, &message),
                Output::Store { request, op } => self.requests.asked(request, op),
                Output::Exit => self.gone = true,
            }
        }
        if let Err(broken) = self.dispatcher.check() {
            panic!("{broken}\n{:?}", self.dispatcher);
        }
    }
}

/// The connection of a worker of ours in a session.
fn native_peer(worker: u64, session: u64) -> Peer {
    Peer {
        identity: format!("{worker}.{session}").into(),
        delimited: false,
    }
}
