//! R4: a renewal also tells what is not its owner's any more. So a running task that a user has
//! cancelled is stopped in bounded time, and its process is free for others.

use std::collections::VecDeque;
use std::time::Duration;

use mpcsfaas_core::id::Session;
use mpcsfaas_core::task::FailureKind;
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::TaskRef;
use mpcsfaas_transport_sim::by_task::ByAttempt;
use mpcsfaas_transport_sim::history::{End, Row, Seen, What, WorkerState};
use mpcsfaas_transport_sim::place::Place;

use super::clean::Clean;
use super::each::Each;
use super::{Checker, Setting};

/// Waits for cancelled tasks to stop.
#[derive(Clone, Debug)]
pub(super) struct DisownedWorkStops {
    clean: Clean,
    patience: Duration,
    workers: Each<Welcome>,
    /// Where each attempt runs.
    running: ByAttempt<Place>,
    /// Cancelled while they ran, by time.
    cancelled: VecDeque<Cancelled>,
    premises: u64,
}

/// The session that a worker is in, with whom, and since when.
#[derive(Clone, Copy, Debug, Default)]
struct Welcome {
    session: Session,
    by: Option<(Place, Instant)>,
}

#[derive(Clone, Copy, Debug)]
struct Cancelled {
    at: Instant,
    task: TaskRef,
    worker: Place,
    dispatcher: Place,
    welcome_since: Instant,
}

impl DisownedWorkStops {
    pub(super) fn new(setting: &Setting) -> DisownedWorkStops {
        // A renewal that is under way may have missed it; the next one does not.
        let waiting = 2 * setting.renew + setting.store_retry + Duration::from_millis(500);
        DisownedWorkStops {
            clean: Clean::new(setting),
            patience: waiting + 8 * setting.latency,
            workers: Each::default(),
            running: ByAttempt::default(),
            cancelled: VecDeque::new(),
            premises: 0,
        }
    }

    fn see_worker(&mut self, at: Instant, state: &WorkerState) {
        let Place::Worker(index) = state.node else {
            return;
        };
        let welcome = self.workers.of(index);
        let now = state.dispatcher.filter(|_| state.welcome && !state.leaving);
        welcome.by = now.map(|dispatcher| match welcome.by {
            Some(before) if welcome.session == state.session && before.0 == dispatcher => before,
            Some(_) | None => (dispatcher, at),
        });
        welcome.session = state.session;
    }

    fn see_row(&mut self, at: Instant, row: &Row) {
        if row.outcome.and_then(|ended| ended.failure) != Some(FailureKind::Cancelled) {
            return;
        }
        let task = TaskRef {
            task: row.task,
            attempt: row.attempt,
        };
        let Some(&worker @ Place::Worker(index)) = self.running.get(&task) else {
            return;
        };
        if let Some((dispatcher, welcome_since)) = self.workers.of(index).by {
            self.cancelled.push_back(Cancelled {
                at,
                task,
                worker,
                dispatcher,
                welcome_since,
            });
        }
    }

    fn look(&mut self, now: Instant) -> Result<(), String> {
        while let Some(cancelled) = self.cancelled.front()
            && now > cancelled.at + self.patience
        {
            let free_from = self.clean.session_free_from(
                cancelled.worker,
                cancelled.dispatcher,
                cancelled.welcome_since,
            );
            let hindered = free_from > cancelled.at;
            if !hindered {
                self.premises += 1;
                if self.running.get(&cancelled.task) == Some(&cancelled.worker) {
                    return Err(format!(
                        "{} was cancelled at {:?}, and still runs at {}",
                        cancelled.task, cancelled.at, cancelled.worker
                    ));
                }
            }
            self.cancelled.pop_front();
        }
        Ok(())
    }
}

impl Checker for DisownedWorkStops {
    fn promise(&self) -> &'static str {
        "R4"
    }

    fn observe(&mut self, seen: &Seen) -> Result<(), String> {
        self.look(seen.at)?;
        match &seen.what {
            What::Worker(state) => self.see_worker(seen.at, state),
            What::Row(row) => self.see_row(seen.at, row),
            What::Started { at, task } => {
                self.running.insert(*task, *at);
            }
            What::Stopped { task, .. } => {
                self.running.remove(task);
            }
            What::Leaving { node, .. } | What::Ended { node, .. } => {
                if let Place::Worker(index) = node {
                    self.workers.of(*index).by = None;
                }
                self.cancelled.retain(|cancelled| cancelled.worker != *node);
                self.clean.observe(seen);
            }
            _ => self.clean.observe(seen),
        }
        Ok(())
    }

    fn finish(&mut self, end: &End) -> Result<(), String> {
        self.look(end.at)
    }

    fn premises(&self) -> u64 {
        self.premises
    }
}

#[cfg(test)]
mod tests {
    use mpcsfaas_transport_sim::plan::Trouble;

    use super::*;
    use crate::checkers::testing::*;

    fn cancelled(history: History) -> History {
        history
            .at(100_000)
            .row(running(attempt(7, 1)))
            .started(W0, attempt(7, 1))
            .at(101_000)
            .row(failed(attempt(7, 1), FailureKind::Cancelled))
    }

    fn welcomed() -> History {
        History::new().see(What::Worker(worker(W0)))
    }

    fn judge(history: History, end_at: u64) -> Result<u64, String> {
        history.judge_end(&mut DisownedWorkStops::new(&setting()), &end(end_at))
    }

    #[test]
    fn a_cancelled_task_that_stops_in_time_is_fine() {
        let history = cancelled(welcomed());
        assert_eq!(judge(history.clone(), 104_000), Ok(0));
        let stopped = history.at(105_000).stopped(W0, attempt(7, 1));
        assert_eq!(judge(stopped, 200_000), Ok(1));
    }

    #[test]
    fn a_cancelled_task_that_runs_on_is_named() {
        let verdict = judge(cancelled(welcomed()), 200_000);
        assert_broken(verdict, &[&attempt(7, 1).to_string(), "W0"]);
    }

    #[test]
    fn trouble_is_an_excuse() {
        let history = cancelled(welcomed());
        let cut = history.at(102_000).struck(W0, Trouble::Cut);
        assert_eq!(judge(cut, 200_000), Ok(0));
    }
}
