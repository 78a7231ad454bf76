//! The store as a state machine: the specification that all three homes of the store obey.
//!
//! ```text
//!  gateway ── Submit, Read, Cancel ──▶ ┌───────┐ ◀── Claim, Commit, Requeue, Adopt, Renew ── dispatcher
//!          ◀── Reply, Ended ────────── │ Store │ ──── Reply, Queued (the doorbell) ────────▶
//!                                      └───────┘
//! ```
//!
//! [`Store::apply`] is one atomic step under the store's own clock. Three places run it: the
//! simulator and the tests as it stands, the embedded store with every changed row written to
//! disk before the answer leaves, and Redis with one script per operation that a differential
//! test holds to this file.
//!
//! Reading order: [`op`] (what can be asked), [`row`] (what is kept), this file (dispatch),
//! `claim` (Claim, Adopt, Requeue, Commit: the fenced ones), `ahead` (claims by a submit), `lease` (Renew, Reap, Release),
//! `view` (the reading ones), `invariants`.

mod ahead;
mod claim;
mod invariants;
mod lease;
mod machine;
pub mod op;
pub mod row;
#[cfg(test)]
mod tests;
mod view;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::ahead::Places;
pub use self::machine::{Input, Output, RequestId};
pub use self::op::{Notice, Op, Reply};
use self::op::{Submission, Submitted};
pub use self::row::{Lease, Row};
use crate::id::{FunctionId, Incarnation, TaskId};
use crate::task::{Function, Outcome, Status};
use crate::time::WallTime;

/// The limits and times of a store.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Config {
    /// How long a lease lives after it was opened or renewed.
    pub lease: Duration,
    /// The loss count that fails a task (R14).
    pub max_losses: u32,
    /// How many tasks may be QUEUED.
    pub queue_limit: u64,
    /// How long a result is kept.
    pub retention: Duration,
    /// How long new tasks may take the places that a claim has left open: twice as long as a dispatcher waits
    /// before it looks again, and no longer, since they would go to one that has died. With zero all tasks wait
    /// to be asked for.
    pub standing: Duration,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            lease: Duration::from_secs(10),
            max_losses: 3,
            queue_limit: 1_000_000,
            retention: Duration::from_secs(24 * 3600),
            standing: Duration::from_secs(1),
        }
    }
}

/// What an operation changed, for a home that keeps rows on disk.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Changes {
    /// Functions that are new.
    pub functions: BTreeSet<FunctionId>,
    /// Tasks whose row is new, changed or gone.
    pub tasks: BTreeSet<TaskId>,
    /// Incarnations whose lease is new, changed or gone.
    pub leases: BTreeSet<Incarnation>,
}

/// The store.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Store {
    config: Config,
    functions: BTreeMap<FunctionId, Function>,
    tasks: BTreeMap<TaskId, Row>,
    /// QUEUED tasks without a loss, by their place in the order of submission.
    ready: BTreeMap<u64, TaskId>,
    /// QUEUED tasks with a loss, charged or marked: placed one a worker (R14).
    suspects: BTreeMap<u64, TaskId>,
    next_seq: u64,
    leases: BTreeMap<Incarnation, Lease>,
    /// Leases that were closed, and when: they are not opened again.
    closed: BTreeMap<Incarnation, WallTime>,
    /// RUNNING tasks by owner; an owner may have lost its lease and wait to be reaped.
    owned: BTreeMap<Incarnation, BTreeSet<TaskId>>,
    /// Ended tasks by the time they may be forgotten.
    expiry: BTreeSet<(WallTime, TaskId)>,
    notices: VecDeque<Notice>,
    changes: Changes,
    /// Answers of the machine that wait to be polled.
    outputs: VecDeque<Output>,
}

impl Store {
    /// An empty store.
    pub fn new(config: Config) -> Store {
        Store {
            config,
            functions: BTreeMap::new(),
            tasks: BTreeMap::new(),
            ready: BTreeMap::new(),
            suspects: BTreeMap::new(),
            next_seq: 1,
            leases: BTreeMap::new(),
            closed: BTreeMap::new(),
            owned: BTreeMap::new(),
            expiry: BTreeSet::new(),
            notices: VecDeque::new(),
            changes: Changes::default(),
            outputs: VecDeque::new(),
        }
    }

