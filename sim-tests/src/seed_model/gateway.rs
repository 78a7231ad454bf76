//! The gateway: writes a row, publishes its id, accepts.

use std::collections::BTreeMap;

use bytes::Bytes;
use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::task::Status;
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::guest::{Fact, Guest, Order, RawRow, RedisOp, RedisReply};

/// The process that clients talk to. An error of Redis is an error 500 for the client.
#[derive(Debug, Default)]
pub struct Gateway {
    next: u64,
    open: BTreeMap<u64, Step>,
}

/// What a client's request waits for.
#[derive(Debug)]
enum Step {
    Set(TaskId),
    Publish(TaskId),
}

impl Gateway {
    /// A gateway that is up.
    pub fn new(_now: Instant) -> Gateway {
        Gateway::default()
    }

    fn ask(&mut self, op: RedisOp, step: Step, orders: &mut Vec<Order>) {
        let request = self.next;
        self.next += 1;
        self.open.insert(request, step);
        orders.push(Order::Redis { request, op });
    }
}

impl Guest for Gateway {
    fn step(&mut self, _now: Instant, fact: Option<Fact>, orders: &mut Vec<Order>) {
        match fact {
            Some(Fact::Submitted {
                task,
                function,
                params,
            }) => {
                let row = RawRow {
                    function,
                    params,
                    status: Status::Queued,
                    result: Bytes::new(),
                };
                self.ask(RedisOp::Set(task, row), Step::Set(task), orders);
            }
            Some(Fact::Redis { request, reply }) => match (self.open.remove(&request), reply) {
                (Some(Step::Set(task)), RedisReply::Done) => {
                    self.ask(RedisOp::Publish(task), Step::Publish(task), orders);
                }
                // How many have heard it, Redis says, and nobody asks (1).
                (Some(Step::Publish(task)), RedisReply::Done) => orders.push(Order::Accept(task)),
                _ => {}
            },
            Some(Fact::Terminated) => orders.push(Order::Exit),
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }
}
