//! One operation as the command that carries it out on one queue shard.

use std::time::Duration;

use mpcsfaas_core::id::{FunctionId, Incarnation, TaskId};
use mpcsfaas_core::store::op::{
    Adoption, Claim, Commit, EndReason, PAST_LIMIT, Placement, REAP_BATCH, Report, Requeue,
    Submission,
};
use mpcsfaas_core::store::{Config, Op, Reply};
use mpcsfaas_core::task::{FailureKind, Function};
use mpcsfaas_core::time::WallTime;
use redis::{Cmd, Script, ToRedisArgs, Value};

use super::reply::{self, Shape};
pub use super::reply::{Malformed, doorbell, endings};
use super::{function, script, text};

/// Redis refuses an expiry that overflows its clock; nobody waits longer than a century.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// One queue, with the keys and limits that its scripts are told.
#[derive(Clone, Debug)]
pub struct Shard {
    prefix: String,
    config: Config,
}

/// What to do about an operation.
#[derive(Debug)]
pub enum Plan {
    /// Send this.
    Ask(Call),
    /// Nothing: the answer is known.
    Known(Reply),
}

/// A command to send, and how to read its answer.
#[derive(Debug)]
pub struct Call {
    /// The command.
    pub command: Cmd,
    /// The script that it names by its hash, to be loaded if the server has lost it.
    pub script: Option<&'static Script>,
    shape: Shape,
}

impl Call {
    /// Reads the server's answer.
    ///
    /// # Errors
    /// [`Malformed`] if no script of ours answers like this.
    pub fn read(&self, answer: Value) -> Result<Reply, Malformed> {
        reply::read(self.shape, answer)
    }

    fn plain(name: &str, shape: Shape) -> Call {
        Call {
            command: redis::cmd(name),
            script: None,
            shape,
        }
    }

    fn arg(mut self, argument: impl ToRedisArgs) -> Call {
        self.command.arg(argument);
        self
    }

    fn args<T>(self, items: &[T], add: impl Fn(Call, &T) -> Call) -> Call {
        items.iter().fold(self, add)
    }

    fn reason(self, reason: EndReason) -> Call {
        self.arg(reason.as_str()).arg(text::effects(reason))
    }
}

impl Shard {
    /// The shard of this name, such as `q0`.
    pub fn new(name: &str, config: Config) -> Shard {
        Shard {
            prefix: format!("mpcsfaas:{{{name}}}:"),
            config,
        }
    }

    /// The channel of the doorbell.
    pub fn doorbell(&self) -> String {
        format!("{}doorbell", self.prefix)
    }

    /// The channel that carries which tasks have ended, one after the other, and how.
    pub fn ended(&self) -> String {
        format!("{}ended", self.prefix)
    }

    /// The command for `op`. Without a time the server's own clock counts.
    pub fn plan(&self, op: &Op, at: Option<WallTime>) -> Plan {
        Plan::Ask(match op {
            Op::PutFunction { id, function } => put_function(*id, function),
            Op::GetFunction { id } => get_function(*id),
            Op::Submit(batch) => self.submit(at, batch),
            Op::OpenLease { incarnation } => self.open_lease(at, *incarnation),
            Op::Claim(claim) => self.claim(at, claim),
            Op::Commit(batch) => self.commit(at, batch),
            Op::Requeue(batch) => self.requeue(at, batch),
            Op::Adopt { incarnation, tasks } => self.adopt(at, *incarnation, tasks),
            Op::Renew {
                incarnation,
                report,
                placed,
            } => self.renew(at, *incarnation, report, placed),
            Op::Reap => self.reap(at),
            Op::Release { incarnation } => self.release(at, *incarnation),
            Op::Cancel { task } => self.cancel(at, *task),
            Op::Read(tasks) => self.read(at, tasks),
            Op::Inspect { task } => self
                .run(&script::INSPECT, at, Shape::Inspected)
                .arg(task.to_string()),
            Op::Overview => self.run(&script::OVERVIEW, at, Shape::Overview),
            // Redis forgets by itself: a row has a time to live from its end on.
            Op::Expire => return Plan::Known(Reply::Expired(0)),
        })
    }

    /// A script with the arguments that every one begins with.
    fn run(&self, script: &'static Script, at: Option<WallTime>, shape: Shape) -> Call {
        let call = Call::plain("EVALSHA", shape)
            .arg(script.get_hash())
            .arg(1)
            .arg(&self.prefix);
        let call = Call {
            script: Some(script),
            ..call
        };
        match at {
            Some(time) => call.arg(time.0),
            None => call.arg(""),
        }
    }