    /// A store as it was: from the rows that a home kept on disk.
    pub fn restore(
        config: Config,
        functions: impl IntoIterator<Item = (FunctionId, Function)>,
        tasks: impl IntoIterator<Item = (TaskId, Row)>,
        leases: impl IntoIterator<Item = (Incarnation, Lease)>,
    ) -> Store {
        let mut store = Store::new(config);
        store.functions.extend(functions);
        store.leases.extend(leases);
        for (id, row) in tasks {
            store.next_seq = store.next_seq.max(row.seq + 1);
            match row.status {
                Status::Queued => store.queue_of(&row).insert(row.seq, id).map(drop),
                Status::Running => row.holder.as_ref().map(|holder| {
                    store.owned.entry(holder.dispatcher).or_default().insert(id);
                }),
                Status::Completed | Status::Failed => row.finished_at.map(|at| {
                    store.expiry.insert((at + config.retention, id));
                }),
            };
            store.tasks.insert(id, row);
        }
        store
    }

    /// Carries out one operation at the store's time `now`.
    pub fn apply(&mut self, now: WallTime, op: Op) -> Reply {
        match op {
            Op::PutFunction { id, function } => {
                self.changes.functions.insert(id);
                self.functions.insert(id, function);
                Reply::Done
            }
            Op::GetFunction { id } => Reply::Function(self.functions.get(&id).cloned()),
            Op::Submit(batch) => self.submit(now, batch),
            Op::OpenLease { incarnation } => self.open_lease(now, incarnation),
            Op::Claim(claim) => self.claim(now, claim),
            Op::Commit(batch) => self.commit(now, batch),
            Op::Requeue(batch) => self.requeue(now, batch),
            Op::Adopt { incarnation, tasks } => self.adopt(now, incarnation, tasks),
            Op::Renew {
                incarnation,
                report,
                placed,
            } => self.renew(now, incarnation, report, placed),
            Op::Reap => self.reap(now),
            Op::Release { incarnation } => self.release(now, incarnation),
            Op::Cancel { task } => self.cancel(now, task),
            Op::Read(tasks) => self.read(&tasks),
            Op::Inspect { task } => self.inspect(task),
            Op::Overview => self.overview(now),
            Op::Expire => self.expire(now),
        }
    }

    /// The next hint for whoever listens.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// What has changed since the last call.
    pub fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    /// A function's row.
    pub fn function(&self, id: FunctionId) -> Option<&Function> {
        self.functions.get(&id)
    }

    /// A task's row.
    pub fn task(&self, id: TaskId) -> Option<&Row> {
        self.tasks.get(&id)
    }

    /// All tasks, by id.
    pub fn tasks(&self) -> impl Iterator<Item = (TaskId, &Row)> {
        self.tasks.iter().map(|(id, row)| (*id, row))
    }

    /// All functions, by id.
    pub fn functions(&self) -> impl Iterator<Item = (FunctionId, &Function)> {
        self.functions.iter().map(|(id, function)| (*id, function))
    }

    /// All lease records.
    pub fn leases(&self) -> impl Iterator<Item = (Incarnation, &Lease)> {
        self.leases
            .iter()
            .map(|(incarnation, lease)| (*incarnation, lease))
    }

    /// An incarnation's lease record.
    pub fn lease(&self, incarnation: Incarnation) -> Option<&Lease> {
        self.leases.get(&incarnation)
    }

    /// How many tasks are QUEUED.
    pub fn queued(&self) -> u64 {
        (self.ready.len() + self.suspects.len()) as u64
    }

    fn submit(&mut self, now: WallTime, batch: Vec<Submission>) -> Reply {
        let mut verdicts = Vec::with_capacity(batch.len());
        let before = bells(self.ready.len());
        let mut places = self.open_places(now);
        for submission in batch {
            verdicts.push(self.submit_one(now, submission, &mut places));
        }
        self.close_places(places);
        // Whoever has credit and found nothing is told that there is something now, and again
        // when there is more than one claim brings. Whoever gets credit while there is something
        // looks by itself.
        for _ in before..bells(self.ready.len()) {
            self.notices.push_back(Notice::Queued);
        }
        Reply::Submitted(verdicts)
    }

