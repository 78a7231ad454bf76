//! What the workers know: what they said, were told, and hold.

use std::collections::{BTreeMap, BTreeSet};

use mpcsfaas_core::dispatcher::Peer;
use mpcsfaas_core::id::{FunctionId, Session, TaskId, WorkerId};
use mpcsfaas_core::wire::json;
use mpcsfaas_core::wire::message::{
    FromDispatcher, FromWorker, TaskRef, ToDispatcher, ToWorker, UNNUMBERED,
};

/// A conversation, from the worker's end.
#[derive(Default)]
pub(super) struct Talk {
    /// The number of the last message said.
    pub(super) said: u64,
    /// The number of the last message heard.
    heard: u64,
    /// What the worker holds, as far as it was told and has said.
    pub(super) holds: BTreeSet<TaskRef>,
    /// The most that it said it would hold.
    credit: usize,
    /// What its last Hello said.
    hello: (usize, BTreeSet<TaskRef>),
    /// Whose bodies it was sent.
    functions: BTreeSet<FunctionId>,
    /// It was asked for a new session.
    pub(super) refused: bool,
}

/// All workers.
#[derive(Default)]
pub(super) struct Guests {
    /// By connection and session. Two workers at one connection are possible only if one lies.
    talks: BTreeMap<(Peer, Session), Talk>,
    /// Who has spoken at a connection.
    speakers: BTreeMap<Peer, BTreeSet<WorkerId>>,
    /// Each worker's last session.
    sessions: BTreeMap<u64, Session>,
    /// Every attempt that anybody was told to run.
    ran: BTreeSet<TaskRef>,
    /// Questions of a peer in lock-step less answers to it.
    questions: BTreeMap<Peer, u64>,
    /// What each peer of the original was given.
    given: BTreeMap<Peer, BTreeSet<TaskId>>,
}

impl Guests {
    /// A worker's last session, 0 before the first.
    pub(super) fn session(&self, worker: u64) -> Session {
        self.sessions.get(&worker).copied().unwrap_or_default()
    }

    /// A conversation. It is begun if there is none.
    pub(super) fn talk(&mut self, peer: &Peer, session: Session) -> &mut Talk {
        self.talks.entry((peer.clone(), session)).or_default()
    }

    /// A worker says something.
    pub(super) fn says(&mut self, peer: &Peer, message: &FromWorker) {
        let worker = message.worker;
        self.speakers
            .entry(peer.clone())
            .or_default()
            .insert(worker);
        let last = self.sessions.entry(worker.0).or_default();
        if let ToDispatcher::Hello(_) = message.body {
            *last = (*last).max(message.session);
        }
        let talk = self.talk(peer, message.session);
        if message.number != UNNUMBERED {
            talk.said = message.number;
        }
        match &message.body {
            ToDispatcher::Hello(hello) => {
                let listed: BTreeSet<TaskRef> = hello
                    .running
                    .iter()
                    .chain(&hello.finished)
                    .copied()
                    .collect();
                talk.hello = ((hello.credit as usize).max(listed.len()), listed);
            }
            ToDispatcher::Beat { credit, .. } | ToDispatcher::Pull { credit } => {
                talk.credit = talk.credit.max(*credit as usize);
            }
            ToDispatcher::Finished(_) => {}
            ToDispatcher::Returned { tasks, .. } | ToDispatcher::Goodbye { returned: tasks } => {
                for task in tasks {
                    talk.holds.remove(task);
                }
            }
        }
    }

    /// A worker is told something.
    pub(super) fn told(&mut self, peer: &Peer, message: &FromDispatcher) {
        if let ToWorker::Run(runs) = &message.body {
            for run in runs {
                assert!(self.ran.insert(run.task), "{} is run twice", run.task);
            }
        }
        let honest = self
            .speakers
            .get(peer)
            .is_some_and(|speakers| speakers.len() == 1);
        let talk = self.talk(peer, message.session);
        talk.hears(message, honest);
    }

    /// A worker of the original asks or tells something.
    pub(super) fn says_legacy(&mut self, peer: &Peer, message: Option<&json::FromWorker>) {
        if peer.delimited {
            *self.questions.entry(peer.clone()).or_default() += 1;
        }
        if let Some(json::FromWorker::TaskResult { task, .. }) = message {
            self.given.entry(peer.clone()).or_default().remove(task);
        }
    }

    /// A worker of the original is told something. One in lock-step can hear only an answer.
    pub(super) fn told_legacy(&mut self, peer: &Peer, message: &json::ToWorker) {
        if peer.delimited {
            let questions = self.questions.entry(peer.clone()).or_default();
            assert!(
                *questions > 0,
                "{peer:?} asked nothing and is told {message:?}"
            );
            *questions -= 1;
        }
        if let json::ToWorker::Task { task, .. } = message {
            self.given.entry(peer.clone()).or_default().insert(*task);
        }
    }

    /// Something that a peer of the original was given and has not answered.
    pub(super) fn given(&self, peer: &Peer) -> Option<TaskId> {
        self.given.get(peer)?.first().copied()
    }
}

impl Talk {
    fn hears(&mut self, message: &FromDispatcher, honest: bool) {
        match &message.body {
            ToWorker::Beat { .. } => assert_eq!(message.number, UNNUMBERED),
            ToWorker::SayHello => {
                assert_eq!(message.number, UNNUMBERED);
                self.refused = true;
            }
            ToWorker::Welcome { .. } => {
                assert_eq!(message.number, 1, "a session begins with a Welcome");
                self.heard = 1;
                (self.credit, self.holds) = self.hello.clone();
                self.functions.clear();
                self.refused = false;
            }
            ToWorker::Run(_)
            | ToWorker::Function { .. }
            | ToWorker::Ack(_)
            | ToWorker::Drop(_)
            | ToWorker::Drain => {
                self.heard += 1;
                assert!(
                    !honest || message.number == self.heard,
                    "a gap before {message:?}"
                );
            }
        }
        match &message.body {
            ToWorker::Function { id, .. } => drop(self.functions.insert(*id)),
            ToWorker::Run(runs) => {
                for run in runs {
                    let known = self.functions.contains(&run.function);
                    assert!(known, "{} comes before its function", run.task);
                    self.holds.insert(run.task);
                }
                let (held, credit) = (self.holds.len(), self.credit);
                assert!(
                    !honest || held <= credit,
                    "P4: {held} tasks at a worker that takes {credit}"
                );
            }
            ToWorker::Ack(tasks) | ToWorker::Drop(tasks) => {
                for task in tasks {
                    self.holds.remove(task);
                }
            }
            ToWorker::Welcome { .. }
            | ToWorker::SayHello
            | ToWorker::Beat { .. }
            | ToWorker::Drain => {}
        }
    }
}
