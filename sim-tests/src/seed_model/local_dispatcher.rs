//! The local dispatcher: no workers, but a pool in its own process.
//!
//! What runs when it ends stays RUNNING: a new one hears only of new tasks (12).

use std::collections::VecDeque;

use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::task::Status;
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::guest::{Fact, Guest, Order};

use super::pool::{self, Pool};
use super::redis::{Change, Redis};

/// The process.
#[derive(Debug)]
pub struct LocalDispatcher {
    /// When to start, before it has.
    start: Option<Instant>,
    redis: Redis<Then>,
    queue: VecDeque<TaskId>,
    /// Whether the loop that starts tasks waits for Redis.
    starting: bool,
    pool: Pool,
}

/// What follows when a row is written.
#[derive(Debug)]
enum Then {
    Start(TaskId),
    Nothing,
}

impl LocalDispatcher {
    /// A dispatcher that starts now, with so many processes.
    pub fn new(now: Instant, processes: usize) -> LocalDispatcher {
        LocalDispatcher {
            start: Some(now),
            redis: Redis::new(),
            queue: VecDeque::new(),
            starting: false,
            pool: Pool::new(processes),
        }
    }

    /// Marks the next task RUNNING, whether or not a process is free for it.
    fn start_next(&mut self, orders: &mut Vec<Order>) {
        if self.starting {
            return;
        }
        let Some(task) = self.queue.pop_front() else {
            return;
        };
        self.starting = true;
        let change = Change {
            task,
            status: Status::Running,
            result: None,
        };
        self.redis.change(change, Then::Start(task), orders);
    }
}

impl Guest for LocalDispatcher {
    fn step(&mut self, _now: Instant, fact: Option<Fact>, orders: &mut Vec<Order>) {
        if self.start.take().is_some() {
            self.redis.subscribe(orders);
        }
        match fact {
            Some(Fact::Published(task)) => {
                self.queue.push_back(task);
                self.start_next(orders);
            }
            Some(Fact::Redis { request, reply }) => {
                let over = self.redis.replied(request, reply, orders);
                if let Some((Then::Start(task), row)) = over {
                    if row.is_some() {
                        self.pool.submit(task, orders);
                    }
                    self.starting = false;
                    self.start_next(orders);
                }
            }
            Some(Fact::Ran { task, result }) => {
                self.pool.ended(orders);
                let (status, result) = pool::ending(result);
                let change = Change {
                    task,
                    status,
                    result: Some(result),
                };
                self.redis.change(change, Then::Nothing, orders);
            }
            // Nobody asks which task it was (8).
            Some(Fact::Died(_)) => self.pool.ended(orders),
            Some(Fact::Terminated) => orders.push(Order::Exit),
            // The subscription is gone with the connection, and nobody subscribes again (15).
            Some(Fact::RedisLost | Fact::RedisBack) => {}
            Some(Fact::Submitted { .. } | Fact::Received { .. }) | None => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.start
    }
}
