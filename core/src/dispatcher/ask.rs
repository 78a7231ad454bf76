//! Requests to the store: batched, repeated until answered, one operation a task (R6a, R13).

use super::belief::{Belief, Place};
use super::timer::Timer;
use super::{Dispatcher, Output};
use crate::id::{Incarnation, Session, TaskId, WorkerKey};
use crate::store::op::{Adoption, Commit, Reply, Requeue, Verdict};
use crate::store::{Op, RequestId};
use crate::time::Instant;
use crate::timing::{BATCH_BYTES, BATCH_ITEMS};
use crate::wire::message::{TaskRef, ToWorker};

/// A request that has not been answered.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Asked {
    op: Op,
    /// The attempts it is about; their tasks are busy until the answer.
    about: Vec<TaskRef>,
}

/// The three kinds of operation that beliefs ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Commit,
    Requeue,
    Adopt,
}

/// Operations of each kind, gathered for one go.
#[derive(Default)]
struct Batches {
    commits: Vec<(TaskRef, Commit)>,
    commit_bytes: usize,
    requeues: Vec<(TaskRef, Requeue)>,
    adoptions: Vec<(TaskRef, Adoption)>,
}

impl Dispatcher {
    /// Sends a request and keeps it until it is answered.
    pub(super) fn ask(&mut self, op: Op, about: Vec<TaskRef>) {
        let request = self.next_request;
        self.next_request += 1;
        self.busy.extend(about.iter().map(|key| key.task));
        self.outputs.push_back(Output::Store {
            request,
            op: op.clone(),
        });
        self.asked.insert(request, Asked { op, about });
    }

    /// Repeats an unanswered request word for word: every operation may be repeated (R1, R6a).
    pub(super) fn repeat(&mut self, request: RequestId) {
        if let Some(asked) = self.asked.get(&request).filter(|_| self.store_up) {
            self.outputs.push_back(Output::Store {
                request,
                op: asked.op.clone(),
            });
        }
    }

    pub(super) fn on_store_failed(&mut self, now: Instant, request: RequestId) {
        if self.asked.contains_key(&request) {
            self.timers
                .set(Timer::Retry(request), now + self.config.store_retry);
        }
    }

    pub(super) fn on_store_connected(&mut self, now: Instant) {
        self.store_up = true;
        self.queue.ring();
        let outstanding: Vec<RequestId> = self.asked.keys().copied().collect();
        for request in outstanding {
            self.timers.cancel(&Timer::Retry(request));
            self.repeat(request);
        }
        self.connect_lease(now);
    }

    /// Nothing is claimed, workers keep what they hold, requests wait (R13).
    pub(super) fn on_store_disconnected(&mut self) {
        self.store_up = false;
    }

    pub(super) fn on_reply(&mut self, now: Instant, request: RequestId, reply: Reply) {
        let Some(Asked { op, about }) = self.asked.remove(&request) else {
            return;
        };
        self.timers.cancel(&Timer::Retry(request));
        for key in &about {
            self.busy.remove(&key.task);
        }
        match (op, reply) {
            (Op::Commit(_), Reply::Committed(verdicts)) => self.on_committed(&about, &verdicts),
            (Op::Requeue(_), Reply::Requeued(verdicts)) => self.on_requeued(&about, &verdicts),
            (Op::Adopt { incarnation, tasks }, reply) => {
                self.on_adopted(now, incarnation, &about, &tasks, reply);
            }
            (Op::Claim(claim), Reply::Claimed(claimed)) => {
                self.on_claimed(now, &claim, claimed);
            }
            (Op::GetFunction { id }, Reply::Function(function)) => self.on_function(id, function),
            (op, reply) => self.on_lease_reply(now, &op, reply),
        }
        for key in about {
            self.kick(key.task);
        }
    }

    /// An operation on a task has been answered: the next is chosen from what is believed now.
    fn kick(&mut self, task: TaskId) {
        let attempts = self.beliefs.range(all_attempts(task));
        for (key, belief) in attempts {
            self.wants.add(*key, &belief.place);
        }
    }

    /// All that is believed of a task's attempts.
    pub(super) fn attempts_of(&self, task: TaskId) -> impl Iterator<Item = (&TaskRef, &Belief)> {
        self.beliefs.range(all_attempts(task))
    }

