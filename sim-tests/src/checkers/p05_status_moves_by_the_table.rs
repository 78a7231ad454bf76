//! P5: status moves only along the table.

use std::collections::BTreeMap;

use mpcsfaas_core::id::{Attempt, TaskId};
use mpcsfaas_core::task::Status;
use mpcsfaas_transport_sim::{Step, World};

use super::Checker;

/// Remembers the last status and attempt of each task.
#[derive(Debug, Default)]
pub(super) struct StatusMovesByTheTable {
    last: BTreeMap<TaskId, (Status, Attempt)>,
}

impl Checker for StatusMovesByTheTable {
    fn promise(&self) -> &'static str {
        "P5"
    }

    fn observe(&mut self, world: &World, step: &Step) -> Result<(), String> {
        for task in &step.touched {
            let Some(row) = world.store().task(*task) else {
                continue;
            };
            let now = (row.status, row.attempt);
            match self.last.insert(*task, now) {
                None if now == (Status::Queued, 0) => {}
                None => return Err(format!("{task} began as {now:?}")),
                Some((before, attempt)) => {
                    let moved = before == row.status || before.may_become(row.status);
                    if !moved || row.attempt < attempt || row.attempt > attempt + 1 {
                        return Err(format!("{task} went from {before}@{attempt} to {now:?}"));
                    }
                }
            }
        }
        Ok(())
    }
}