    fn submit_one(
        &mut self,
        now: WallTime,
        submission: Submission,
        places: &mut Places,
    ) -> Submitted {
        if let Some(row) = self.tasks.get(&submission.task) {
            return match row.function == submission.function {
                true => Submitted::Accepted,
                false => Submitted::Conflict,
            };
        }
        if self.queued() >= self.config.queue_limit {
            return Submitted::QueueFull;
        }
        let task = submission.task;
        let row = Row::new(self.next_seq, now, submission);
        self.next_seq += 1;
        self.ready.insert(row.seq, task);
        let once = row.options.at_most_once;
        self.tasks.insert(task, row);
        self.changes.tasks.insert(task);
        // One that may start once only waits for a dispatcher that asks: it would be lost with one that
        // is gone.
        if places.are_open() && !once {
            self.claim_ahead(now, task, places);
        }
        Submitted::Accepted
    }

    fn cancel(&mut self, now: WallTime, task: TaskId) -> Reply {
        let Some(row) = self.tasks.get(&task) else {
            return Reply::Cancelled(op::Cancelled::Unknown);
        };
        if row.status.is_terminal() {
            return Reply::Cancelled(op::Cancelled::AlreadyEnded);
        }
        self.end(
            now,
            task,
            row::ended_by_store(crate::task::FailureKind::Cancelled),
        );
        self.tell_ended([task]);
        Reply::Cancelled(op::Cancelled::Done)
    }

    /// Hints that tasks have ended, and how.
    fn tell_ended(&mut self, tasks: impl IntoIterator<Item = TaskId>) {
        let ending = |task| {
            let row = self.tasks.get(&task);
            let outcome = row.and_then(|row| row.outcome.as_ref());
            let small = outcome.filter(|outcome| outcome.size() <= op::HINT_LIMIT);
            let state = small.and(row).map(Row::state);
            op::Ending { task, state }
        };
        let endings: Vec<_> = tasks.into_iter().map(ending).collect();
        if !endings.is_empty() {
            self.notices.push_back(Notice::Ended(endings));
        }
    }

    fn expire(&mut self, now: WallTime) -> Reply {
        let mut forgotten = 0;
        while let Some(&(at, task)) = self.expiry.first()
            && at <= now
        {
            self.expiry.pop_first();
            self.tasks.remove(&task);
            self.changes.tasks.insert(task);
            forgotten += 1;
        }
        Reply::Expired(forgotten)
    }

    /// The queue that a QUEUED row belongs in.
    fn queue_of(&mut self, row: &Row) -> &mut BTreeMap<u64, TaskId> {
        match row.is_suspect() {
            true => &mut self.suspects,
            false => &mut self.ready,
        }
    }

    /// Takes a task out of whatever list its state has it in. The caller changes the row next.
    fn unlist(&mut self, task: TaskId) {
        let Some(row) = self.tasks.get(&task) else {
            return;
        };
        match row.status {
            Status::Queued => {
                self.ready.remove(&row.seq);
                self.suspects.remove(&row.seq);
            }
            Status::Running => {
                let Some(holder) = &row.holder else { return };
                if let Some(tasks) = self.owned.get_mut(&holder.dispatcher) {
                    tasks.remove(&task);
                    if tasks.is_empty() {
                        self.owned.remove(&holder.dispatcher);
                    }
                }
            }
            Status::Completed | Status::Failed => {}
        }
    }

    /// Ends a task that is not terminal. Its parameters are no longer needed.
    fn end(&mut self, now: WallTime, task: TaskId, outcome: Outcome) {
        self.unlist(task);
        let Some(row) = self.tasks.get_mut(&task) else {
            return;
        };
        row.status = outcome.status();
        row.params = bytes::Bytes::new();
        row.marked = false;
        row.finished_at = Some(now);
        row.outcome = Some(outcome);
        self.expiry.insert((now + self.config.retention, task));
        self.changes.tasks.insert(task);
    }
}

/// How often the doorbell has rung when so many tasks have come to wait.
fn bells(waiting: usize) -> usize {
    waiting.div_ceil(op::BELL_EVERY)
}
