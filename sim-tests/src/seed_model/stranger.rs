//! Peers that speak the original's dialect and are no workers.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::task::Status;
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::guest::{Fact, Guest, Order};

use super::BEAT;
use super::wire::{self, Says, Told};

/// What a stranger is up to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Role {
    /// Sends results of tasks that nobody gave it: how long after its start, of which task, in
    /// which status.
    Lies(Vec<(Duration, TaskId, Status)>),
    /// Registers, asks for tasks where workers ask until it has got one, and from then on beats and
    /// does nothing else.
    OnlyBeats,
    /// Registers once, in the name of somebody else.
    Registers(String),
}

/// The process.
#[derive(Debug)]
pub struct Stranger {
    name: String,
    lock_step: bool,
    /// When to say what; each is due after the one before.
    script: VecDeque<(Instant, Says)>,
    /// When it beats, if it does.
    beat_at: Option<Instant>,
    connected: bool,
    /// Whether it asks for a task after each "ok".
    wants: bool,
}

const NAME: &str = "stranger";

impl Stranger {
    /// A stranger that starts now, and asks and waits for answers in turn if `lock_step`.
    pub fn new(now: Instant, lock_step: bool, role: &Role) -> Stranger {
        let (name, script, beats) = match role {
            Role::Lies(lies) => (NAME, lies.iter().map(|lie| told(now, lie)).collect(), false),
            Role::OnlyBeats => (NAME, VecDeque::from([(now, Says::Register)]), true),
            Role::Registers(name) => (&**name, VecDeque::from([(now, Says::Register)]), false),
        };
        Stranger {
            name: name.to_owned(),
            lock_step,
            script,
            beat_at: beats.then(|| now + BEAT),
            connected: false,
            wants: beats && lock_step,
        }
    }

    fn say(&self, says: &Says, orders: &mut Vec<Order>) {
        orders.push(Order::Send {
            peer: wire::other_side(),
            body: wire::encode_worker(&self.name, says),
        });
    }
}

fn told(now: Instant, (after, task, status): &(Duration, TaskId, Status)) -> (Instant, Says) {
    let result = Bytes::from_static(b"a lie");
    (now + *after, Says::TaskResult(*task, *status, result))
}

impl Guest for Stranger {
    fn step(&mut self, now: Instant, fact: Option<Fact>, orders: &mut Vec<Order>) {
        if !std::mem::replace(&mut self.connected, true) {
            orders.push(Order::Connect {
                identity: Bytes::from_static(NAME.as_bytes()),
                lock_step: self.lock_step,
            });
        }
        match fact {
            Some(Fact::Terminated) => return orders.push(Order::Exit),
            Some(Fact::Received { body, .. }) => match wire::decode_dispatcher(&body) {
                Some(Told::Task(_)) => self.wants = false,
                Some(Told::Ok) if self.wants => self.say(&Says::RequestTask, orders),
                _ => {}
            },
            _ => {}
        }
        while self.script.front().is_some_and(|(at, _)| *at <= now)
            && let Some((_, says)) = self.script.pop_front()
        {
            self.say(&says, orders);
        }
        if self.beat_at.is_some_and(|at| at <= now) {
            self.beat_at = Some(now + BEAT);
            self.say(&Says::Heartbeat, orders);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let said = self.script.front().map(|(at, _)| *at);
        said.into_iter().chain(self.beat_at).min()
    }
}
