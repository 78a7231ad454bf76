//! The pull worker: a REQ, and three threads that take turns with it.
//!
//! A thread that has the socket asks and waits for the answer, for as long as that takes; the
//! others wait in line. If the dispatcher ends in between, all wait for ever (3), and a signal
//! changes nothing: the process looks at it once the answer is there (11).
//!
//! The loop asks for the next task as soon as it has one, free process or not, so that the first
//! worker takes all that there is (9).

use std::collections::VecDeque;

use bytes::Bytes;
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::guest::{Fact, Guest, Order};

use super::pool::{self, Pool};
use super::wire::{self, Says, Told};
use super::{NO_TASK_NAP, WorkerConfig};

/// The process.
#[derive(Debug)]
pub struct PullWorker {
    config: WorkerConfig,
    name: String,
    /// When to start, before it has.
    start: Option<Instant>,
    pool: Pool,
    /// The question that waits for its answer.
    asked: Option<Says>,
    /// Questions of threads that wait for the socket.
    line: VecDeque<Says>,
    /// When the loop asks for a task again, if it naps.
    request_at: Option<Instant>,
    /// When the next beat is due, unless one is in line or asked.
    beat_at: Option<Instant>,
    terminated: bool,
}

impl PullWorker {
    /// A worker that starts now.
    pub fn new(now: Instant, name: String, config: WorkerConfig) -> PullWorker {
        PullWorker {
            config,
            name,
            start: Some(now),
            pool: Pool::new(config.processes),
            asked: None,
            line: VecDeque::new(),
            request_at: None,
            beat_at: None,
            terminated: false,
        }
    }

    fn take_in(&mut self, now: Instant, fact: Fact, orders: &mut Vec<Order>) {
        match fact {
            Fact::Received { body, .. } => {
                if let Some(question) = self.asked.take() {
                    let told = wire::decode_dispatcher(&body);
                    self.answered(now, &question, told, orders);
                }
            }
            Fact::Ran { task, result } => {
                self.pool.ended(orders);
                let (status, result) = pool::ending(result);
                self.line.push_back(Says::TaskResult(task, status, result));
            }
            // Nobody asks which task it was (8).
            Fact::Died(_) => self.pool.ended(orders),
            Fact::Terminated => self.terminated = true,
            Fact::Submitted { .. }
            | Fact::Redis { .. }
            | Fact::Published(_)
            | Fact::RedisLost
            | Fact::RedisBack => {}
        }
    }

    /// The thread that asked goes on.
    fn answered(
        &mut self,
        now: Instant,
        question: &Says,
        told: Option<Told>,
        orders: &mut Vec<Order>,
    ) {
        match question {
            Says::Register => {
                self.line.push_back(Says::RequestTask);
                self.beat_at = Some(now + self.config.beat);
            }
            Says::RequestTask => match told {
                Some(Told::Task(task)) => {
                    self.pool.submit(task, orders);
                    self.line.push_back(Says::RequestTask);
                }
                _ => self.request_at = Some(now + NO_TASK_NAP),
            },
            Says::Heartbeat => self.beat_at = Some(now + self.config.beat),
            Says::TaskResult(..) | Says::Unregister => {}
        }
    }

    /// Threads whose nap is over get in line.
    fn wake(&mut self, now: Instant) {
        let due = |at: &mut Instant| *at <= now;
        if self.request_at.take_if(due).is_some() {
            self.line.push_back(Says::RequestTask);
        }
        if self.beat_at.take_if(due).is_some() {
            self.line.push_back(Says::Heartbeat);
        }
    }

    /// The first in line gets the socket if it is free.
    fn ask(&mut self, orders: &mut Vec<Order>) {
        if self.asked.is_some() {
            return;
        }
        self.asked = self.line.pop_front();
        if let Some(question) = &self.asked {
            orders.push(Order::Send {
                peer: wire::other_side(),
                body: wire::encode_worker(&self.name, question),
            });
        }
    }
}

impl Guest for PullWorker {
    fn step(&mut self, now: Instant, fact: Option<Fact>, orders: &mut Vec<Order>) {
        if self.start.take().is_some() {
            orders.push(Order::Connect {
                identity: Bytes::new(),
                lock_step: true,
            });
            self.line.push_back(Says::Register);
        }
        if let Some(fact) = fact {
            self.take_in(now, fact, orders);
        }
        if self.terminated && self.asked.is_none() {
            return orders.push(Order::Exit);
        }
        self.wake(now);
        self.ask(orders);
    }

    fn deadline(&self) -> Option<Instant> {
        [self.start, self.request_at, self.beat_at]
            .into_iter()
            .flatten()
            .min()
    }
}
