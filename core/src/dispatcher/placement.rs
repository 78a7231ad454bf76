//! From free credit to a running task: claim that many, fetch what is missing, place, run (R1).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::belief::Place;
use super::timer::Timer;
use super::{Dispatcher, Output};
use crate::id::{FunctionId, TaskId, WorkerKey};
use crate::store::Op;
use crate::store::op::{Claim, Claimed, EndReason};
use crate::task::{FailureKind, Function, Outcome};
use crate::time::Instant;
use crate::timing::{BATCH_BYTES, BATCH_ITEMS};
use crate::wire::json;
use crate::wire::message::{Run, TaskRef, ToWorker};

/// What is known of the queue.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Queue {
    /// The doorbell rang, or a poll is due, since the last claim was sent.
    rung: bool,
    /// The last claim's answer left nothing in the queue.
    exhausted: bool,
    /// The last claim brought as many tasks with a loss as it had places for, so that its answer
    /// does not tell whether more of them wait (R14).
    blind: bool,
    /// The number of the last claim sent.
    pub(super) number: u64,
    /// How many tasks the claim under way may bring.
    pub(super) expected: u32,
    /// Claimed tasks that wait for their function's body, and so hold credit back.
    pub(super) unplaced: u32,
}

impl Queue {
    /// Somebody says that there may be tasks.
    pub(super) fn ring(&mut self) {
        self.rung = true;
    }

    /// Whether the queue was found empty since this was last asked.
    pub(super) fn take_exhausted(&mut self) -> bool {
        std::mem::take(&mut self.exhausted)
    }

    /// A new incarnation: the answer to a claim of the old one will be thrown away, because its
    /// number is no longer the last (R1).
    pub(super) fn restart(&mut self) {
        *self = Queue {
            number: self.number + 1,
            ..Queue::default()
        };
    }
}

impl Dispatcher {
    /// Claims as many tasks as there is free credit for. Credit first, then the claim: nothing is
    /// taken that cannot run. While every worker has enough ahead it waits, so that one claim brings
    /// many.
    pub(super) fn claim_more(&mut self, now: Instant) {
        let reserved = u64::from(self.queue.unplaced);
        let free = self.roster.free_total().saturating_sub(reserved);
        let able = self.store_up && self.lease.is_open() && !self.is_draining();
        if !able || free == 0 || self.queue.expected > 0 || !self.roster.is_hungry() {
            return;
        }
        let suspects = self.roster.free_clean();
        if !self.queue.rung && (!self.queue.blind || suspects == 0) {
            self.timers.set_if_idle(Timer::Poll, now + self.config.poll);
            return;
        }
        self.timers.cancel(&Timer::Poll);
        self.queue.rung = false;
        self.queue.number += 1;
        let max = u32::try_from(free)
            .unwrap_or(u32::MAX)
            .min(self.config.claim_limit);
        self.queue.expected = max;
        let except = self.undecided();
        let claim = Claim {
            incarnation: self.incarnation,
            number: self.queue.number,
            max,
            suspects,
            except,
        };
        self.ask(Op::Claim(claim), Vec::new());
    }

    /// Tasks that may be in the queue although a result or a running attempt of them is known here.
    fn undecided(&self) -> Vec<TaskId> {
        let undecided = |place: &Place, confirmed: bool| match place {
            Place::Adopting(..) => true,
            Place::Committing { .. } => !confirmed,
            Place::Unplaced(_) | Place::At(..) | Place::Requeuing(..) => false,
        };
        let candidates = self
            .wants
            .commits
            .iter()
            .chain(&self.wants.adoptions)
            .map(|key| key.task)
            .chain(self.busy.iter().copied());
        let mut tasks: Vec<_> = candidates
            .filter(|task| {
                self.attempts_of(*task)
                    .any(|(_, belief)| undecided(&belief.place, belief.confirmed))
            })
            .collect();
        tasks.sort_unstable();
        tasks.dedup();
        tasks
    }

    pub(super) fn on_claimed(&mut self, now: Instant, claim: &Claim, claimed: Vec<Claimed>) {
        if claim.number != self.queue.number {
            return;
        }
        let suspects = claimed.iter().filter(|task| task.losses > 0).count();
        self.queue.blind = suspects >= claim.suspects as usize;
        // A full answer says that there may be more; another that the queue is empty, and then the
        // doorbell or a poll says when it is no longer.
        match claimed.len() >= self.queue.expected as usize {
            true => self.queue.rung = true,
            false => self.queue.exhausted = true,
        }
        self.queue.expected = 0;
        self.counters.claimed += claimed.len() as u64;
        for task in claimed {
            let key = TaskRef {
                task: task.task,
                attempt: task.attempt,
            };
            let (function, suspect) = (task.function, task.losses > 0);
            if self.beliefs.contains_key(&key) {
                continue;
            }
            self.believe(now, key, Place::Unplaced(task), suspect);
            if let Some(belief) = self.beliefs.get_mut(&key) {
                belief.confirmed = true;
            }
            self.queue.unplaced += 1;
            let waiters = self.fetching.entry(function).or_default();
            waiters.push(key);
            if waiters.len() == 1 && !self.functions.contains_key(&function) {
                self.ask(Op::GetFunction { id: function }, Vec::new());
            }
        }
    }

