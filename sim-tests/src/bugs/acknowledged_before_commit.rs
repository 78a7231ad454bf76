//! A dispatcher acknowledges a result when the store has not answered in time: the commit will be
//! repeated, so nothing can be lost any more, thought whoever wrote it (R7).

use std::collections::{BTreeMap, BTreeSet};

use mpcsfaas_core::dispatcher::{Dispatcher, Input, Output, Peer};
use mpcsfaas_core::id::Session;
use mpcsfaas_core::store::{Op, RequestId};
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::{TaskRef, ToDispatcher, ToWorker};
use mpcsfaas_transport_sim::tamper::Tamper;

use super::Bug;
use super::renumbered::Renumbered;

pub(super) const BUG: Bug = Bug::of_dispatchers(
    "acknowledged-before-commit",
    "a dispatcher acknowledges a result when the store is late to say that it has it",
    || Box::<AcknowledgedBeforeCommit>::default(),
);

/// Says an Ack with each commit that is asked for again.
#[derive(Clone, Debug, Default)]
struct AcknowledgedBeforeCommit {
    /// Who sent each result last, and in which session.
    from: BTreeMap<TaskRef, (Peer, Session)>,
    /// Commits that were asked for.
    asked: BTreeSet<RequestId>,
    sent: Renumbered,
}

impl Tamper<Dispatcher> for AcknowledgedBeforeCommit {
    fn input(&mut self, _now: Instant, _dispatcher: &Dispatcher, input: Input) -> Vec<Input> {
        if let Input::MessageReceived { peer, message } = &input
            && let ToDispatcher::Finished(results) = &message.body
        {
            let from = (peer.clone(), message.session);
            let results = results.iter().map(|result| (result.task, from.clone()));
            self.from.extend(results);
        }
        vec![input]
    }

    fn output(
        &mut self,
        _now: Instant,
        _dispatcher: &Dispatcher,
        mut output: Output,
    ) -> Vec<Output> {
        let mut acks: BTreeMap<(Peer, Session), Vec<TaskRef>> = BTreeMap::new();
        match &mut output {
            Output::Send { peer, message } => self.sent.follow(peer, message),
            Output::Store {
                request,
                op: Op::Commit(batch),
            } if !self.asked.insert(*request) => {
                for commit in batch {
                    let (task, attempt) = (commit.task, commit.attempt);
                    let key = TaskRef { task, attempt };
                    if let Some(from) = self.from.remove(&key) {
                        acks.entry(from).or_default().push(key);
                    }
                }
            }
            Output::Store { .. } | Output::SendLegacy { .. } | Output::Exit => {}
        }
        let acks = acks.into_iter().filter_map(|((peer, session), tasks)| {
            let message = self.sent.insert(&peer, session, ToWorker::Ack(tasks))?;
            Some(Output::Send { peer, message })
        });
        std::iter::once(output).chain(acks).collect()
    }
}
