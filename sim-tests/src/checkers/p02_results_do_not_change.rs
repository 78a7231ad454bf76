//! P2: a terminal result never changes.

use std::collections::BTreeMap;

use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::task::Outcome;
use mpcsfaas_transport_sim::{Step, World};

use super::Checker;

/// Remembers the first outcome of each task.
#[derive(Debug, Default)]
pub(super) struct ResultsDoNotChange {
    outcomes: BTreeMap<TaskId, Outcome>,
}

impl Checker for ResultsDoNotChange {
    fn promise(&self) -> &'static str {
        "P2"
    }

    fn observe(&mut self, world: &World, step: &Step) -> Result<(), String> {
        for task in &step.touched {
            let now = world
                .store()
                .task(*task)
                .and_then(|row| row.outcome.as_ref());
            match (self.outcomes.get(task), now) {
                (Some(before), Some(now)) if before == now => {}
                (Some(before), now) => {
                    return Err(format!("{task} ended as {before:?} and is now {now:?}"));
                }
                (None, Some(now)) => {
                    self.outcomes.insert(*task, now.clone());
                }
                (None, None) => {}
            }
        }
        Ok(())
    }
}
