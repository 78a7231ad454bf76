//! A dispatcher acknowledges only what the store has taken: whoever brought a stale result keeps it
//! for ever (R2).

use std::collections::{BTreeMap, BTreeSet};

use mpcsfaas_core::dispatcher::{Dispatcher, Input, Output};
use mpcsfaas_core::store::op::Verdict;
use mpcsfaas_core::store::{Op, Reply, RequestId};
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::{TaskRef, ToWorker};
use mpcsfaas_transport_sim::tamper::Tamper;

use super::Bug;

pub(super) const BUG: Bug = Bug::of_dispatchers(
    "stale-results-unacknowledged",
    "a dispatcher does not acknowledge a result that the store refused",
    || Box::<StaleResultsUnacknowledged>::default(),
);

/// Takes refused results out of each Ack.
#[derive(Clone, Debug, Default)]
struct StaleResultsUnacknowledged {
    commits: BTreeMap<RequestId, Vec<TaskRef>>,
    stale: BTreeSet<TaskRef>,
}

impl Tamper<Dispatcher> for StaleResultsUnacknowledged {
    fn input(&mut self, _now: Instant, _dispatcher: &Dispatcher, input: Input) -> Vec<Input> {
        if let Input::StoreReplied { request, reply } = &input
            && let (Some(tasks), Reply::Committed(verdicts)) = (self.commits.remove(request), reply)
        {
            let verdicts = tasks.into_iter().zip(verdicts);
            let stale = verdicts.filter(|(_, verdict)| **verdict == Verdict::Stale);
            self.stale.extend(stale.map(|(task, _)| task));
        }
        vec![input]
    }

    fn output(
        &mut self,
        _now: Instant,
        _dispatcher: &Dispatcher,
        mut output: Output,
    ) -> Vec<Output> {
        match &mut output {
            Output::Store {
                request,
                op: Op::Commit(batch),
            } => {
                let tasks = batch.iter().map(|commit| TaskRef {
                    task: commit.task,
                    attempt: commit.attempt,
                });
                self.commits.insert(*request, tasks.collect());
            }
            Output::Send { message, .. } => {
                if let ToWorker::Ack(tasks) = &mut message.body {
                    tasks.retain(|task| !self.stale.contains(task));
                }
            }
            Output::Store { .. } | Output::SendLegacy { .. } | Output::Exit => {}
        }
        vec![output]
    }
}
