//! What is seen of a step, for the judges: rows that changed, workers that changed, lines that grew.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::store::Row as StoreRow;
use mpcsfaas_core::store::op::{Reply, Verdict};
use mpcsfaas_core::task::{FailureKind, Status};
use mpcsfaas_core::wire::message::TaskRef;

use crate::chain::Chain;
use crate::children::Slot;
use crate::history::{End, Ended, LineKind, Row, Seen, Waits, What, WorkerState};
use crate::marks::{name_of, name_of_bend};
use crate::node::Process;
use crate::place::Place;
use crate::plan::{Bend, Fault, Occasion, Plan, Trouble};
use crate::storage::Request;
use crate::world::World;

/// What was seen last, so that only changes are told.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    moved: Vec<usize>,
    workers: Vec<Option<WorkerState>>,
    /// The longest line of each kind so far: a longer one is told.
    longest: [usize; 6],
    grown: Vec<(LineKind, Place, usize, usize)>,
    /// The machine that moved last, for its own check.
    last: Option<Place>,
}

/// The most tasks and results that a worker holds: 128 waiting and one running a process, and
/// results that are not acknowledged are within its credit.
const HELD_A_PROCESS: usize = 129 + 1;

/// A worker that has just started may still be on its way in.
const SETTLED: Duration = Duration::from_secs(5);

/// The most messages under way on one connection; far below the high-water mark.
const MESSAGES: usize = 10_000;

impl Watch {
    pub(crate) fn new(plan: &Plan) -> Watch {
        Watch {
            moved: Vec::new(),
            workers: vec![None; plan.shape.workers.len()],
            longest: [0; 6],
            grown: Vec::new(),
            last: None,
        }
    }

    pub(crate) fn moved(&mut self, place: Place) {
        self.last = Some(place);
        if let Place::Worker(index) = place {
            self.moved.push(index);
        }
    }

    pub(crate) fn messages(&mut self, node: Place, length: usize) {
        self.line(LineKind::Messages, node, length, MESSAGES);
    }

    fn line(&mut self, kind: LineKind, node: Place, length: usize, limit: usize) {
        let longest = &mut self.longest[kind as usize];
        if length > *longest {
            *longest = length;
            self.grown.push((kind, node, length, limit));
        }
    }
}

impl World {
    /// Which machine moved in the last step.
    pub fn moved(&self) -> Option<Place> {
        self.watch.last
    }

    pub(crate) fn see(&mut self, what: What) {
        let at = self.now;
        self.seen.push(Seen { at, what });
    }

    pub(crate) fn struck(&mut self, fault: Fault) {
        if self.is_effective(&fault) {
            *self.marks.faults.entry(name_of(&fault)).or_default() += 1;
        }
        self.see(What::Struck(fault));
    }

    /// Whether there is somebody whom it strikes.
    fn is_effective(&self, fault: &Fault) -> bool {
        match (fault.what, fault.node) {
            (Trouble::Cut | Trouble::Clog(_), Place::Worker(index)) => {
                self.workers[index].pipe.is_some()
            }
            (_, Place::Worker(_) | Place::Dispatcher(_)) => self.node(fault.node).process.is_some(),
            (_, Place::Client | Place::Store) => true,
        }
    }

    pub(crate) fn twisted(&mut self, on: Occasion, bend: Bend) {
        *self.marks.bends.entry(name_of_bend(on, bend)).or_default() += 1;
        self.see(What::Twisted { on, bend });
    }

    /// Looks at what an operation of the store has changed, before anybody hears of it; also at
    /// rows that were changed behind its back.
    pub(crate) fn look_at_store(&mut self, mut tasks: BTreeSet<TaskId>) {
        tasks.append(&mut self.store.take_changes().tasks);
        for task in tasks {
            self.look_at_row(task);
        }
    }

    /// Looks at what the step has changed.
    pub(crate) fn look(&mut self) {
        for task in std::mem::take(&mut self.keyspace.touched) {
            self.look_at_raw_row(task);
        }
        for index in std::mem::take(&mut self.watch.moved) {
            self.look_at_worker(index);
        }
        for (kind, node, length, limit) in std::mem::take(&mut self.watch.grown) {
            self.see(What::Line {
                kind,
                node,
                length,
                limit,
            });
        }
    }

    fn look_at_row(&mut self, task: TaskId) {
        let Some(row) = self.store.task(task) else {
            return self.see(What::RowGone(task));
        };
        let seen = Row::of(task, row);
        let past = row.past.len();
        let result = row.outcome.as_ref().map_or(0, |outcome| outcome.size());
        self.count_row(&seen, task);
        let store = Place::Store;
        self.watch.line(
            LineKind::Past,
            store,
            past,
            mpcsfaas_core::store::op::PAST_LIMIT,
        );
        self.watch.line(
            LineKind::Result,
            store,
            result,
            mpcsfaas_core::timing::FRAME_LIMIT,
        );
        let (queued, limit) = (self.store.queued(), self.plan.shape.queue_limit);
        // What is given back is let in again, whatever the limit.
        let limit = (limit as usize).saturating_add(self.plan.submits.len());
        self.watch
            .line(LineKind::Queue, store, queued as usize, limit);
        if seen.status.is_terminal() {
            self.client.end(task);
        }
        self.see(What::Row(seen));
    }