    fn on_committed(&mut self, about: &[TaskRef], verdicts: &[Verdict]) {
        let mut acks: Vec<(WorkerKey, Session, Vec<TaskRef>)> = Vec::new();
        for (key, verdict) in about.iter().zip(verdicts) {
            match verdict {
                Verdict::Ok => self.counters.committed += 1,
                Verdict::Stale => self.counters.stale_commits += 1,
            }
            let Some(Place::Committing { .. }) = self.beliefs.get(key).map(|b| &b.place) else {
                continue;
            };
            let Some(belief) = self.forget(*key) else {
                continue;
            };
            if let Place::Committing {
                at: Some((worker, session)),
                ..
            } = belief.place
            {
                match acks
                    .iter_mut()
                    .find(|(w, s, _)| *w == worker && *s == session)
                {
                    Some((_, _, keys)) => keys.push(*key),
                    None => acks.push((worker, session, vec![*key])),
                }
            }
        }
        // Stale results are acknowledged all the same: nobody wants them any more (R2).
        for (worker, session, keys) in acks {
            if self
                .roster
                .get(&worker)
                .is_some_and(|seat| seat.session == session)
            {
                self.acknowledge(&worker, keys);
            }
        }
    }

    fn acknowledge(&mut self, worker: &WorkerKey, keys: Vec<TaskRef>) {
        if matches!(worker, WorkerKey::Native(_)) {
            self.send(worker, ToWorker::Ack(keys));
        }
    }

    /// Ok or stale: either way the attempt is no longer this dispatcher's (R3).
    fn on_requeued(&mut self, about: &[TaskRef], verdicts: &[Verdict]) {
        for (key, verdict) in about.iter().zip(verdicts) {
            self.counters.requeued += u64::from(*verdict == Verdict::Ok);
            if self
                .beliefs
                .get(key)
                .is_some_and(|b| matches!(b.place, Place::Requeuing(..)))
            {
                self.forget(*key);
            }
        }
    }

    fn on_adopted(
        &mut self,
        now: Instant,
        incarnation: Incarnation,
        about: &[TaskRef],
        adoptions: &[Adoption],
        reply: Reply,
    ) {
        let mine = incarnation == self.incarnation;
        match reply {
            Reply::Adopted(verdicts) => {
                for ((key, adoption), verdict) in about.iter().zip(adoptions).zip(verdicts) {
                    self.on_adoption(now, *key, adoption, verdict, mine);
                }
            }
            Reply::LeaseGone if mine => self.lease_gone(now),
            _ => {}
        }
    }

    fn on_adoption(
        &mut self,
        now: Instant,
        key: TaskRef,
        adoption: &Adoption,
        verdict: Verdict,
        mine: bool,
    ) {
        let adopted = verdict == Verdict::Ok && mine;
        let Some(belief) = self.beliefs.get_mut(&key) else {
            // Nobody waits for it any more, but it is this incarnation's now: back with it.
            if adopted {
                self.unbelieved(now, key, adoption.session);
            }
            return;
        };
        if adopted {
            belief.seat = adoption.session;
            belief.confirmed = true;
        }
        // Sessions count for each worker: two that list the same attempt may be in the same.
        let asked_for = matches!(
            &belief.place,
            Place::Adopting(worker, session)
                if *worker == adoption.worker && *session == adoption.session
        );
        if !asked_for || !mine {
            return;
        }
        let worker = adoption.worker.clone();
        match verdict {
            Verdict::Ok => {
                belief.since = now;
                self.counters.adopted += 1;
                self.moved(key, Place::At(worker, adoption.session));
            }
            Verdict::Stale => {
                self.counters.refused_adoptions += 1;
                self.forget(key);
                self.send(&worker, ToWorker::Drop(vec![key]));
            }
        }
    }

    /// Sends what the beliefs want, as far as there is room for more of that kind and no operation
    /// on the same task is under way. What is left waits; one that is busy asks again when the
    /// answer comes.
    pub(super) fn flush_wants(&mut self) {
        if !self.store_up {
            return;
        }
        let mut batches = Batches::default();
        if !self.wants.commits.is_empty() && self.has_room(Kind::Commit) {
            while let Some(key) = self.wants.commits.pop_first() {
                if !self.take(key, |belief| batches.commit(key, belief)) {
                    self.wants.commits.insert(key);
                    break;
                }
            }
        }
        if !self.wants.requeues.is_empty() && self.has_room(Kind::Requeue) {
            let owner = self.incarnation;
            while let Some(key) = self.wants.requeues.pop_first() {
                if !self.take(key, |belief| batches.requeue(key, belief, owner)) {
                    self.wants.requeues.insert(key);
                    break;
                }
            }
        }
        let adopts = self.lease.is_open() && !self.wants.adoptions.is_empty();
        if adopts && self.has_room(Kind::Adopt) {
            while let Some(key) = self.wants.adoptions.pop_first() {
                if !self.take(key, |belief| batches.adopt(key, belief)) {
                    self.wants.adoptions.insert(key);
                    break;
                }
            }
        }
        self.send_batches(batches);
    }

