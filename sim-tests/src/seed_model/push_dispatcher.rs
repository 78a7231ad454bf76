//! The push dispatcher: a pusher, a receiver and a scanner, each a thread that waits by itself.
//!
//! - The *pusher* hands out one task a turn: no worker, a nap; no task, a nap; otherwise it takes
//!   the task off the queue, chooses a worker, marks the row RUNNING, and sends. A worker that is
//!   removed meanwhile gets nothing, and the task is in nobody's list (20).
//! - The *receiver* takes one message after the other. A beat is answered "ok" whoever sends it,
//!   and registers nobody: after a restart, or once declared dead, a worker beats for ever in vain
//!   (2, 4). A worker that beats keeps its tasks, whether it runs them or not (18).
//! - The *scanner* is in `desk`.

use std::collections::VecDeque;

use bytes::Bytes;
use mpcsfaas_core::dispatcher::Peer;
use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::guest::{Fact, Guest, Order, RawRow, RedisReply};

use super::desk::{Desk, Done};
use super::router::{Router, Thread};
use super::wire::{self, Answers, FromWorker, Says, ToWorker};
use super::{DispatcherConfig, IDLE_NAP, NO_WORKER_NAP};

/// The process.
#[derive(Debug)]
pub struct PushDispatcher {
    config: DispatcherConfig,
    /// When to start, before it has.
    start: Option<Instant>,
    desk: Desk,
    router: Router,
    pusher: Pusher,
    inbox: VecDeque<(Peer, FromWorker)>,
    /// Whether the receiver waits for Redis.
    receiving: bool,
}

/// What the pusher does.
#[derive(Debug)]
enum Pusher {
    Naps { until: Instant },
    WaitsForRedis,
}

impl PushDispatcher {
    /// A dispatcher that starts now.
    pub fn new(now: Instant, config: DispatcherConfig) -> PushDispatcher {
        PushDispatcher {
            config,
            start: Some(now),
            desk: Desk::new(now, config),
            router: Router::new(config.frame_gap),
            pusher: Pusher::Naps { until: now },
            inbox: VecDeque::new(),
            receiving: false,
        }
    }

    fn take_in(&mut self, now: Instant, fact: Fact, orders: &mut Vec<Order>) {
        match fact {
            Fact::Published(task) => self.desk.queue.push_back(task),
            Fact::Received { peer, body } => {
                if let Some(message) = wire::decode_worker(&body) {
                    self.inbox.push_back((peer, message));
                    self.receive(now, orders);
                }
            }
            Fact::Redis { request, reply } => self.replied(now, request, reply, orders),
            // The subscription is gone with the connection, and nobody subscribes again (15).
            Fact::RedisLost | Fact::RedisBack => {}
            Fact::Submitted { .. } | Fact::Ran { .. } | Fact::Died(_) | Fact::Terminated => {}
        }
    }

    /// A turn of the pusher.
    fn push(&mut self, now: Instant, orders: &mut Vec<Order>) {
        let Some(worker) = self.desk.roster.least_loaded() else {
            let until = now + NO_WORKER_NAP;
            self.pusher = Pusher::Naps { until };
            return;
        };
        let worker = worker.to_owned();
        self.pusher = match self.desk.queue.pop_front() {
            Some(task) => {
                self.desk.hand_out(worker, task, orders);
                Pusher::WaitsForRedis
            }
            None => Pusher::Naps {
                until: now + IDLE_NAP,
            },
        };
    }

    /// Sends a task whose row is RUNNING now.
    fn send_task(
        &mut self,
        now: Instant,
        worker: String,
        (task, row): (TaskId, RawRow),
        orders: &mut Vec<Order>,
    ) {
        if !self.desk.roster.assign(&worker, task) {
            return;
        }
        let message = ToWorker::Task {
            task,
            function: row.function,
            params: row.params,
        };
        // A DEALER's identity is its worker's name.
        let peer = Peer {
            identity: Bytes::from(worker),
            delimited: false,
        };
        let body = wire::encode_dispatcher(&message, false);
        self.router.send(now, Thread::Pusher, (peer, body), orders);
    }

    /// The receiver takes messages until one makes it wait.
    fn receive(&mut self, now: Instant, orders: &mut Vec<Order>) {
        while !self.receiving
            && let Some((peer, message)) = self.inbox.pop_front()
        {
            let worker = message.worker;
            match message.says {
                Says::Register => {
                    self.desk.roster.register(now, &worker);
                    self.answer(now, peer, Answers::Register, orders);
                }
                Says::Heartbeat => {
                    self.desk.roster.beat(now, &worker);
                    self.answer(now, peer, Answers::Heartbeat, orders);
                }
                Says::TaskResult(task, status, result) => {
                    self.receiving = true;
                    let ended = (task, status, result);
                    self.desk.take_result(worker, ended, orders);
                }
                Says::Unregister if self.config.goodbye => self.desk.dismiss(&worker, orders),
                Says::Unregister | Says::RequestTask => {}
            }
        }
    }

    fn answer(&mut self, now: Instant, peer: Peer, answers: Answers, orders: &mut Vec<Order>) {
        let body = wire::encode_dispatcher(&ToWorker::Ok { answers }, false);
        self.router
            .send(now, Thread::Receiver, (peer, body), orders);
    }

    fn replied(&mut self, now: Instant, request: u64, reply: RedisReply, orders: &mut Vec<Order>) {
        match self.desk.replied(request, reply, orders) {
            Some(Done::HandOut { worker, task, row }) => {
                if let Some(row) = row {
                    self.send_task(now, worker, (task, row), orders);
                }
                self.push(now, orders);
            }
            Some(Done::Result { .. }) => {
                self.receiving = false;
                self.receive(now, orders);
            }
            None => {}
        }
    }
}

impl Guest for PushDispatcher {
    fn step(&mut self, now: Instant, fact: Option<Fact>, orders: &mut Vec<Order>) {
        if self.start.take().is_some() {
            orders.push(Order::Bind { lock_step: false });
            self.desk.subscribe(orders);
        }
        match fact {
            Some(Fact::Terminated) => return orders.push(Order::Exit),
            Some(fact) => self.take_in(now, fact, orders),
            None => {}
        }
        self.router.write_due(now, orders);
        self.desk.scan(now, orders);
        if matches!(self.pusher, Pusher::Naps { until } if until <= now) {
            self.push(now, orders);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let nap = match self.pusher {
            Pusher::Naps { until } => Some(until),
            Pusher::WaitsForRedis => None,
        };
        let scan = Some(self.desk.scans_at());
        [self.start, nap, scan, self.router.deadline()]
            .into_iter()
            .flatten()
            .min()
    }
}
