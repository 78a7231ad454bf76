//! What the push and the pull dispatcher do alike: a queue in memory, results, the failure scan.
//!
//! The queue is filled by the subscription alone, so a task that was published while nobody
//! listened is in no queue (1). The scanner is a thread of its own: it removes silent workers, then
//! puts back one of their tasks after the other, each with a `GET`, a `SET` and a place in the
//! queue. A result that is written between the two is overwritten (22), and so is one that is
//! written before the task is handed out again (6): nobody looks at the status.

use std::collections::VecDeque;

use bytes::Bytes;
use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::task::Status;
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::guest::{Order, RawRow, RedisReply};

use super::DispatcherConfig;
use super::redis::{Change, Redis};
use super::roster::Roster;

/// The common part of a dispatcher.
#[derive(Debug)]
pub(super) struct Desk {
    config: DispatcherConfig,
    redis: Redis<Then>,
    /// Tasks to be handed out.
    pub(super) queue: VecDeque<TaskId>,
    /// Who is registered.
    pub(super) roster: Roster,
    scan_at: Instant,
    /// Tasks of removed workers, not yet put back.
    orphans: VecDeque<TaskId>,
    /// Whether the scanner waits for Redis.
    requeueing: bool,
}

/// What a thread does when its row is written.
#[derive(Debug)]
enum Then {
    HandOut { worker: String, task: TaskId },
    Forget { worker: String, task: TaskId },
    Requeue { task: TaskId },
}

/// What a thread that waited for Redis learns.
#[derive(Debug)]
pub(super) enum Done {
    /// A task may be sent to its worker: here is its row, or none if Redis failed. Then the task is
    /// lost, as it is in no queue (21).
    HandOut {
        worker: String,
        task: TaskId,
        row: Option<RawRow>,
    },
    /// A result is written, or lost.
    Result { written: bool },
}

impl Desk {
    pub(super) fn new(now: Instant, config: DispatcherConfig) -> Desk {
        Desk {
            config,
            redis: Redis::new(),
            queue: VecDeque::new(),
            roster: Roster::default(),
            scan_at: now + config.scan,
            orphans: VecDeque::new(),
            requeueing: false,
        }
    }

    pub(super) fn subscribe(&mut self, orders: &mut Vec<Order>) {
        self.redis.subscribe(orders);
    }

    /// Marks a task RUNNING for a worker. [`Done::HandOut`] follows.
    pub(super) fn hand_out(&mut self, worker: String, task: TaskId, orders: &mut Vec<Order>) {
        let change = Change {
            task,
            status: Status::Running,
            result: None,
        };
        let then = Then::HandOut { worker, task };
        self.redis.change(change, then, orders);
    }

    /// Writes a result, whoever sends it, of whatever status (17). [`Done::Result`] follows.
    pub(super) fn take_result(
        &mut self,
        worker: String,
        (task, status, result): (TaskId, Status, Bytes),
        orders: &mut Vec<Order>,
    ) {
        let change = Change {
            task,
            status,
            result: Some(result),
        };
        let then = Then::Forget { worker, task };
        self.redis.change(change, then, orders);
    }

    /// Removes a worker and puts its tasks back.
    pub(super) fn dismiss(&mut self, worker: &str, orders: &mut Vec<Order>) {
        self.orphans.extend(self.roster.remove(worker));
        self.requeue(orders);
    }

    /// Scans if it is time to.
    pub(super) fn scan(&mut self, now: Instant, orders: &mut Vec<Order>) {
        if now < self.scan_at {
            return;
        }
        self.scan_at = now + self.config.scan;
        let orphans = self.roster.remove_silent(now, self.config.timeout);
        self.orphans.extend(orphans);
        self.requeue(orders);
    }

    pub(super) fn scans_at(&self) -> Instant {
        self.scan_at
    }

    /// Takes in an answer of Redis, and says which thread may go on, if it is not the scanner.
    pub(super) fn replied(
        &mut self,
        request: u64,
        reply: RedisReply,
        orders: &mut Vec<Order>,
    ) -> Option<Done> {
        let (then, row) = self.redis.replied(request, reply, orders)?;
        match then {
            Then::HandOut { worker, task } => Some(Done::HandOut { worker, task, row }),
            Then::Forget { worker, task } => {
                let written = row.is_some();
                if written {
                    self.roster.unassign(&worker, task);
                }
                Some(Done::Result { written })
            }
            Then::Requeue { task } => {
                if row.is_some() {
                    self.queue.push_back(task);
                }
                self.requeueing = false;
                self.requeue(orders);
                None
            }
        }
    }

    /// Goes on putting back, unless the scanner waits for Redis.
    fn requeue(&mut self, orders: &mut Vec<Order>) {
        if self.requeueing {
            return;
        }
        let Some(task) = self.orphans.pop_front() else {
            return;
        };
        self.requeueing = true;
        let change = Change {
            task,
            status: Status::Queued,
            result: None,
        };
        self.redis.change(change, Then::Requeue { task }, orders);
    }
}
