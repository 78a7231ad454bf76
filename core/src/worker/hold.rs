//! Tasks and results that the worker holds: Run, Ack, Drop, and the functions they need (R1a, R7).

use std::sync::Arc;

use super::Worker;
use super::child::SlotId;
use crate::id::FunctionId;
use crate::task::{Function, Options, Outcome};
use crate::time::Instant;
use crate::wire::message::{Run, TaskRef, ToDispatcher};

/// So many results are told without waiting for more.
const RESULTS_TOLD: usize = 64;

/// Results of so many bytes are told without waiting for more.
const BYTES_TOLD: usize = 64 << 10;

/// Results that have not been told in the present session.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Untold {
    pub(super) tasks: Vec<TaskRef>,
    pub(super) bytes: usize,
    /// When they are told at the latest.
    pub(super) due: Option<Instant>,
}

/// Where a held task is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Held {
    /// It waits for a process.
    Waiting {
        /// Since then.
        since: Instant,
        /// What to run.
        run: Run,
        /// Its body, held here so that the cache may forget it meanwhile.
        function: Arc<Function>,
        /// Whether a process has died before it began this task, which was next.
        spared: bool,
    },
    /// It runs, or is in the pipe of a process.
    Running {
        /// In this process.
        slot: SlotId,
        /// How.
        options: Options,
    },
    /// It ended; the result waits for its Ack.
    Finished(Outcome),
}

impl Worker {
    pub(super) fn on_run(&mut self, now: Instant, tasks: Vec<Run>) {
        self.pull_sent = false;
        let mut returned = Vec::new();
        let mut missing = Vec::new();
        for run in tasks {
            if self.held.contains_key(&run.task) {
                continue;
            }
            if self.is_draining() {
                returned.push(run.task);
            } else if let Some(function) = self.functions.get(&run.function) {
                if self.held.len() >= self.ceiling as usize {
                    self.counters.over_credit += 1;
                }
                let function = function.clone();
                self.waiting.push_back(run.task);
                self.held.insert(
                    run.task,
                    Held::Waiting {
                        since: now,
                        run,
                        function,
                        spared: false,
                    },
                );
            } else {
                returned.push(run.task);
                missing.push(run.function);
            }
        }
        if !returned.is_empty() {
            self.send(ToDispatcher::Returned {
                tasks: returned,
                missing,
            });
        }
        self.start_waiting(now);
        self.ask_for_work();
    }

    pub(super) fn on_ack(&mut self, tasks: Vec<TaskRef>) {
        for task in tasks {
            if matches!(self.held.get(&task), Some(Held::Finished(_))) {
                self.held.remove(&task);
            }
        }
        self.ask_for_work();
    }

    pub(super) fn on_drop(&mut self, now: Instant, tasks: Vec<TaskRef>) {
        for task in tasks {
            match self.held.remove(&task) {
                Some(Held::Running { slot, .. }) => {
                    self.counters.dropped += 1;
                    self.drop_in_slot(now, slot, task);
                }
                Some(Held::Waiting { .. }) => self.waiting.retain(|waiting| *waiting != task),
                Some(Held::Finished(_)) | None => {}
            }
        }
        self.start_waiting(now);
        self.ask_for_work();
    }

    /// Keeps the result of a task that ran here, cut to what a frame can carry, and tells the dispatcher.
    pub(super) fn finish(&mut self, task: TaskRef, outcome: Outcome) {
        let outcome = outcome.limited();
        self.untold.tasks.push(task);
        self.untold.bytes += outcome.size();
        self.held.insert(task, Held::Finished(outcome));
    }

    /// Tells the results that have not been told, if it is time: at once unless a task runs and
    /// another waits, because else the next result may be far. Then a little later, many in one
    /// message.
    pub(super) fn tell_results(&mut self, now: Instant) {
        if self.untold.tasks.is_empty() {
            return;
        }
        let full = self.untold.tasks.len() >= RESULTS_TOLD || self.untold.bytes >= BYTES_TOLD;
        let due = *self
            .untold
            .due
            .get_or_insert(now + self.config.result_delay);
        if full || now >= due || !self.is_pressed() || self.is_draining() {
            let Untold { tasks, .. } = std::mem::take(&mut self.untold);
            self.send_results(&tasks);
        }
    }

    /// Whether a process is busy and more waits for it.
    fn is_pressed(&self) -> bool {
        self.has_company() || (!self.waiting.is_empty() && self.is_any_busy())
    }

    /// Hands back everything that has not started, because the dispatcher is leaving or because no
    /// child can be started.
    pub(super) fn hand_back_waiting(&mut self) {
        let tasks = self.take_waiting();
        if !tasks.is_empty() {
            self.send(ToDispatcher::Returned {
                tasks,
                missing: Vec::new(),
            });
        }
    }

    pub(super) fn take_waiting(&mut self) -> Vec<TaskRef> {
        let tasks: Vec<TaskRef> = self.waiting.drain(..).collect();
        for task in &tasks {
            self.held.remove(task);
        }
        tasks
    }

    pub(super) fn keep_function(&mut self, id: FunctionId, function: Arc<Function>) {
        if self.functions.insert(id, function).is_none() {
            self.function_order.push_back(id);
        }
        if self.function_order.len() > self.config.function_limit
            && let Some(oldest) = self.function_order.pop_front()
        {
            self.functions.remove(&oldest);
            self.paces.remove(&oldest);
        }
    }
}
