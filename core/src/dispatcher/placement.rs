//! From a claimed task to a running one: fetch the function if it is missing, place, run (R1, R14).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::belief::Place;
use super::roster::Seat;
use super::timer::Timer;
use super::{Dispatcher, Output};
use crate::id::{FunctionId, WorkerKey};
use crate::store::op::EndReason;
use crate::task::{FailureKind, Function, Outcome};
use crate::time::Instant;
use crate::timing::{BATCH_BYTES, BATCH_ITEMS};
use crate::wire::json;
use crate::wire::message::{Run, TaskRef, ToWorker};

/// What decides where a task may go.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Kind {
    function: FunctionId,
    suspect: bool,
}

impl Dispatcher {
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
        let from_long_queue = self.queue.take_long();
        let mut waiting = self.take_ready().into_iter().peekable();
        let mut runs: BTreeMap<WorkerKey, Vec<(FunctionId, Run)>> = BTreeMap::new();
        let mut keys = Vec::new();
        while let Some((key, kind)) = waiting.next() {
            let best = self.roster.best(kind.function, kind.suspect).cloned();
            let Some(worker) = best.filter(|_| !self.is_draining()) else {
                self.moved(key, Place::Requeuing(EndReason::NotPlaced, None));
                continue;
            };
            keys.clear();
            keys.push(key);
            if from_long_queue && !kind.suspect {
                let most = self.roster.get(&worker).map_or(0, Seat::at_a_time);
                while keys.len() < most
                    && let Some((key, _)) = waiting.next_if(|(_, next)| *next == kind)
                {
                    keys.push(key);
                }
            }
            let runs = runs.entry(worker.clone()).or_default();
            self.place_at(now, &worker, kind, &keys, runs);
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

    /// The claimed tasks whose function is here. Those with a loss come first: not every free worker may
    /// have them (R14).
    fn take_ready(&mut self) -> Vec<(TaskRef, Kind)> {
        let here = |id: &&FunctionId| self.functions.contains_key(id);
        let ready: Vec<FunctionId> = self.fetching.keys().filter(here).copied().collect();
        let (mut suspects, mut others) = (Vec::new(), Vec::new());
        for function in ready {
            for key in self.fetching.remove(&function).unwrap_or_default() {
                let belief = self.beliefs.get(&key);
                // A worker's word may have moved it meanwhile.
                if let Some(belief) = belief.filter(|b| matches!(b.place, Place::Unplaced(_))) {
                    let suspect = belief.suspect;
                    let kind = Kind { function, suspect };
                    match suspect {
                        true => suspects.push((key, kind)),
                        false => others.push((key, kind)),
                    }
                }
            }
        }
        suspects.append(&mut others);
        suspects
    }

    /// Places unplaced tasks of a kind at a worker, and adds what it is to run.
    fn place_at(
        &mut self,
        now: Instant,
        worker: &WorkerKey,
        kind: Kind,
        keys: &[TaskRef],
        runs: &mut Vec<(FunctionId, Run)>,
    ) {
        let Kind { function, suspect } = kind;
        self.placements += 1;
        let used = self.placements;
        // All at once: each change of a seat moves it in the index.
        let session = self.roster.update(worker, |seat| {
            seat.used = used;
            seat.asked &= !seat.peer.delimited;
            for key in keys {
                seat.hold(*key, suspect);
            }
            seat.session
        });
        for &task in keys {
            let Some((session, belief)) = session.zip(self.beliefs.get_mut(&task)) else {
                continue;
            };
            belief.since = now;
            let place = Place::At(worker.clone(), session);
            let Place::Unplaced(claimed) = std::mem::replace(&mut belief.place, place) else {
                continue;
            };
            self.queue.unplaced -= 1;
            let run = Run {
                task,
                function,
                params: claimed.params,
                options: claimed.options,
            };
            runs.push((function, run));
        }
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
            seat.asked &= seat.free() > 0;
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
