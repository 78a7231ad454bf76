//! The pull dispatcher: one REP, and each question is answered before the next is read.
//!
//! A worker that was removed and asks again is served like any other, but is in no list: if it
//! ends, no scan finds its tasks (5).

use std::collections::VecDeque;

use mpcsfaas_core::dispatcher::Peer;
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::guest::{Fact, Guest, Order};

use super::DispatcherConfig;
use super::desk::{Desk, Done};
use super::wire::{self, Answers, FromWorker, Says, ToWorker};

/// The process.
#[derive(Debug)]
pub struct PullDispatcher {
    /// When to start, before it has.
    start: Option<Instant>,
    desk: Desk,
    /// Questions that nobody has read; nothing where one made no sense.
    inbox: VecDeque<(Peer, Option<FromWorker>)>,
    /// Whose question waits for Redis.
    serving: Option<Peer>,
}

impl PullDispatcher {
    /// A dispatcher that starts now.
    pub fn new(now: Instant, config: DispatcherConfig) -> PullDispatcher {
        PullDispatcher {
            start: Some(now),
            desk: Desk::new(now, config),
            inbox: VecDeque::new(),
            serving: None,
        }
    }

    fn take_in(&mut self, now: Instant, fact: Fact, orders: &mut Vec<Order>) {
        match fact {
            Fact::Published(task) => self.desk.queue.push_back(task),
            Fact::Received { peer, body } => {
                self.inbox.push_back((peer, wire::decode_worker(&body)));
                self.serve(now, orders);
            }
            Fact::Redis { request, reply } => {
                if let Some(done) = self.desk.replied(request, reply, orders) {
                    self.answer_served(done, orders);
                    self.serve(now, orders);
                }
            }
            // The subscription is gone with the connection, and nobody subscribes again (15).
            Fact::RedisLost | Fact::RedisBack => {}
            Fact::Submitted { .. } | Fact::Ran { .. } | Fact::Died(_) | Fact::Terminated => {}
        }
    }

    /// Answers questions until one has to wait for Redis.
    fn serve(&mut self, now: Instant, orders: &mut Vec<Order>) {
        while self.serving.is_none()
            && let Some((peer, message)) = self.inbox.pop_front()
        {
            match self.handle(now, message, orders) {
                Some(answer) => send(peer, &answer, orders),
                None => self.serving = Some(peer),
            }
        }
    }

    /// Answers a question at once, or asks Redis first.
    fn handle(
        &mut self,
        now: Instant,
        message: Option<FromWorker>,
        orders: &mut Vec<Order>,
    ) -> Option<ToWorker> {
        let Some(FromWorker { worker, says }) = message else {
            return Some(error("unknown message"));
        };
        match says {
            Says::Register => {
                self.desk.roster.register(now, &worker);
                Some(ok(Answers::Register))
            }
            Says::Heartbeat => {
                self.desk.roster.beat(now, &worker);
                Some(ok(Answers::Heartbeat))
            }
            Says::RequestTask => match self.desk.queue.pop_front() {
                Some(task) => {
                    self.desk.hand_out(worker, task, orders);
                    None
                }
                None => Some(ToWorker::NoTask),
            },
            Says::TaskResult(task, status, result) => {
                let ended = (task, status, result);
                self.desk.take_result(worker, ended, orders);
                None
            }
            Says::Unregister => Some(error("unknown message")),
        }
    }

    /// Answers the question that waited for Redis.
    fn answer_served(&mut self, done: Done, orders: &mut Vec<Order>) {
        let answer = match done {
            Done::HandOut {
                worker,
                task,
                row: Some(row),
            } => {
                // Whether the worker is registered does not matter to its getting the task.
                self.desk.roster.assign(&worker, task);
                ToWorker::Task {
                    task,
                    function: row.function,
                    params: row.params,
                }
            }
            Done::Result { written: true } => ok(Answers::TaskResult),
            Done::HandOut { row: None, .. } | Done::Result { written: false } => {
                error("cannot reach Redis")
            }
        };
        if let Some(peer) = self.serving.take() {
            send(peer, &answer, orders);
        }
    }
}

impl Guest for PullDispatcher {
    fn step(&mut self, now: Instant, fact: Option<Fact>, orders: &mut Vec<Order>) {
        if self.start.take().is_some() {
            orders.push(Order::Bind { lock_step: true });
            self.desk.subscribe(orders);
        }
        match fact {
            Some(Fact::Terminated) => return orders.push(Order::Exit),
            Some(fact) => self.take_in(now, fact, orders),
            None => {}
        }
        self.desk.scan(now, orders);
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.start.unwrap_or(self.desk.scans_at()))
    }
}

fn send(peer: Peer, answer: &ToWorker, orders: &mut Vec<Order>) {
    let body = wire::encode_dispatcher(answer, true);
    orders.push(Order::Send { peer, body });
}

const fn ok(answers: Answers) -> ToWorker {
    ToWorker::Ok { answers }
}

fn error(message: &str) -> ToWorker {
    ToWorker::Error {
        message: message.to_owned(),
    }
}
