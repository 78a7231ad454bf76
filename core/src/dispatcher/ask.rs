//! Requests to the store: batched, repeated until answered, one operation a task (R6a, R13).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::belief::{Belief, Place};
use super::timer::Timer;
use super::{Dispatcher, Output};
use crate::id::{Incarnation, Session, TaskId, WorkerKey};
use crate::store::op::{Adoption, Claim, Commit, Reply, Requeue, Verdict};
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

/// Operations of one kind, gathered for one go.
struct Batch<T> {
    about: Vec<TaskRef>,
    items: Vec<T>,
    bytes: usize,
}

impl Dispatcher {
    /// Sends a request and keeps it until it is answered. The tasks that it is about are busy already.
    pub(super) fn ask(&mut self, op: Op, about: Vec<TaskRef>) {
        let request = self.next_request;
        self.next_request += 1;
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
        self.queue.look();
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
        // An answer that does not fit decides nothing.
        let mut decided = match &reply {
            Reply::Committed(verdicts) | Reply::Requeued(verdicts) | Reply::Adopted(verdicts) => {
                verdicts.len() == about.len()
            }
            _ => false,
        };
        match (op, reply) {
            (Op::Commit(_), Reply::Committed(verdicts)) => self.on_committed(&about, &verdicts),
            (Op::Requeue(_), Reply::Requeued(verdicts)) => self.on_requeued(&about, &verdicts),
            (Op::Adopt { incarnation, tasks }, reply) => {
                decided &= matches!(reply, Reply::Adopted(_));
                self.on_adopted(now, incarnation, &about, &tasks, reply);
            }
            (Op::Claim(claim), Reply::Claimed(claimed)) => {
                self.on_claimed(now, &claim, claimed);
            }
            (Op::GetFunction { id }, Reply::Function(function)) => self.on_function(id, function),
            (op, reply) => {
                decided = false;
                self.on_lease_reply(now, &op, reply);
            }
        }
        for key in about {
            if self.wants.take_held_back(key.task) || !decided {
                self.kick(key.task);
            }
        }
    }

    /// An operation on a task has been answered: the next is chosen from what is believed now.
    fn kick(&mut self, task: TaskId) {
        for (key, belief) in attempts_of(&self.beliefs, task) {
            self.wants.add(*key, &belief.place);
        }
    }

    /// All that is believed of a task's attempts.
    pub(super) fn attempts_of(&self, task: TaskId) -> impl Iterator<Item = (&TaskRef, &Belief)> {
        attempts_of(&self.beliefs, task)
    }

