//! What a dispatcher hears from the worker, and what it can conclude.

use std::collections::BTreeSet;

use mpcsfaas_core::id::Session;
use mpcsfaas_core::wire::message::{FromWorker, TaskRef, ToDispatcher, ToWorker, UNNUMBERED};
use mpcsfaas_core::worker::Worker;

/// The conversation, from the other end.
#[derive(Default)]
pub(super) struct Heard {
    session: Session,
    /// The number of the last numbered message.
    number: u64,
    /// The most tasks that the worker has said in this session it would hold.
    credit: u32,
    /// Results that were sent and neither acknowledged nor dropped since.
    results: BTreeSet<TaskRef>,
    gone: bool,
}

impl Heard {
    /// The current session.
    pub(super) fn session(&self) -> Session {
        self.session
    }

    /// The results that wait for an Ack.
    pub(super) fn results(&self) -> impl Iterator<Item = TaskRef> + '_ {
        self.results.iter().copied()
    }

    /// The worker makes a new connection.
    pub(super) fn connected(&mut self, session: Session) {
        assert!(
            session > self.session,
            "session {session} after {}",
            self.session
        );
        assert!(!self.gone, "it has left, and connects");
        self.session = session;
        self.number = 0;
        self.credit = 0;
    }

    /// The worker says something.
    pub(super) fn said(&mut self, message: &FromWorker) {
        assert!(!self.gone, "it has left, and says {message:?}");
        assert_eq!(message.session, self.session, "on this connection");
        let hello = matches!(message.body, ToDispatcher::Hello(_));
        assert_eq!(
            hello,
            message.number == 1,
            "a session begins with a Hello: {message:?}"
        );
        match message.body {
            ToDispatcher::Beat { last, .. } => {
                assert_eq!((message.number, last), (UNNUMBERED, self.number));
            }
            _ => {
                self.number += 1;
                assert_eq!(message.number, self.number, "a gap");
            }
        }
        match &message.body {
            ToDispatcher::Hello(hello) => {
                let listed: BTreeSet<TaskRef> = hello.finished.iter().copied().collect();
                assert!(
                    self.results.is_subset(&listed),
                    "{:?} are not all listed",
                    self.results
                );
                self.results.clone_from(&listed);
                self.credit = hello
                    .credit
                    .max((hello.running.len() + listed.len()) as u32);
            }
            ToDispatcher::Beat { credit, .. } | ToDispatcher::Pull { credit } => {
                self.credit = self.credit.max(*credit);
            }
            ToDispatcher::Finished(results) => {
                self.results
                    .extend(results.iter().map(|result| result.task));
            }
            ToDispatcher::Returned { .. } | ToDispatcher::Goodbye { .. } => {}
        }
    }

    /// The worker ends its process.
    pub(super) fn left(&mut self) {
        assert!(!self.gone, "it leaves twice");
        self.gone = true;
    }

    /// What is about to be said, without what no dispatcher would say: more tasks than the credit is
    /// a breach that the worker counts, and its invariants then tell of (P4).
    pub(super) fn within_credit(&self, body: ToWorker, held: usize) -> ToWorker {
        match body {
            ToWorker::Run(mut tasks) => {
                tasks.truncate((self.credit as usize).saturating_sub(held));
                ToWorker::Run(tasks)
            }
            other => other,
        }
    }

    /// Notes what is said: a result that is acknowledged or dropped need not be kept.
    pub(super) fn told(&mut self, body: &ToWorker) {
        if let ToWorker::Ack(tasks) | ToWorker::Drop(tasks) = body {
            for task in tasks {
                self.results.remove(task);
            }
        }
    }

    pub(super) fn check(&self, worker: &Worker) {
        let (held, results) = (worker.held(), self.results.len());
        assert!(
            held >= results,
            "{held} held, and {results} results wait for their Ack"
        );
    }
}
