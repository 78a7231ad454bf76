//! P6: a live worker that was declared dead is told, says Hello and works again.

use mpcsfaas_core::id::WorkerKey;
use mpcsfaas_transport_sim::{Step, World};

use super::Checker;

/// At the end of a run, every worker's session is some dispatcher's.
#[derive(Debug)]
pub(super) struct LiveWorkersWorkAgain;

impl Checker for LiveWorkersWorkAgain {
    fn promise(&self) -> &'static str {
        "P6"
    }

    fn observe(&mut self, _world: &World, _step: &Step) -> Result<(), String> {
        Ok(())
    }

    fn finish(&mut self, world: &World) -> Result<(), String> {
        for worker in world
            .workers
            .iter()
            .filter_map(|node| node.machine.as_ref())
        {
            let key = WorkerKey::Native(worker.id());
            let seated = world
                .dispatchers
                .iter()
                .filter_map(|node| node.machine.as_ref())
                .flat_map(|dispatcher| dispatcher.workers())
                .any(|(known, session)| *known == key && session == worker.session());
            if !worker.is_welcome() || !seated {
                return Err(format!("{key} is outside, in session {}", worker.session()));
            }
        }
        Ok(())
    }
}
