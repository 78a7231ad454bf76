//! P4: a worker never holds more tasks than the credit it gave.

use mpcsfaas_transport_sim::world::Place;
use mpcsfaas_transport_sim::{Step, World};

use super::Checker;

/// Asks the worker that moved whether it was ever given too much.
#[derive(Debug)]
pub(super) struct CreditIsKept;

impl Checker for CreditIsKept {
    fn promise(&self) -> &'static str {
        "P4"
    }

    fn observe(&mut self, world: &World, step: &Step) -> Result<(), String> {
        let Some(Place::Worker(index)) = step.moved else {
            return Ok(());
        };
        match &world.workers[index].machine {
            Some(worker) if worker.counters().over_credit > 0 => {
                Err(format!("{} holds {} tasks", worker.id(), worker.held()))
            }
            Some(_) | None => Ok(()),
        }
    }
}