    fn has_room(&self, kind: Kind) -> bool {
        let same = |asked: &&Asked| Kind::of(&asked.op) == Some(kind);
        self.asked.values().filter(same).count() < self.config.batches_in_flight
    }

    /// Takes an attempt's operation into a batch, unless another on its task is under way. Says
    /// whether there was room.
    fn take(&mut self, key: TaskRef, batch: impl FnOnce(&mut Belief) -> bool) -> bool {
        if self.busy.contains(&key.task) {
            return true;
        }
        let Some(belief) = self.beliefs.get_mut(&key) else {
            return true;
        };
        let taken = batch(belief);
        if taken {
            self.busy.insert(key.task);
        }
        taken
    }

    fn send_batches(&mut self, batches: Batches) {
        if !batches.requeues.is_empty() {
            let (about, items) = batches.requeues.into_iter().unzip();
            self.ask(Op::Requeue(items), about);
        }
        if !batches.adoptions.is_empty() {
            let (about, tasks) = batches.adoptions.into_iter().unzip();
            self.ask(
                Op::Adopt {
                    incarnation: self.incarnation,
                    tasks,
                },
                about,
            );
        }
        if !batches.commits.is_empty() {
            let (about, items) = batches.commits.into_iter().unzip();
            self.ask(Op::Commit(items), about);
        }
    }
}

/// All attempts of a task, as a range of keys.
fn all_attempts(task: TaskId) -> std::ops::RangeInclusive<TaskRef> {
    let attempt = |attempt| TaskRef { task, attempt };
    attempt(0)..=attempt(u32::MAX)
}

impl Kind {
    const fn of(op: &Op) -> Option<Kind> {
        match op {
            Op::Commit(_) => Some(Kind::Commit),
            Op::Requeue(_) => Some(Kind::Requeue),
            Op::Adopt { .. } => Some(Kind::Adopt),
            _ => None,
        }
    }
}

impl Batches {
    fn commit(&mut self, key: TaskRef, belief: &Belief) -> bool {
        let Place::Committing { at, outcome } = &belief.place else {
            return false;
        };
        let bytes = outcome.size();
        let full = self.commits.len() >= BATCH_ITEMS || self.commit_bytes + bytes > BATCH_BYTES;
        if full && !self.commits.is_empty() {
            return false;
        }
        self.commit_bytes += bytes;
        let worker = at.as_ref().map(|(worker, _)| worker.clone());
        let TaskRef { task, attempt } = key;
        let outcome = outcome.clone();
        self.commits.push((
            key,
            Commit {
                task,
                attempt,
                worker,
                outcome,
            },
        ));
        true
    }

    fn requeue(&mut self, key: TaskRef, belief: &mut Belief, owner: Incarnation) -> bool {
        let Place::Requeuing(reason, worker) = &belief.place else {
            return false;
        };
        if self.requeues.len() >= BATCH_ITEMS {
            return false;
        }
        // From here on it may be QUEUED, whatever the answer will say.
        belief.confirmed = false;
        let (seat, reason, worker) = (belief.seat, *reason, worker.clone());
        let TaskRef { task, attempt } = key;
        self.requeues.push((
            key,
            Requeue {
                task,
                attempt,
                owner,
                seat,
                worker,
                reason,
            },
        ));
        true
    }

    fn adopt(&mut self, key: TaskRef, belief: &Belief) -> bool {
        let Place::Adopting(worker, session) = &belief.place else {
            return false;
        };
        if self.adoptions.len() >= BATCH_ITEMS {
            return false;
        }
        let TaskRef { task, attempt } = key;
        let (session, worker) = (*session, worker.clone());
        self.adoptions.push((
            key,
            Adoption {
                task,
                attempt,
                session,
                worker,
            },
        ));
        true
    }
}

impl Asked {
    /// Whether this is what was asked.
    pub(super) fn is(&self, op: &Op) -> bool {
        self.op == *op
    }

    /// The tasks it is about.
    pub(super) fn tasks(&self) -> impl Iterator<Item = TaskId> + '_ {
        self.about.iter().map(|key| key.task)
    }
}
