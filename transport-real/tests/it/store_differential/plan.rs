//! Random steps, and how each becomes an operation once the state is known.
//!
//! A step names what it means loosely ("the current attempt of task 3"); the model's state then
//! makes it exact. So most operations do something, and some are deliberately beside the point.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;
use mpcsfaas_core::id::{FunctionId, Incarnation, TaskId, WorkerId, WorkerKey};
use mpcsfaas_core::store::op::{
    Adoption, CLOSED_MEMORY, Claim, Commit, EndReason, Mode, Placement, Report, Requeue, Submission,
};
use mpcsfaas_core::store::{Op, Store};
use mpcsfaas_core::task::{FailureKind, Options, Outcome, Status};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// The tasks that exist.
pub(super) const TASKS: RangeInclusive<u128> = 1..=7;

/// The dispatchers that exist, one of them in two incarnations.
pub(super) const DISPATCHERS: [Incarnation; 4] = [
    Incarnation { boot: 1, epoch: 0 },
    Incarnation { boot: 1, epoch: 1 },
    Incarnation { boot: 2, epoch: 9 },
    Incarnation {
        boot: u64::MAX,
        epoch: u32::MAX,
    },
];

/// A step before the state is known.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Submit(Vec<Submission>),
    OpenLease(Incarnation),
    Claim {
        incarnation: Incarnation,
        number: Number,
        max: u32,
        suspects: u32,
        places: u32,
        except: Vec<TaskId>,
    },
    Commit(Vec<(Held, Option<WorkerKey>, Outcome)>),
    Requeue(Vec<(Held, Option<WorkerKey>, EndReason)>),
    Adopt(Incarnation, Vec<(Held, Sitting, WorkerKey)>),
    Renew(Incarnation, Report, Vec<(Held, WorkerKey)>),
    Reap,
    Release(Incarnation),
    Cancel(TaskId),
    Read(Vec<TaskId>),
    Inspect(TaskId),
    Overview,
    Expire,
    Pause(Duration),
    /// An earlier operation once more, so many back.
    Again(usize),
}

/// An attempt, and who has it: as it is, or wrong in one respect.
#[derive(Clone, Debug)]
pub(super) struct Held {
    which: Which,
    wrong: Wrong,
}

#[derive(Clone, Copy, Debug)]
enum Which {
    /// Of the RUNNING ones the so many-th, counted round; any if there is none.
    Running(usize),
    Any(TaskId),
}

#[derive(Clone, Copy, Debug)]
enum Wrong {
    Nothing,
    Attempt(u32),
    Owner(Incarnation),
    Seat(u64),
}

/// A claim's number, relative to the last of its incarnation.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Next,
    Same,
    /// So many before the last.
    Before(u64),
    Huge,
}

/// A session, relative to the task's seat.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sitting {
    Next,
    Same,
    Exactly(u64),
}

/// What comes next.
pub(super) enum Next {
    Apply(Op),
    Pause(Duration),
}

/// What the steps refer back to.
#[derive(Default)]
pub(super) struct Tracked {
    numbers: BTreeMap<Incarnation, u64>,
    past: Vec<Op>,
}

impl Tracked {
    /// Makes a step exact.
    pub(super) fn next(&mut self, step: &Step, state: &Store) -> Next {
        let op = match step {
            Step::Pause(time) => return Next::Pause(*time),
            Step::Again(back) => match self.past.iter().rev().nth(*back) {
                Some(op) => op.clone(),
                None => Op::Overview,
            },
            step => self.operation(step, state),
        };
        self.past.push(op.clone());
        Next::Apply(op)
    }

    fn operation(&mut self, step: &Step, state: &Store) -> Op {
        match step {
            Step::Submit(batch) => Op::Submit(batch.clone()),
            Step::OpenLease(incarnation) => Op::OpenLease {
                incarnation: *incarnation,
            },
            Step::Claim {
                incarnation,
                number,
                max,
                suspects,
                places,
                except,
            } => Op::Claim(Claim {
                incarnation: *incarnation,
                number: self.number(*incarnation, *number),
                max: *max,
                suspects: *suspects,
                places: *places,
                except: except.clone(),
            }),
            Step::Commit(items) => Op::Commit(items.iter().map(|i| commit(i, state)).collect()),
            Step::Requeue(items) => Op::Requeue(items.iter().map(|i| requeue(i, state)).collect()),
            Step::Adopt(incarnation, items) => Op::Adopt {
                incarnation: *incarnation,
                tasks: items.iter().map(|item| adoption(item, state)).collect(),
            },
            Step::Renew(incarnation, report, placed) => Op::Renew {
                incarnation: *incarnation,
                report: *report,
                placed: placed.iter().map(|item| placement(item, state)).collect(),
            },
            Step::Release(incarnation) => Op::Release {
                incarnation: *incarnation,
            },
            Step::Cancel(task) => Op::Cancel { task: *task },
            Step::Read(tasks) => Op::Read(tasks.clone()),
            Step::Inspect(task) => Op::Inspect { task: *task },
            Step::Reap => Op::Reap,
            Step::Expire => Op::Expire,
            Step::Overview | Step::Pause(_) | Step::Again(_) => Op::Overview,
        }
    }

