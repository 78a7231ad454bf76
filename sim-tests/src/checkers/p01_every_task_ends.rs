//! P1: an accepted task reaches exactly one terminal state, whatever crashes, once faults end.

use mpcsfaas_transport_sim::{Step, World};

use super::Checker;

/// Judges P1 at the end of a run.
#[derive(Debug)]
pub(super) struct EveryTaskEnds;

impl Checker for EveryTaskEnds {
    fn promise(&self) -> &'static str {
        "P1"
    }

    fn observe(&mut self, world: &World, step: &Step) -> Result<(), String> {
        for task in step
            .touched
            .iter()
            .filter(|task| world.accepted().contains(task))
        {
            if world.store().task(*task).is_none() {
                return Err(format!("{task} was accepted and is gone"));
            }
        }
        Ok(())
    }

    fn finish(&mut self, world: &World) -> Result<(), String> {
        let waits = |task: &&mpcsfaas_core::id::TaskId| {
            !world
                .store()
                .task(**task)
                .is_some_and(|row| row.status.is_terminal())
        };
        match world.accepted().iter().find(waits) {
            Some(task) => Err(format!(
                "{task} still waits: {:?}",
                world.store().task(*task)
            )),
            None if world.accepted().len() < world.knobs.tasks => {
                Err("a submit was never answered".to_owned())
            }
            None => Ok(()),
        }
    }
}
