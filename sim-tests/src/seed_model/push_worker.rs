//! The push worker: a DEALER whose identity is the worker's name.
//!
//! It registers once, and exits if nobody answers in time (14). It never asks whether it is still
//! registered. A signal ends it without a word: what runs, and what has run and is not sent, is
//! dropped (10).

use std::collections::VecDeque;

use bytes::Bytes;
use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::task::Status;
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::guest::{Fact, Guest, Order};

use super::pool::{self, Pool};
use super::wire::{self, Says, Told};
use super::{REGISTER_PATIENCE, RESULT_NAP, WorkerConfig};

/// The process.
#[derive(Debug)]
pub struct PushWorker {
    config: WorkerConfig,
    name: String,
    phase: Phase,
    pool: Pool,
    /// What has run and is not sent.
    results: VecDeque<(TaskId, Status, Bytes)>,
}

#[derive(Debug)]
enum Phase {
    Starts {
        at: Instant,
    },
    Registers {
        until: Instant,
    },
    Works {
        /// The result sender looks each [`RESULT_NAP`] from here on.
        since: Instant,
        beat_at: Instant,
        /// When the result sender finds something.
        send_at: Option<Instant>,
    },
}

impl PushWorker {
    /// A worker that starts now. The name is its identity, too, and must be its own.
    pub fn new(now: Instant, name: String, config: WorkerConfig) -> PushWorker {
        PushWorker {
            config,
            name,
            phase: Phase::Starts { at: now },
            pool: Pool::new(config.processes),
            results: VecDeque::new(),
        }
    }

    fn take_in(&mut self, now: Instant, fact: Fact, orders: &mut Vec<Order>) {
        match fact {
            Fact::Received { body, .. } => {
                let told = wire::decode_dispatcher(&body);
                match (&self.phase, told) {
                    (Phase::Registers { .. }, Some(Told::Ok)) => {
                        self.phase = Phase::Works {
                            since: now,
                            beat_at: now + self.config.beat,
                            send_at: None,
                        };
                    }
                    (Phase::Works { .. }, Some(Told::Task(task))) => {
                        self.pool.submit(task, orders);
                    }
                    _ => {}
                }
            }
            Fact::Ran { task, result } => {
                self.pool.ended(orders);
                let (status, result) = pool::ending(result);
                self.results.push_back((task, status, result));
                if let Phase::Works { since, send_at, .. } = &mut self.phase {
                    send_at.get_or_insert(next_look(*since, now));
                }
            }
            // Nobody asks which task it was (8).
            Fact::Died(_) => self.pool.ended(orders),
            Fact::Terminated
            | Fact::Submitted { .. }
            | Fact::Redis { .. }
            | Fact::Published(_)
            | Fact::RedisLost
            | Fact::RedisBack => {}
        }
    }

    fn look_at_the_clock(&mut self, now: Instant, orders: &mut Vec<Order>) {
        match &mut self.phase {
            Phase::Starts { .. } => {
                let until = now + REGISTER_PATIENCE;
                self.phase = Phase::Registers { until };
                orders.push(Order::Connect {
                    identity: Bytes::from(self.name.clone()),
                    lock_step: false,
                });
                self.say(&Says::Register, orders);
            }
            Phase::Registers { until } if *until <= now => orders.push(Order::Exit),
            Phase::Registers { .. } => {}
            Phase::Works {
                beat_at, send_at, ..
            } => {
                let sends = send_at.take_if(|at| *at <= now).is_some();
                if *beat_at <= now {
                    *beat_at = now + self.config.beat;
                    self.say(&Says::Heartbeat, orders);
                }
                if sends {
                    self.send_results(orders);
                }
            }
        }
    }

    fn send_results(&mut self, orders: &mut Vec<Order>) {
        while let Some((task, status, result)) = self.results.pop_front() {
            self.say(&Says::TaskResult(task, status, result), orders);
        }
    }

    fn exit(&self, orders: &mut Vec<Order>) {
        if self.config.goodbye {
            self.say(&Says::Unregister, orders);
        }
        orders.push(Order::Exit);
    }

    fn say(&self, says: &Says, orders: &mut Vec<Order>) {
        orders.push(Order::Send {
            peer: wire::other_side(),
            body: wire::encode_worker(&self.name, says),
        });
    }
}

impl Guest for PushWorker {
    fn step(&mut self, now: Instant, fact: Option<Fact>, orders: &mut Vec<Order>) {
        match fact {
            Some(Fact::Terminated) => return self.exit(orders),
            Some(fact) => self.take_in(now, fact, orders),
            None => {}
        }
        self.look_at_the_clock(now, orders);
    }

    fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Starts { at } => Some(at),
            Phase::Registers { until } => Some(until),
            Phase::Works {
                beat_at, send_at, ..
            } => Some(send_at.map_or(beat_at, |at| at.min(beat_at))),
        }
    }
}

/// When somebody who looks each [`RESULT_NAP`] since then looks next.
fn next_look(since: Instant, now: Instant) -> Instant {
    let nap = RESULT_NAP.as_nanos() as u64;
    let naps = (now.as_nanos() - since.as_nanos()) / nap + 1;
    Instant::from_nanos(since.as_nanos() + naps * nap)
}
