//! A machine on a bench: told facts by hand, with a Redis that answers when the test says so.

mod dispatchers;
mod gateway;
mod local;
mod pull;
mod push;
mod stall;
mod wired;
mod workers;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use mpcsfaas_core::dispatcher::Peer;
use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::task::Status;
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::guest::{Fact, Guest, Order, RawRow, RedisOp, RedisReply};

use super::wire::{self, FromWorker, Says, Told};

const T1: TaskId = TaskId(1);
const T2: TaskId = TaskId(2);

/// A machine and its surroundings.
struct Bench<G> {
    guest: G,
    now: Instant,
    rows: BTreeMap<TaskId, RawRow>,
    /// Requests that Redis has not yet answered.
    asked: VecDeque<(u64, RedisOp)>,
    /// Every other order.
    orders: Vec<Order>,
    away: bool,
}

impl<G: Guest> Bench<G> {
    /// Starts a machine. All that it asks is answered.
    fn start(guest: G) -> Bench<G> {
        let mut bench = Bench {
            guest,
            now: Instant::ZERO,
            rows: BTreeMap::new(),
            asked: VecDeque::new(),
            orders: Vec::new(),
            away: false,
        };
        bench.step(None);
        bench.settle();
        bench
    }

    fn step(&mut self, fact: Option<Fact>) {
        let mut orders = Vec::new();
        self.guest.step(self.now, fact, &mut orders);
        for order in orders {
            match order {
                Order::Redis { request, op } => self.asked.push_back((request, op)),
                other => self.orders.push(other),
            }
        }
        assert!(self.deadline().is_none_or(|at| at > self.now), "it spins");
    }

    /// When it is due, unless it has exited.
    fn deadline(&self) -> Option<Instant> {
        self.guest.deadline().filter(|_| !self.has_exited())
    }

    /// Tells it something. Redis waits.
    fn tell(&mut self, fact: Fact) {
        self.step(Some(fact));
    }

    /// Carries out the oldest request.
    fn answer(&mut self) {
        let (request, op) = self.asked.pop_front().expect("it has asked Redis");
        let reply = match op {
            _ if self.away => RedisReply::Error,
            RedisOp::Get(task) => RedisReply::Row(self.rows.get(&task).cloned()),
            RedisOp::Set(task, row) => {
                self.rows.insert(task, row);
                RedisReply::Done
            }
            RedisOp::Publish(_) | RedisOp::Subscribe => RedisReply::Done,
        };
        self.tell(Fact::Redis { request, reply });
    }

    /// Carries out requests until there is none.
    fn settle(&mut self) {
        while !self.asked.is_empty() {
            self.answer();
        }
    }

    /// Lets time pass. Redis waits.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.deadline().filter(|at| *at <= end) {
            self.now = at;
            self.step(None);
        }
        self.now = end;
    }

    /// Lets time pass. Redis answers at once.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        while let Some(at) = self.deadline().filter(|at| *at <= end) {
            self.now = at;
            self.step(None);
            self.settle();
        }
        self.now = end;
    }

    /// Puts a QUEUED row there, as a gateway does.
    fn queue(&mut self, task: TaskId) {
        let row = RawRow {
            function: Bytes::from_static(b"function"),
            params: Bytes::from_static(b"params"),
            status: Status::Queued,
            result: Bytes::new(),
        };
        self.rows.insert(task, row);
    }

    /// Puts a QUEUED row there, and the machine hears of it.
    fn submit(&mut self, task: TaskId) {
        self.queue(task);
        self.tell(Fact::Published(task));
    }

    fn status(&self, task: TaskId) -> Status {
        self.rows[&task].status
    }

    fn result(&self, task: TaskId) -> &[u8] {
        &self.rows[&task].result
    }

    /// A dispatcher hears from a worker.
    fn hear(&mut self, worker: &str, says: &Says) {
        self.tell(Fact::Received {
            peer: peer(worker),
            body: wire::encode_worker(worker, says),
        });
    }

    /// A worker hears from its dispatcher.
    fn hear_dispatcher(&mut self, message: &wire::ToWorker, lock_step: bool) {
        self.tell(Fact::Received {
            peer: wire::other_side(),
            body: wire::encode_dispatcher(message, lock_step),
        });
    }

    /// What a dispatcher has sent since this was asked last.
    fn sent(&mut self) -> Vec<(String, Told)> {
        let sends = self
            .orders
            .extract_if(.., |order| matches!(order, Order::Send { .. }));
        let told = sends.filter_map(|order| match order {
            Order::Send { peer, body } => {
                let name = String::from_utf8_lossy(&peer.identity).into_owned();
                wire::decode_dispatcher(&body).map(|told| (name, told))
            }
            _ => None,
        });
        told.collect()
    }

    /// The tasks that a dispatcher has sent since, and to whom.
    fn tasks_sent(&mut self) -> Vec<(String, TaskId)> {
        let tasks = self.sent().into_iter().filter_map(|(to, told)| match told {
            Told::Task(task) => Some((to, task)),
            _ => None,
        });
        tasks.collect()
    }

    /// What a worker has said since this was asked last.
    fn said(&mut self) -> Vec<Says> {
        let sends = self
            .orders
            .extract_if(.., |order| matches!(order, Order::Send { .. }));
        let said = sends.filter_map(|order| match order {
            Order::Send { body, .. } => wire::decode_worker(&body),
            _ => None,
        });
        said.map(|FromWorker { says, .. }| says).collect()
    }

    /// The tasks whose processes have started since this was asked last.
    fn executed(&mut self) -> Vec<TaskId> {
        let executes = self
            .orders
            .extract_if(.., |order| matches!(order, Order::Execute(_)));
        let tasks = executes.filter_map(|order| match order {
            Order::Execute(task) => Some(task),
            _ => None,
        });
        tasks.collect()
    }

    fn has_exited(&self) -> bool {
        self.orders.contains(&Order::Exit)
    }
}

fn peer(worker: &str) -> Peer {
    Peer {
        identity: Bytes::copy_from_slice(worker.as_bytes()),
        delimited: false,
    }
}

fn completed(task: TaskId, result: &'static str) -> Says {
    Says::TaskResult(
        task,
        Status::Completed,
        Bytes::from_static(result.as_bytes()),
    )
}

fn ran(task: TaskId) -> Fact {
    Fact::Ran {
        task,
        result: Ok(Bytes::from_static(b"result")),
    }
}

fn ok() -> wire::ToWorker {
    wire::ToWorker::Ok {
        answers: wire::Answers::Register,
    }
}

fn task(task: TaskId) -> wire::ToWorker {
    wire::ToWorker::Task {
        task,
        function: Bytes::new(),
        params: Bytes::new(),
    }
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}