    pub(super) fn on_function(&mut self, id: FunctionId, function: Option<Function>) {
        match function {
            Some(function) => {
                if self.functions.insert(id, Arc::new(function)).is_none() {
                    self.function_order.push_back(id);
                }
            }
            None => self.fail_for_want_of(id),
        }
    }

    /// The function is no longer in the store: its tasks cannot run anywhere.
    fn fail_for_want_of(&mut self, id: FunctionId) {
        for key in self.fetching.remove(&id).unwrap_or_default() {
            if !self.is_unplaced(key) {
                continue;
            }
            let message = format!("function {id} is no longer in the store");
            let outcome = Outcome::failed(FailureKind::FunctionMissing, message);
            self.moved(key, Place::Committing { at: None, outcome });
        }
    }

    fn is_unplaced(&self, key: TaskRef) -> bool {
        self.beliefs
            .get(&key)
            .is_some_and(|belief| matches!(belief.place, Place::Unplaced(_)))
    }

    /// Places every claimed task whose function is here. What finds no credit goes back, uncharged.
    pub(super) fn place(&mut self, now: Instant) {
        if self.fetching.is_empty() {
            return;
        }
        let ready: Vec<FunctionId> = self
            .fetching
            .keys()
            .filter(|id| self.functions.contains_key(id))
            .copied()
            .collect();
        let mut waiting: Vec<TaskRef> = Vec::new();
        for id in ready {
            waiting.extend(self.fetching.remove(&id).unwrap_or_default());
        }
        // Those with a loss first: not every free worker may have them (R14).
        waiting.sort_by_key(|key| !self.beliefs.get(key).is_some_and(|belief| belief.suspect));
        let mut runs: BTreeMap<WorkerKey, Vec<(FunctionId, Run)>> = BTreeMap::new();
        for key in waiting {
            if let Some((worker, run)) = self.place_one(now, key) {
                runs.entry(worker).or_default().push((run.function, run));
            }
        }
        for (worker, batch) in runs {
            self.run(&worker, batch);
        }
        // Only now: what was just placed needed its function.
        while self.function_order.len() > self.config.function_limit {
            if let Some(oldest) = self.function_order.pop_front() {
                self.functions.remove(&oldest);
            }
        }
    }

    fn place_one(&mut self, now: Instant, key: TaskRef) -> Option<(WorkerKey, Run)> {
        let belief = self.beliefs.get_mut(&key)?;
        let Place::Unplaced(claimed) = &belief.place else {
            return None;
        };
        let run = Run {
            task: key,
            function: claimed.function,
            params: claimed.params.clone(),
            options: claimed.options,
        };
        belief.since = now;
        let best = self.roster.best(run.function, belief.suspect).cloned();
        let Some(worker) = best.filter(|_| !self.is_draining()) else {
            self.moved(key, Place::Requeuing(EndReason::NotPlaced, None));
            return None;
        };
        self.placements += 1;
        let used = self.placements;
        let session = self.roster.update(&worker, |seat| {
            seat.used = used;
            seat.asked &= !seat.peer.delimited;
            seat.session
        })?;
        self.moved(key, Place::At(worker.clone(), session));
        Some((worker, run))
    }

    /// Sends placed tasks, each function's body before its first task, in batches that fit a frame.
    fn run(&mut self, worker: &WorkerKey, batch: Vec<(FunctionId, Run)>) {
        if matches!(worker, WorkerKey::Legacy(_)) {
            return self.run_legacy(worker, batch);
        }
        let mut runs = Vec::new();
        let mut bytes = 0;
        for (id, run) in batch {
            let news = self
                .roster
                .touch(worker)
                .is_some_and(|seat| seat.known.insert(id));
            if news && let Some(function) = self.functions.get(&id).cloned() {
                self.send(worker, ToWorker::Function { id, function });
            }
            if !runs.is_empty()
                && (bytes + run.params.len() > BATCH_BYTES || runs.len() >= BATCH_ITEMS)
            {
                self.send(worker, ToWorker::Run(std::mem::take(&mut runs)));
                bytes = 0;
            }
            bytes += run.params.len();
            runs.push(run);
        }
        self.roster.update(worker, |seat| {
            seat.asked = false;
            // The worker forgets functions too; what it lost it says, so forgetting all is safe.
            if seat.known.len() > self.config.function_limit {
                seat.known.clear();
            }
        });
        self.send(worker, ToWorker::Run(runs));
    }

    /// An original's worker gets one task a message, with all it needs.
    fn run_legacy(&mut self, worker: &WorkerKey, batch: Vec<(FunctionId, Run)>) {
        for (id, run) in batch {
            let Some(function) = self.functions.get(&id) else {
                continue;
            };
            let message = json::ToWorker::Task {
                task: run.task.task,
                function: function.body.clone(),
                params: run.params,
            };
            self.send_legacy(worker, message);
        }
    }

    pub(super) fn send_legacy(&mut self, worker: &WorkerKey, message: json::ToWorker) {
        self.timers.cancel(&Timer::LegacyAnswer(worker.clone()));
        let peer = self.roster.update(worker, |seat| {
            seat.asked = false;
            seat.peer.clone()
        });
        if let Some(peer) = peer {
            self.outputs.push_back(Output::SendLegacy { peer, message });
        }
    }
}