    fn number(&mut self, incarnation: Incarnation, number: Number) -> u64 {
        let last = self.numbers.entry(incarnation).or_default();
        match number {
            Number::Next => {
                *last = last.saturating_add(1);
                *last
            }
            Number::Same => *last,
            Number::Before(count) => last.saturating_sub(count),
            Number::Huge => {
                *last = (*last).max(u64::MAX - 5);
                *last
            }
        }
    }
}

fn commit((held, worker, outcome): &(Held, Option<WorkerKey>, Outcome), state: &Store) -> Commit {
    Commit {
        task: held.task(state),
        attempt: held.attempt(state),
        worker: worker.clone(),
        outcome: outcome.clone(),
    }
}

fn requeue(
    (held, worker, reason): &(Held, Option<WorkerKey>, EndReason),
    state: &Store,
) -> Requeue {
    let row = state.task(held.task(state));
    let holder = row.and_then(|row| row.holder.as_ref());
    Requeue {
        task: held.task(state),
        attempt: held.attempt(state),
        owner: match held.wrong {
            Wrong::Owner(owner) => owner,
            _ => holder.map_or(DISPATCHERS[0], |holder| holder.dispatcher),
        },
        seat: match held.wrong {
            Wrong::Seat(seat) => seat,
            _ => held.seat(state),
        },
        worker: worker.clone(),
        reason: *reason,
    }
}

fn adoption((held, sitting, worker): &(Held, Sitting, WorkerKey), state: &Store) -> Adoption {
    Adoption {
        task: held.task(state),
        attempt: held.attempt(state),
        session: match sitting {
            Sitting::Next => held.seat(state).saturating_add(1),
            Sitting::Same => held.seat(state),
            Sitting::Exactly(session) => *session,
        },
        worker: worker.clone(),
    }
}

fn placement((held, worker): &(Held, WorkerKey), state: &Store) -> Placement {
    Placement {
        task: held.task(state),
        attempt: held.attempt(state),
        worker: worker.clone(),
    }
}

impl Held {
    fn task(&self, state: &Store) -> TaskId {
        let number = match self.which {
            Which::Any(task) => return task,
            Which::Running(number) => number,
        };
        let running: Vec<TaskId> = state
            .tasks()
            .filter(|(_, row)| row.status == Status::Running)
            .map(|(task, _)| task)
            .collect();
        match running.len() {
            0 => TaskId(*TASKS.start()),
            count => running[number % count],
        }
    }

    fn attempt(&self, state: &Store) -> u32 {
        match self.wrong {
            Wrong::Attempt(attempt) => attempt,
            _ => state.task(self.task(state)).map_or(1, |row| row.attempt),
        }
    }

    fn seat(&self, state: &Store) -> u64 {
        state.task(self.task(state)).map_or(0, |row| row.seat)
    }
}

/// A renewal that only asks.
pub(super) fn renew(incarnation: Incarnation) -> Op {
    Op::Renew {
        incarnation,
        report: Report {
            mode: Mode::Push,
            workers: 1,
            processes: 2,
            held: 3,
            free: 4,
            draining: false,
        },
        placed: vec![],
    }
}

