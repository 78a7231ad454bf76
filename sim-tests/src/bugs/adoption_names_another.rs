//! A dispatcher names the wrong worker in an adoption: an index that is off.

use mpcsfaas_core::dispatcher::{Dispatcher, Output};
use mpcsfaas_core::store::Op;
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::tamper::Tamper;

use super::Bug;

pub(super) const BUG: Bug = Bug::of_dispatchers(
    "adoption-names-another",
    "a dispatcher names another worker than the one that runs what it adopts",
    || Box::new(AdoptionNamesAnother),
);

/// Names the next worker.
#[derive(Clone, Debug)]
struct AdoptionNamesAnother;

impl Tamper<Dispatcher> for AdoptionNamesAnother {
    fn output(
        &mut self,
        _now: Instant,
        dispatcher: &Dispatcher,
        mut output: Output,
    ) -> Vec<Output> {
        if let Output::Store {
            op: Op::Adopt { tasks, .. },
            ..
        } = &mut output
        {
            for item in tasks {
                let mut others = dispatcher.workers().map(|(worker, _)| worker);
                if let Some(other) = others.find(|other| **other != item.worker) {
                    item.worker = other.clone();
                }
            }
        }
        vec![output]
    }
}