    fn count_row(&mut self, row: &Row, task: TaskId) {
        let marks = &mut self.marks;
        match row.outcome.and_then(|ended| ended.failure) {
            Some(FailureKind::WorkerLost) => marks.worker_lost += 1,
            Some(FailureKind::Lost) => marks.lost += 1,
            Some(FailureKind::Timeout) => marks.timeouts += 1,
            Some(FailureKind::Exited | FailureKind::Killed) => marks.child_ends += 1,
            Some(FailureKind::ResultTooLarge) => marks.too_large += 1,
            _ => {}
        }
        let marked = |row: &StoreRow| row.marked && row.status == Status::Queued;
        if self.store.task(task).is_some_and(marked) {
            marks.losses += 1;
        }
    }

    fn look_at_raw_row(&mut self, task: TaskId) {
        let Some(row) = self.keyspace.rows.get(&task) else {
            return;
        };
        let ended = row.status.is_terminal();
        let seen = Row {
            task,
            status: row.status,
            attempt: 0,
            owner: None,
            seat: 0,
            losses: 0,
            marked: false,
            given_back: None,
            outcome: ended.then(|| Ended {
                digest: Chain::of(&(row.status, &row.result)),
                result_of: None,
                failure: (row.status == Status::Failed).then_some(FailureKind::Raised),
            }),
        };
        if ended {
            self.client.end(task);
        }
        self.see(What::Row(seen));
    }

    fn look_at_worker(&mut self, index: usize) {
        let Some(machine) = self.worker(index) else {
            self.watch.workers[index] = None;
            return;
        };
        let seat = &self.workers[index];
        let pipe = seat.pipe.and_then(|id| self.pipes.get(id));
        let count = |is: fn(&Slot) -> bool| seat.slots.iter().filter(|slot| is(slot)).count();
        let state = WorkerState {
            node: Place::Worker(index),
            id: machine.id(),
            session: machine.session(),
            welcome: machine.is_welcome(),
            dispatcher: pipe.map(|pipe| Place::Dispatcher(pipe.dispatcher)),
            held: machine.held(),
            running: count(|slot| slot.running.is_some()),
            credit: machine.credit(),
            ready: count(|slot| slot.ready) as u32,
            over_credit: machine.counters().over_credit > 0,
            leaving: machine.is_leaving_work(),
        };
        let limit = HELD_A_PROCESS * self.plan.shape.workers[index].processes as usize;
        self.watch
            .line(LineKind::Held, state.node, state.held, limit);
        if self.watch.workers[index].replace(state) != Some(state) {
            self.see(What::Worker(state));
        }
    }

    pub(crate) fn watch_claim(&mut self, dispatcher: usize, reply: &Reply) {
        if let Reply::Claimed(tasks) = reply {
            let node = Place::Dispatcher(dispatcher);
            self.watch.line(LineKind::Claim, node, tasks.len(), 256);
        }
    }

    /// Counts what the store refused.
    pub(crate) fn note_reply(&mut self, asked: &Request, reply: &Reply) {
        if let Reply::Requeued(verdicts) = reply {
            let stale = verdicts
                .iter()
                .filter(|verdict| **verdict == Verdict::Stale);
            self.marks.stale_requeues += stale.count() as u64;
        }
        if let mpcsfaas_core::store::Op::Claim(claim) = &asked.op {
            let last = &mut self.dispatchers[asked.dispatcher].last_claim;
            let repeat = *last == Some((claim.incarnation, claim.number));
            *last = Some((claim.incarnation, claim.number));
            self.marks.claims_repeated += u64::from(repeat);
        }
    }

    /// A late copy of a request was served. What was written since `from` is only changed if it
    /// was not the same before.
    pub(crate) fn see_served_again(
        &mut self,
        dispatcher: usize,
        before: &BTreeMap<TaskId, StoreRow>,
        from: usize,
    ) {
        let written = self.seen[from..].iter().filter_map(|seen| match seen.what {
            What::Row(row) => Some(row.task),
            What::RowGone(task) => Some(task),
            _ => None,
        });
        let changed = written
            .filter(|task| self.store.task(*task) != before.get(task))
            .collect();
        let of = Place::Dispatcher(dispatcher);
        self.see(What::ServedAgain { of, changed });
    }

    /// Which live workers a dispatcher has just given up.
    pub(crate) fn see_deaths(&mut self, dispatcher: usize) {
        let Some(machine) = self.dispatcher(dispatcher) else {
            return;
        };
        let listed: BTreeSet<_> = machine
            .workers()
            .map(|(worker, session)| (worker.clone(), session))
            .collect();
        let by = Place::Dispatcher(dispatcher);
        for index in 0..self.workers.len() {
            let Some(worker) = self.worker(index).filter(|worker| worker.is_welcome()) else {
                continue;
            };
            let seat = &self.workers[index];
            let pipe = seat.pipe.and_then(|id| self.pipes.get(id));
            let here = pipe.is_some_and(|pipe| pipe.dispatcher == dispatcher && pipe.known);
            if here && !listed.contains(&(worker.id().into(), worker.session())) {
                let worker = Place::Worker(index);
                self.see(What::DeclaredDead { by, worker });
            }
        }
    }

