//! P11: with several dispatchers a task has one owner, and no attempt starts twice. A task that
//! may run at most once starts at most once.

use std::collections::BTreeSet;

use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::wire::message::TaskRef;
use mpcsfaas_transport_sim::{Step, World};

use super::Checker;

/// Remembers every start.
#[derive(Debug, Default)]
pub(super) struct NoAttemptStartsTwice {
    attempts: BTreeSet<TaskRef>,
    once: BTreeSet<TaskId>,
}

impl Checker for NoAttemptStartsTwice {
    fn promise(&self) -> &'static str {
        "P11"
    }

    fn observe(&mut self, world: &World, step: &Step) -> Result<(), String> {
        for (worker, task) in &step.started {
            if !self.attempts.insert(*task) {
                return Err(format!("{task:?} started again, at {worker}"));
            }
            let once = world
                .store()
                .task(task.task)
                .is_some_and(|row| row.options.at_most_once);
            if once && !self.once.insert(task.task) {
                return Err(format!("at-most-once {task:?} started again, at {worker}"));
            }
        }
        Ok(())
    }
}