/// Sequences of so many steps.
pub(super) fn steps(count: usize) -> impl Strategy<Value = Vec<Step>> {
    // Without leases nothing can be claimed, so most sequences begin with some.
    let opening = DISPATCHERS.map(Step::OpenLease).to_vec();
    (0..=DISPATCHERS.len(), vec(step(), count - 4)).prop_map(move |(opened, rest)| {
        let mut steps = opening[..opened].to_vec();
        steps.extend(rest);
        steps
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => vec(submission(), 1..5).prop_map(Step::Submit),
        2 => dispatcher().prop_map(Step::OpenLease),
        10 => claim(),
        6 => vec((held(), option::of(worker()), outcome()), 1..4).prop_map(Step::Commit),
        10 => vec((held(), option::of(worker()), reason()), 1..4).prop_map(Step::Requeue),
        7 => (dispatcher(), vec((held(), sitting(), worker()), 1..4))
            .prop_map(|(incarnation, items)| Step::Adopt(incarnation, items)),
        4 => (dispatcher(), report(), vec((held(), worker()), 0..3))
            .prop_map(|(incarnation, report, placed)| Step::Renew(incarnation, report, placed)),
        4 => Just(Step::Reap),
        1 => dispatcher().prop_map(Step::Release),
        1 => task().prop_map(Step::Cancel),
        1 => vec(task(), 0..4).prop_map(Step::Read),
        3 => task().prop_map(Step::Inspect),
        1 => Just(Step::Overview),
        1 => Just(Step::Expire),
        6 => (0u64..6_000).prop_map(|millis| Step::Pause(Duration::from_millis(millis))),
        1 => Just(Step::Pause(Duration::from_secs(10))),
        1 => Just(Step::Pause(CLOSED_MEMORY)),
        4 => (0usize..8).prop_map(Step::Again),
    ]
}

fn claim() -> impl Strategy<Value = Step> {
    let number = prop_oneof![
        12 => Just(Number::Next),
        3 => Just(Number::Same),
        2 => (1u64..80).prop_map(Number::Before),
        1 => Just(Number::Huge),
    ];
    let many = (0u32..5, 0u32..4, 0u32..6);
    (dispatcher(), number, many, vec(task(), 0..2)).prop_map(
        |(incarnation, number, (max, suspects, places), except)| Step::Claim {
            incarnation,
            number,
            max,
            suspects,
            places,
            except,
        },
    )
}

fn submission() -> impl Strategy<Value = Submission> {
    let options = (option::of(any::<u64>()), proptest::bool::weighted(0.25));
    (task(), 1u128..3, vec(any::<u8>(), 0..3), options).prop_map(
        |(task, function, params, (timeout_ms, at_most_once))| Submission {
            task,
            function: FunctionId(function),
            params: Bytes::from(params),
            options: Options {
                timeout_ms,
                at_most_once,
            },
        },
    )
}

fn held() -> impl Strategy<Value = Held> {
    let wrong = prop_oneof![
        8 => Just(Wrong::Nothing),
        1 => (0u32..4).prop_map(Wrong::Attempt),
        1 => dispatcher().prop_map(Wrong::Owner),
        1 => (0u64..4).prop_map(Wrong::Seat),
    ];
    let which = prop_oneof![
        4 => (0usize..8).prop_map(Which::Running),
        2 => task().prop_map(Which::Any),
    ];
    (which, wrong).prop_map(|(which, wrong)| Held { which, wrong })
}

fn sitting() -> impl Strategy<Value = Sitting> {
    prop_oneof![
        4 => Just(Sitting::Next),
        2 => Just(Sitting::Same),
        2 => (0u64..12).prop_map(Sitting::Exactly),
        1 => (u64::MAX - 2..=u64::MAX).prop_map(Sitting::Exactly),
    ]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        vec(any::<u8>(), 0..4).prop_map(Outcome::completed),
        select(&FailureKind::ALL[..]).prop_map(|kind| Outcome::failed(kind, "a reason")),
    ]
}

fn report() -> impl Strategy<Value = Report> {
    (
        select(vec![Mode::Local, Mode::Pull, Mode::Push]),
        any::<[u32; 4]>(),
        any::<bool>(),
    )
        .prop_map(
            |(mode, [workers, processes, held, free], draining)| Report {
                mode,
                workers,
                processes,
                held,
                free,
                draining,
            },
        )
}

fn worker() -> impl Strategy<Value = WorkerKey> {
    prop_oneof![
        any::<u64>().prop_map(|id| WorkerKey::Native(WorkerId(id))),
        select(vec!["", "w-0000000000000001", "a worker\n", "%-é"])
            .prop_map(|name| WorkerKey::Legacy(name.to_owned())),
    ]
}

fn reason() -> impl Strategy<Value = EndReason> {
    select(&EndReason::ALL[..])
}

fn dispatcher() -> impl Strategy<Value = Incarnation> {
    // Some do more than others, so that leases and claims of one meet more often.
    prop_oneof![
        4 => Just(DISPATCHERS[0]),
        2 => Just(DISPATCHERS[1]),
        1 => select(&DISPATCHERS[..]),
    ]
}

fn task() -> impl Strategy<Value = TaskId> {
    TASKS.prop_map(TaskId)
}
