//! Redis as the original uses it: rows that are rewritten whole, and a channel that remembers
//! nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use mpcsfaas_core::id::TaskId;

use crate::event::Event;
use crate::guest::{Fact, RawRow, RedisOp, RedisReply};
use crate::place::Place;
use crate::plan::{Bend, Occasion};
use crate::world::World;

/// The rows under `task:`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keyspace {
    pub(crate) rows: BTreeMap<TaskId, RawRow>,
    /// Rows that were written since the last look.
    pub(crate) touched: Vec<TaskId>,
}

/// redis-py notices a connection that is gone at once, and one that hangs after this long.
const PATIENCE: Duration = Duration::from_secs(5);

impl World {
    pub(crate) fn ask_redis(&mut self, from: Place, request: u64, op: RedisOp) {
        let life = self.node(from).life;
        if !self.reaches_redis(from) {
            return self.answer_redis(from, life, request, RedisReply::Error);
        }
        let bend = match from {
            Place::Dispatcher(index) => self.bend(Occasion::Request(index)),
            Place::Client | Place::Store | Place::Worker(_) => None,
        };
        let late = match bend {
            Some(Bend::Lost) => {
                let error = Fact::Redis {
                    request,
                    reply: RedisReply::Error,
                };
                return self.schedule(PATIENCE, Event::ToGuest(from, life, error));
            }
            Some(Bend::Late(late)) => late,
            _ => Duration::ZERO,
        };
        let event = Event::AtRedis {
            from,
            life,
            request,
            op,
        };
        self.schedule(self.latency() + late, event);
    }

    fn reaches_redis(&self, from: Place) -> bool {
        match from {
            Place::Dispatcher(index) => self.dispatchers[index].store.up,
            Place::Client | Place::Store | Place::Worker(_) => self.store_up,
        }
    }

    fn answer_redis(&mut self, to: Place, life: u64, request: u64, reply: RedisReply) {
        let fact = Fact::Redis { request, reply };
        self.schedule(self.latency(), Event::ToGuest(to, life, fact));
    }

    pub(crate) fn serve_redis(&mut self, from: Place, life: u64, request: u64, op: RedisOp) {
        if !self.reaches_redis(from) {
            return self.answer_redis(from, life, request, RedisReply::Error);
        }
        let reply = match op {
            RedisOp::Get(task) => RedisReply::Row(self.keyspace.rows.get(&task).cloned()),
            RedisOp::Set(task, row) => {
                self.keyspace.rows.insert(task, row);
                self.keyspace.touched.push(task);
                RedisReply::Done
            }
            RedisOp::Publish(task) => {
                self.publish(task);
                RedisReply::Done
            }
            RedisOp::Subscribe => {
                if let Place::Dispatcher(index) = from
                    && self.dispatchers[index].node.life == life
                {
                    self.dispatchers[index].subscribed = Some(life);
                }
                RedisReply::Done
            }
        };
        let lost = match from {
            Place::Dispatcher(index) => self.bend(Occasion::Reply(index)) == Some(Bend::Lost),
            Place::Client | Place::Store | Place::Worker(_) => false,
        };
        let reply = if lost { RedisReply::Error } else { reply };
        self.answer_redis(from, life, request, reply);
    }

    /// Whoever listens now hears it.
    fn publish(&mut self, task: TaskId) {
        for index in 0..self.dispatchers.len() {
            let Some(life) = self.dispatchers[index].subscribed else {
                continue;
            };
            if self.bend(Occasion::Doorbell(index)) != Some(Bend::Lost) {
                let event = Event::ToGuest(Place::Dispatcher(index), life, Fact::Published(task));
                self.schedule(self.latency(), event);
            }
        }
    }
}