    /// A node is about to learn that it should leave.
    pub(crate) fn see_leaving(&mut self, node: Place) {
        let unstarted: Vec<TaskRef> = match node {
            Place::Worker(index) => self
                .worker(index)
                .map(|machine| machine.waiting().collect())
                .unwrap_or_default(),
            Place::Client | Place::Store | Place::Dispatcher(_) => Vec::new(),
        };
        self.marks.handed_back += u64::from(!unstarted.is_empty());
        self.see(What::Leaving { node, unstarted });
    }

    /// A life is over: what it has seen is counted.
    pub(crate) fn count_life(&mut self, place: Place) {
        match &self.node(place).process {
            Some(Process::Dispatcher(bugged)) => {
                let counters = bugged.machine.counters();
                self.marks.add_dispatcher(counters);
            }
            Some(Process::Worker(bugged)) => {
                let counters = bugged.machine.counters();
                self.marks.add_worker(counters);
            }
            Some(Process::Guest(_)) | None => {}
        }
    }

    /// The end of a run, with the reason why each task that has not ended still waits.
    pub fn end_run(&mut self, done_at: Option<mpcsfaas_core::time::Instant>) -> End {
        for index in 0..self.dispatchers.len() {
            self.count_life(Place::Dispatcher(index));
        }
        for index in 0..self.workers.len() {
            self.count_life(Place::Worker(index));
        }
        End {
            at: self.now,
            healed_at: self.plan.heal_at,
            done_at,
            waits: self.waits(),
            outside: self.outside(),
        }
    }

    /// Live workers that are in no dispatcher's roster with their present session, although they
    /// have had the time.
    fn outside(&self) -> Vec<Place> {
        let rosters: BTreeSet<_> = (0..self.dispatchers.len())
            .filter_map(|index| self.dispatcher(index))
            .flat_map(|dispatcher| dispatcher.workers())
            .map(|(worker, session)| (worker.clone(), session))
            .collect();
        let is_outside = |index: &usize| {
            self.worker(*index).is_some_and(|worker| {
                let seated = rosters.contains(&(worker.id().into(), worker.session()));
                let settled = self.now.since(self.workers[*index].node.since) > SETTLED;
                settled && (!worker.is_welcome() || !seated)
            })
        };
        (0..self.workers.len())
            .filter(is_outside)
            .map(Place::Worker)
            .collect()
    }

    fn waits(&self) -> Vec<(TaskId, Waits)> {
        let mut waits: Vec<(TaskId, Waits)> = self
            .client
            .unanswered()
            .map(|index| (self.plan.submits[index].task, Waits::ForAnAnswer))
            .collect();
        for (task, row) in self
            .store
            .tasks()
            .filter(|(_, row)| !row.status.is_terminal())
        {
            waits.push((task, self.why(task, row)));
        }
        for (task, row) in &self.keyspace.rows {
            if !row.status.is_terminal() {
                waits.push((*task, Waits::ForGood));
            }
        }
        waits
    }

    fn why(&self, task: TaskId, row: &StoreRow) -> Waits {
        let up =
            |index: &usize| self.dispatcher(*index).is_some() && self.dispatchers[*index].store.up;
        let dispatchers = || (0..self.dispatchers.len()).filter(up);
        let Some(holder) = row
            .holder
            .as_ref()
            .filter(|_| row.status == Status::Running)
        else {
            let reports = || {
                dispatchers()
                    .filter_map(|index| self.dispatcher(index))
                    .map(|d| d.report())
            };
            return match () {
                () if dispatchers().next().is_none() => Waits::ForADispatcher,
                () if reports().all(|report| report.workers == 0) => Waits::ForAWorker,
                () if reports().all(|report| report.free == 0) => Waits::ForCredit,
                () => Waits::ForNobodyKnowsWhat,
            };
        };
        let owner = holder.dispatcher;
        let Some(dispatcher) = dispatchers()
            .filter_map(|index| self.dispatcher(index))
            .find(|dispatcher| dispatcher.incarnation() == owner)
        else {
            return Waits::ForAReaper(owner);
        };
        let key = TaskRef {
            task,
            attempt: row.attempt,
        };
        let runs = |index: &usize| {
            let slots = &self.workers[*index].slots;
            slots.iter().any(|slot| slot.running == Some(key))
        };
        match (0..self.workers.len()).find(runs) {
            Some(index) => Waits::ForAWorkersEnd(Place::Worker(index)),
            None if dispatcher
                .believed()
                .any(|known| known == (task, row.attempt)) =>
            {
                Waits::OnItsWay(owner)
            }
            None => Waits::ForItsOwner(owner),
        }
    }
}
