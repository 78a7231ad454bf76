//! A dispatcher counts a result as no longer held as soon as it has it: R7 without "until it is
//! acknowledged".

use std::collections::{BTreeMap, BTreeSet};

use mpcsfaas_core::dispatcher::{Dispatcher, Input, Output};
use mpcsfaas_core::id::WorkerId;
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::{FromWorker, TaskRef, ToDispatcher, ToWorker, UNNUMBERED};
use mpcsfaas_transport_sim::tamper::Tamper;

use super::Bug;

pub(super) const BUG: Bug = Bug::of_dispatchers(
    "results-outside-the-credit",
    "a dispatcher frees the credit of a result before it acknowledges it",
    || Box::<ResultsOutsideTheCredit>::default(),
);

/// Adds to each worker's credit what it has sent and holds still.
#[derive(Clone, Debug, Default)]
struct ResultsOutsideTheCredit {
    workers: BTreeMap<WorkerId, Told>,
}

/// What a worker has told.
#[derive(Clone, Debug, Default)]
struct Told {
    credit: u32,
    unacknowledged: BTreeSet<TaskRef>,
}

impl Told {
    fn credit(&self) -> u32 {
        // One that wants nothing is leaving.
        match self.credit {
            0 => 0,
            credit => credit + self.unacknowledged.len() as u32,
        }
    }
}

impl Tamper<Dispatcher> for ResultsOutsideTheCredit {
    fn input(&mut self, _now: Instant, _dispatcher: &Dispatcher, mut input: Input) -> Vec<Input> {
        let Input::MessageReceived { peer, message } = &mut input else {
            return vec![input];
        };
        let told = self.workers.entry(message.worker).or_default();
        match &mut message.body {
            ToDispatcher::Hello(hello) => told.credit = hello.credit,
            ToDispatcher::Beat { credit, .. } | ToDispatcher::Pull { credit } => {
                told.credit = *credit;
                *credit = told.credit();
            }
            ToDispatcher::Finished(results) => {
                let results = results.iter().map(|result| result.task);
                told.unacknowledged.extend(results);
                let body = ToDispatcher::Beat {
                    last: message.number,
                    credit: told.credit(),
                };
                let beat = Input::MessageReceived {
                    peer: peer.clone(),
                    message: FromWorker {
                        number: UNNUMBERED,
                        body,
                        ..message.clone()
                    },
                };
                return vec![input, beat];
            }
            ToDispatcher::Returned { .. } | ToDispatcher::Goodbye { .. } => {}
        }
        vec![input]
    }

    fn output(&mut self, _now: Instant, _dispatcher: &Dispatcher, output: Output) -> Vec<Output> {
        if let Output::Send { message, .. } = &output
            && let ToWorker::Ack(tasks) | ToWorker::Drop(tasks) = &message.body
        {
            for told in self.workers.values_mut() {
                told.unacknowledged.retain(|task| !tasks.contains(task));
            }
        }
        vec![output]
    }
}
