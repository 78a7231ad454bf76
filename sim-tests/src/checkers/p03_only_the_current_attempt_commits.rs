//! P3: only the current attempt commits. A scripted child returns its attempt's own name.

use mpcsfaas_core::wire::message::TaskRef;
use mpcsfaas_transport_sim::{Step, World, result_of};

use super::Checker;

/// Compares a committed result with the attempt that the row says is current.
#[derive(Debug)]
pub(super) struct OnlyTheCurrentAttemptCommits;

impl Checker for OnlyTheCurrentAttemptCommits {
    fn promise(&self) -> &'static str {
        "P3"
    }

    fn observe(&mut self, world: &World, step: &Step) -> Result<(), String> {
        for task in &step.touched {
            let Some(row) = world.store().task(*task) else {
                continue;
            };
            let Some(Ok(result)) = row.outcome.as_ref().map(|outcome| &outcome.result) else {
                continue;
            };
            let current = result_of(TaskRef {
                task: *task,
                attempt: row.attempt,
            });
            if *result != current {
                return Err(format!(
                    "{task} is at attempt {} with {result:?}",
                    row.attempt
                ));
            }
        }
        Ok(())
    }
}