    fn on_committed(&mut self, about: &[TaskRef], verdicts: &[Verdict]) {
        // For each worker at once: each change of a seat moves it in the index.
        let mut ended: BTreeMap<(WorkerKey, Session), Vec<(TaskRef, bool)>> = BTreeMap::new();
        for (key, verdict) in about.iter().zip(verdicts) {
            match verdict {
                Verdict::Ok => self.counters.committed += 1,
                Verdict::Stale => self.counters.stale_commits += 1,
            }
            let Entry::Occupied(entry) = self.beliefs.entry(*key) else {
                continue;
            };
            if !matches!(entry.get().place, Place::Committing { .. }) {
                continue;
            }
            let Belief { place, suspect, .. } = entry.remove();
            self.wants.remove(*key, &place);
            self.wants.decide(*key, false);
            if let Place::Committing { at: Some(at), .. } = place {
                ended.entry(at).or_default().push((*key, suspect));
            }
        }
        // Stale results are acknowledged all the same: nobody wants them any more (R2).
        for ((worker, session), tasks) in ended {
            let seated = self.roster.update(&worker, |seat| {
                for (key, suspect) in &tasks {
                    seat.release(key, *suspect);
                }
                seat.session
            });
            if seated == Some(session) {
                self.acknowledge(&worker, tasks.into_iter().map(|(key, _)| key).collect());
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
            self.wants.decide(key, belief.is_undecided());
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
        while self.has_room(Kind::Requeue, self.wants.requeues.len()) && self.send_requeues() {}
        let adopts = self.lease.is_open();
        while adopts
            && self.has_room(Kind::Adopt, self.wants.adoptions.len())
            && self.send_adoptions()
        {}
        while self.has_room(Kind::Commit, self.wants.commits.len()) && self.send_commits() {}
    }

    /// Whether those that wait are to be sent now. While a batch is on its way, only a full one
    /// follows: what comes meanwhile goes together, unless it is so much that the store has not
    /// enough to do.
    fn has_room(&self, kind: Kind, waiting: usize) -> bool {
        if waiting == 0 {
            return false;
        }
        let same = |asked: &&Asked| Kind::of(&asked.op) == Some(kind);
        match self.asked.values().filter(same).count() {
            0 => true,
            under_way => waiting >= BATCH_ITEMS && under_way < self.config.batches_in_flight,
        }
    }

    fn send_requeues(&mut self) -> bool {
        let owner = self.incarnation;
        let mut batch = Batch::default();
        while let Some(key) = self.wants.requeues.pop_first() {
            if !self.take(key, |belief| batch.requeue(key, belief, owner)) {
                self.wants.requeues.insert(key);
                break;
            }
        }
        batch.ask(self, Op::Requeue)
    }

    fn send_adoptions(&mut self) -> bool {
        let incarnation = self.incarnation;
        let mut batch = Batch::default();
        while let Some(key) = self.wants.adoptions.pop_first() {
            if !self.take(key, |belief| batch.adopt(key, belief)) {
                self.wants.adoptions.insert(key);
                break;
            }
        }
        batch.ask(self, |tasks| Op::Adopt { incarnation, tasks })
    }

    fn send_commits(&mut self) -> bool {
        let mut batch = Batch::default();
        while let Some(key) = self.wants.commits.pop_first() {
            if !self.take(key, |belief| batch.commit(key, belief)) {
                self.wants.commits.insert(key);
                break;
            }
        }
        batch.ask(self, Op::Commit)
    }

    /// Takes an attempt's operation into a batch, unless another on its task is under way. Says
    /// whether there was room.
    fn take(&mut self, key: TaskRef, batch: impl FnOnce(&mut Belief) -> bool) -> bool {
        let Some(belief) = self.beliefs.get_mut(&key) else {
            return true;
        };
        if !self.busy.insert(key.task) {
            self.wants.held_back.insert(key.task);
            return true;
        }
        let taken = batch(belief);
        if !taken {
            self.busy.remove(&key.task);
        }
        taken
    }
}

/// All that is believed of a task's attempts.
fn attempts_of(
    beliefs: &BTreeMap<TaskRef, Belief>,
    task: TaskId,
) -> impl Iterator<Item = (&TaskRef, &Belief)> {
    let first = TaskRef { task, attempt: 0 };
    // To search for the end as well would take as long again.
    beliefs
        .range(first..)
        .take_while(move |(key, _)| key.task == task)
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

impl<T> Default for Batch<T> {
    fn default() -> Batch<T> {
        Batch {
            about: Vec::new(),
            items: Vec::new(),
            bytes: 0,
        }
    }
}

impl<T> Batch<T> {
    /// Whether so many bytes more are too many. One item always fits.
    fn is_full(&self, bytes: usize) -> bool {
        let full = self.items.len() >= BATCH_ITEMS || self.bytes + bytes > BATCH_BYTES;
        full && !self.items.is_empty()
    }

    fn push(&mut self, key: TaskRef, item: T, bytes: usize) {
        self.about.push(key);
        self.items.push(item);
        self.bytes += bytes;
    }

    /// Asks for what was gathered. Says whether that is anything.
    fn ask(self, dispatcher: &mut Dispatcher, op: impl FnOnce(Vec<T>) -> Op) -> bool {
        if self.items.is_empty() {
            return false;
        }
        dispatcher.ask(op(self.items), self.about);
        true
    }
}

impl Batch<Commit> {
    fn commit(&mut self, key: TaskRef, belief: &Belief) -> bool {
        let Place::Committing { at, outcome } = &belief.place else {
            return false;
        };
        let bytes = outcome.size();
        if self.is_full(bytes) {
            return false;
        }
        let TaskRef { task, attempt } = key;
        let commit = Commit {
            task,
            attempt,
            worker: at.as_ref().map(|(worker, _)| worker.clone()),
            outcome: outcome.clone(),
        };
        self.push(key, commit, bytes);
        true
    }
}

impl Batch<Requeue> {
    fn requeue(&mut self, key: TaskRef, belief: &mut Belief, owner: Incarnation) -> bool {
        let Place::Requeuing(reason, worker) = &belief.place else {
            return false;
        };
        if self.is_full(0) {
            return false;
        }
        // From here on it may be QUEUED, whatever the answer will say.
        belief.confirmed = false;
        let (seat, reason, worker) = (belief.seat, *reason, worker.clone());
        let TaskRef { task, attempt } = key;
        let requeue = Requeue {
            task,
            attempt,
            owner,
            seat,
            worker,
            reason,
        };
        self.push(key, requeue, 0);
        true
    }
}

impl Batch<Adoption> {
    fn adopt(&mut self, key: TaskRef, belief: &Belief) -> bool {
        let Place::Adopting(worker, session) = &belief.place else {
            return false;
        };
        if self.is_full(0) {
            return false;
        }
        let TaskRef { task, attempt } = key;
        let adoption = Adoption {
            task,
            attempt,
            session: *session,
            worker: worker.clone(),
        };
        self.push(key, adoption, 0);
        true
    }
}

impl Asked {
    /// Whether this is what was asked.
    pub(super) fn is(&self, op: &Op) -> bool {
        self.op == *op
    }

    /// The claim, if it is one.
    pub(super) fn claim(&self) -> Option<&Claim> {
        match &self.op {
            Op::Claim(claim) => Some(claim),
            _ => None,
        }
    }

    /// The tasks it is about.
    pub(super) fn tasks(&self) -> impl Iterator<Item = TaskId> + '_ {
        self.about.iter().map(|key| key.task)
    }
}
