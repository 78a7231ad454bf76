//! What a client saw of a run: when each task was submitted and when it had ended.

use std::collections::BTreeMap;
use std::time::Duration;

use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::task::Status;
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::history::{Seen, What};
use mpcsfaas_transport_sim::plan::Plan;

use super::{Machine, Setting};
use crate::run::{Case, Run};
use crate::seed_model::{Mode, Original};

/// A task that took longer is late.
const LATE: Duration = Duration::from_secs(1);

/// What a run came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Measured {
    pub(super) stuck: usize,
    pub(super) late: usize,
    pub(super) unfinished: usize,
    pub(super) completion: Duration,
    pub(super) worst_wait: Duration,
    pub(super) broken: bool,
}

/// Runs a setting.
pub(super) fn run(setting: &Setting, machine: Machine, seed: u64) -> Measured {
    of_plan(setting, machine, &setting.plan(machine, seed))
}

/// Runs a plan that is a setting's, or nearly.
pub(super) fn of_plan(setting: &Setting, machine: Machine, plan: &Plan) -> Measured {
    let case = Case::of_plan(plan).kept();
    let run = match machine {
        Machine::Original => case.played_by(Box::new(original(setting, plan))).run(),
        Machine::Ours => case.run(),
    };
    let tasks = tasks_of(&run);
    let is_stuck = |task: &&Task| match machine {
        // Nobody puts back a task of a live worker, and who never ends was sent to no live one.
        Machine::Original => task.put_back || task.ended.is_none(),
        Machine::Ours => task.wait(run.ended_at) > setting.bound(),
    };
    let first = tasks.values().map(|task| task.submitted).min();
    let last = tasks
        .values()
        .map(|task| task.ended.unwrap_or(run.ended_at));
    let waits = tasks.values().map(|task| task.wait(run.ended_at));
    Measured {
        stuck: tasks.values().filter(is_stuck).count(),
        late: waits.clone().filter(|wait| *wait > LATE).count(),
        unfinished: tasks.values().filter(|task| task.ended.is_none()).count(),
        completion: last.max().unwrap_or_default() - first.unwrap_or_default(),
        worst_wait: waits.max().unwrap_or_default(),
        broken: run.violation.is_some(),
    }
}

/// The original's processes.
fn original(setting: &Setting, plan: &Plan) -> Original {
    let mut original = Original::of(plan, Mode::Push);
    original.dispatcher.timeout = setting.timeout;
    original.dispatcher.goodbye = setting.goodbye;
    original
}

/// What was seen of a task.
struct Task {
    submitted: Instant,
    /// When it was first seen in a terminal state.
    ended: Option<Instant>,
    status: Status,
    /// Whether it was RUNNING and then QUEUED again.
    put_back: bool,
}

impl Task {
    fn wait(&self, run_ended: Instant) -> Duration {
        self.ended.unwrap_or(run_ended) - self.submitted
    }

    fn has_become(&mut self, status: Status, at: Instant) {
        self.put_back |= self.status == Status::Running && status == Status::Queued;
        self.status = status;
        if status.is_terminal() {
            self.ended.get_or_insert(at);
        }
    }
}

fn tasks_of(run: &Run) -> BTreeMap<TaskId, Task> {
    let mut tasks = BTreeMap::new();
    for Seen { at, what } in &run.history {
        match what {
            What::Submitted { task, .. } => {
                tasks.entry(*task).or_insert(Task {
                    submitted: *at,
                    ended: None,
                    status: Status::Queued,
                    put_back: false,
                });
            }
            What::Row(row) => {
                if let Some(task) = tasks.get_mut(&row.task) {
                    task.has_become(row.status, *at);
                }
            }
            _ => {}
        }
    }
    tasks
}