    fn submit(&self, at: Option<WallTime>, batch: &[Submission]) -> Call {
        self.run(&script::SUBMIT, at, Shape::Submitted)
            .arg(self.config.queue_limit)
            .args(batch, |call, item| {
                call.arg(item.task.to_string())
                    .arg(item.function.to_string())
                    .arg(text::options(item.options))
                    .arg(&item.params[..])
            })
    }

    fn open_lease(&self, at: Option<WallTime>, incarnation: Incarnation) -> Call {
        self.run(&script::OPEN_LEASE, at, Shape::Opened)
            .arg(text::incarnation(incarnation))
            .arg(millis(self.config.lease))
    }

    fn claim(&self, at: Option<WallTime>, claim: &Claim) -> Call {
        self.run(&script::CLAIM, at, Shape::Claimed)
            .arg(millis(self.config.retention))
            .arg(text::incarnation(claim.incarnation))
            .arg(claim.number)
            .arg(claim.max)
            .arg(claim.suspects)
            .arg(self.config.max_losses)
            .arg(text::by_store(FailureKind::WorkerLost))
            .arg(millis(self.config.standing))
            .arg(claim.places)
            .args(&claim.except, |call, task| call.arg(task.to_string()))
    }

    fn commit(&self, at: Option<WallTime>, batch: &[Commit]) -> Call {
        self.run(&script::COMMIT, at, Shape::Committed)
            .arg(millis(self.config.retention))
            .args(batch, |call, item| {
                call.arg(item.task.to_string())
                    .arg(item.attempt)
                    .arg(item.worker.as_ref().map(text::worker).unwrap_or_default())
                    .arg(item.outcome.status().as_str())
                    .arg(text::outcome(&item.outcome))
            })
    }

    /// A script that gives tasks back to the queue.
    fn run_give_back(&self, script: &'static Script, at: Option<WallTime>, shape: Shape) -> Call {
        self.run(script, at, shape)
            .arg(millis(self.config.retention))
            .arg(text::by_store(FailureKind::Lost))
            .arg(PAST_LIMIT)
    }

    fn requeue(&self, at: Option<WallTime>, batch: &[Requeue]) -> Call {
        self.run_give_back(&script::REQUEUE, at, Shape::Requeued)
            .args(batch, |call, item| {
                call.arg(item.task.to_string())
                    .arg(item.attempt)
                    .arg(text::incarnation(item.owner))
                    .arg(item.seat)
                    .arg(item.worker.as_ref().map(text::worker).unwrap_or_default())
                    .reason(item.reason)
            })
    }

    fn reap(&self, at: Option<WallTime>) -> Call {
        self.run_give_back(&script::REAP, at, Shape::Reaped)
            .reason(EndReason::DispatcherLost)
            .arg(REAP_BATCH)
    }

    fn release(&self, at: Option<WallTime>, incarnation: Incarnation) -> Call {
        self.run_give_back(&script::RELEASE, at, Shape::Released)
            .reason(EndReason::Released)
            .arg(text::incarnation(incarnation))
    }

    fn adopt(&self, at: Option<WallTime>, incarnation: Incarnation, tasks: &[Adoption]) -> Call {
        self.run(&script::ADOPT, at, Shape::Adopted)
            .arg(text::incarnation(incarnation))
            .args(tasks, |call, item| {
                call.arg(item.task.to_string())
                    .arg(item.attempt)
                    .arg(item.session)
                    .arg(text::worker(&item.worker))
            })
    }

    fn renew(
        &self,
        at: Option<WallTime>,
        incarnation: Incarnation,
        report: &Report,
        placed: &[Placement],
    ) -> Call {
        self.run(&script::RENEW, at, Shape::Renewed)
            .arg(text::incarnation(incarnation))
            .arg(millis(self.config.lease))
            .arg(text::report(report))
            .args(placed, |call, item| {
                call.arg(item.task.to_string())
                    .arg(item.attempt)
                    .arg(text::worker(&item.worker))
            })
    }

    fn cancel(&self, at: Option<WallTime>, task: TaskId) -> Call {
        self.run(&script::CANCEL, at, Shape::Cancelled)
            .arg(millis(self.config.retention))
            .arg(task.to_string())
            .arg(text::by_store(FailureKind::Cancelled))
    }

    fn read(&self, at: Option<WallTime>, tasks: &[TaskId]) -> Call {
        self.run(&script::READ, at, Shape::States)
            .args(tasks, |call, task| call.arg(task.to_string()))
    }
}

fn put_function(id: FunctionId, function: &Function) -> Call {
    Call::plain("SET", Shape::Done)
        .arg(function::key(id))
        .arg(function::encode(function))
}

fn get_function(id: FunctionId) -> Call {
    Call::plain("GET", Shape::Function).arg(function::key(id))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.min(LONGEST).as_millis()).unwrap_or(u64::MAX)
}
