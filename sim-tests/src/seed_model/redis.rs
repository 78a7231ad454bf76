//! What dispatchers ask of Redis: `SUBSCRIBE` once, and `GET`, change, `SET`.
//!
//! A row is read and then rewritten whole. Whoever writes it in between is overwritten.

use std::collections::BTreeMap;

use bytes::Bytes;
use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::task::Status;
use mpcsfaas_transport_sim::guest::{Order, RawRow, RedisOp, RedisReply};

/// Requests under way. `T` is what the thread that waits will do then.
#[derive(Debug)]
pub(super) struct Redis<T> {
    next: u64,
    open: BTreeMap<u64, Call<T>>,
}

#[derive(Debug)]
enum Call<T> {
    Get(Change, T),
    Set(RawRow, T),
}

/// What becomes of a row, whatever it is now.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) task: TaskId,
    pub(super) status: Status,
    /// A new result; otherwise the row keeps its own.
    pub(super) result: Option<Bytes>,
}

impl<T> Redis<T> {
    pub(super) fn new() -> Redis<T> {
        Redis {
            next: 0,
            open: BTreeMap::new(),
        }
    }

    /// Subscribes. Nobody looks at the answer, and nobody subscribes again.
    pub(super) fn subscribe(&mut self, orders: &mut Vec<Order>) {
        self.ask(RedisOp::Subscribe, orders);
    }

    pub(super) fn change(&mut self, change: Change, then: T, orders: &mut Vec<Order>) {
        let request = self.ask(RedisOp::Get(change.task), orders);
        self.open.insert(request, Call::Get(change, then));
    }

    /// Takes in an answer. When a change is over: what was to be done then, and the row as it was
    /// written, or nothing if there was no row or no Redis.
    pub(super) fn replied(
        &mut self,
        request: u64,
        reply: RedisReply,
        orders: &mut Vec<Order>,
    ) -> Option<(T, Option<RawRow>)> {
        match (self.open.remove(&request)?, reply) {
            (Call::Get(change, then), RedisReply::Row(Some(row))) => {
                let row = RawRow {
                    status: change.status,
                    result: change.result.unwrap_or(row.result),
                    ..row
                };
                let request = self.ask(RedisOp::Set(change.task, row.clone()), orders);
                self.open.insert(request, Call::Set(row, then));
                None
            }
            (Call::Set(row, then), RedisReply::Done) => Some((then, Some(row))),
            (Call::Get(_, then) | Call::Set(_, then), _) => Some((then, None)),
        }
    }

    fn ask(&mut self, op: RedisOp, orders: &mut Vec<Order>) -> u64 {
        let request = self.next;
        self.next += 1;
        orders.push(Order::Redis { request, op });
        request
    }
}
