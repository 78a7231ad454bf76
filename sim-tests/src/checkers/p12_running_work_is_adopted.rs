//! P12: what a worker still runs when its dispatcher restarts is adopted, not run again, if its
//! Hello comes before the lease ends.
//!
//! Judged when another attempt starts while one that was given up still runs, or was dropped as
//! nobody's. A crash of one dispatcher is what the promise is about; two in a row, or any other trouble of the worker, a
//! dispatcher or the store shortly before, are excuses.

use std::collections::BTreeMap;
use std::time::Duration;

use mpcsfaas_core::id::{Attempt, Session, TaskId};
use mpcsfaas_core::task::Status;
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::TaskRef;
use mpcsfaas_transport_sim::history::{Row, Seen, What, WorkerState};
use mpcsfaas_transport_sim::place::Place;
use mpcsfaas_transport_sim::plan::{Fault, Trouble};

use super::clean::Clean;
use super::each::Each;
use super::{Checker, Setting};

/// Remembers what runs where, and how workers fared when a dispatcher crashed.
#[derive(Clone, Debug)]
pub(super) struct RunningWorkIsAdopted {
    clean: Clean,
    settling: Duration,
    /// A worker that is welcome again so long after the crash is in time.
    in_time: Duration,
    /// How long after a crash tasks may be given back because of it.
    aftermath: Duration,
    workers: Each<Host>,
    dispatchers: Each<Life>,
    running: BTreeMap<TaskId, Vec<Run>>,
    crashes: Vec<Instant>,
    premises: u64,
}

/// An attempt that runs, or ran until it was killed.
#[derive(Clone, Copy, Debug)]
struct Run {
    attempt: Attempt,
    worker: usize,
    /// Since when the store does not count it as running any more, or its worker has dropped it.
    given_up: Option<Instant>,
    killed: bool,
}

/// What is known of a worker.
#[derive(Clone, Copy, Debug, Default)]
struct Host {
    session: Session,
    dispatcher: Option<Place>,
    leaving: bool,
    welcome_since: Option<Instant>,
    lost: Option<Lost>,
}

/// How a worker lost its dispatcher.
#[derive(Clone, Copy, Debug)]
struct Lost {
    at: Instant,
    session: Session,
    /// When it was welcome again, there or elsewhere.
    regained: Option<Instant>,
}

/// What is known of a dispatcher.
#[derive(Clone, Copy, Debug, Default)]
struct Life {
    crashed: bool,
    /// When it was there again after a crash.
    back: Option<Instant>,
}

impl RunningWorkIsAdopted {
    pub(super) fn new(setting: &Setting) -> RunningWorkIsAdopted {
        // The lease was renewed up to `renew` before the crash; adopting takes a moment.
        let late = setting.renew + Duration::from_secs(1) + 8 * setting.latency;
        RunningWorkIsAdopted {
            clean: Clean::new(setting),
            settling: setting.settling() + setting.renew,
            in_time: setting.lease.saturating_sub(late),
            aftermath: 2 * setting.lease + 2 * setting.renew,
            workers: Each::default(),
            dispatchers: Each::default(),
            running: BTreeMap::new(),
            crashes: Vec::new(),
            premises: 0,
        }
    }

    fn see_worker(&mut self, at: Instant, state: &WorkerState) {
        let Place::Worker(index) = state.node else {
            return;
        };
        let host = self.workers.of(index);
        host.leaving = state.leaving;
        let same = (host.session, host.dispatcher) == (state.session, state.dispatcher);
        (host.session, host.dispatcher) = (state.session, state.dispatcher);
        host.welcome_since = match state.welcome {
            true => host.welcome_since.filter(|_| same).or(Some(at)),
            false => None,
        };
        if let Some(lost) = &mut host.lost
            && lost.regained.is_none()
            && state.welcome
            && state.session > lost.session
        {
            lost.regained = Some(at);
            let in_time = at <= lost.at + self.in_time;
            self.premises += u64::from(in_time && state.running > 0);
        }
    }

    fn see_row(&mut self, at: Instant, row: &Row) {
        if row.status.is_terminal() {
            self.running.remove(&row.task);
        }
        let Some(runs) = self.running.get_mut(&row.task) else {
            return;
        };
        for run in runs {
            if row.attempt > run.attempt || row.status == Status::Queued {
                run.given_up = run.given_up.or(Some(at));
            } else if row.attempt == run.attempt && !run.killed {
                run.given_up = None;
            }
        }
    }

    fn start(&mut self, worker: Place, task: TaskRef) -> Result<(), String> {
        let Place::Worker(index) = worker else {
            return Ok(());
        };
        for run in self.running.get(&task.task).into_iter().flatten() {
            if run.attempt < task.attempt
                && let Some(given_up) = run.given_up
                && self.had_to_be_kept(run.worker, given_up)
            {
                return Err(format!(
                    "{task} started at {worker} although attempt {} ran at W{} until {given_up:?}",
                    run.attempt, run.worker
                ));
            }
        }
        self.running.entry(task.task).or_default().push(Run {
            attempt: task.attempt,
            worker: index,
            given_up: None,
            killed: false,
        });
        Ok(())
    }

    fn stop(&mut self, at: Instant, task: TaskRef, by_itself: bool) {
        let Some(runs) = self.running.get_mut(&task.task) else {
            return;
        };
        runs.retain(|run| run.attempt != task.attempt || !by_itself);
        for run in runs.iter_mut().filter(|run| run.attempt == task.attempt) {
            run.given_up = run.given_up.or(Some(at));
            run.killed = true;
        }
    }

    /// Whether a task that ran at a worker could have been adopted before it was given up.
    fn had_to_be_kept(&self, worker: usize, given_up: Instant) -> bool {
        let Some(host) = self.workers.get(worker).filter(|host| !host.leaving) else {
            return false;
        };
        let trouble = self
            .clean
            .trouble_until(Place::Worker(worker))
            .max(self.clean.dispatchers_until());
        if trouble + self.settling > given_up {
            return false;
        }
        let recent = |at: &&Instant| **at <= given_up && **at + self.aftermath >= given_up;
        let mut crashes = self.crashes.iter().filter(recent);
        match (crashes.next(), crashes.next()) {
            (_, Some(_)) => false,
            (Some(crash), None) if host.lost.is_some_and(|lost| lost.at == *crash) => host
                .lost
                .and_then(|lost| lost.regained)
                .is_some_and(|at| at <= *crash + self.in_time),
            (Some(_) | None, None) => host
                .welcome_since
                .is_some_and(|since| since + self.settling <= given_up),
        }
    }

    fn crash(&mut self, at: Instant, dispatcher: usize) {
        self.crashes.push(at);
        for (_, host) in self.workers.iter_mut() {
            if host.dispatcher == Some(Place::Dispatcher(dispatcher)) {
                host.lost = Some(Lost {
                    at,
                    session: host.session,
                    regained: None,
                });
            }
        }
    }

    fn forget_worker(&mut self, index: usize) {
        *self.workers.of(index) = Host::default();
        self.running.retain(|_, runs| {
            runs.retain(|run| run.worker != index);
            !runs.is_empty()
        });
    }

    /// Whether this is part of a dispatcher's crash and return, which are no excuse.
    fn is_crash(&mut self, seen: &Seen) -> bool {
        match &seen.what {
            What::Struck(Fault {
                node: Place::Dispatcher(index),
                what: Trouble::Crash(_),
                ..
            }) => {
                self.dispatchers.of(*index).crashed = true;
                true
            }
            What::Ended {
                node: Place::Dispatcher(index),
                by_itself: false,
            } => {
                self.dispatchers.of(*index).crashed = true;
                self.crash(seen.at, *index);
                true
            }
            What::Arrived(Place::Dispatcher(index)) => {
                let life = self.dispatchers.of(*index);
                life.back = life.crashed.then_some(seen.at);
                std::mem::take(&mut life.crashed)
            }
            What::Over {
                node: Place::Dispatcher(index),
            } => {
                let life = self.dispatchers.of(*index);
                life.crashed || life.back == Some(seen.at)
            }
            _ => false,
        }
    }
}

impl Checker for RunningWorkIsAdopted {
    fn promise(&self) -> &'static str {
        "P12"
    }

    fn observe(&mut self, seen: &Seen) -> Result<(), String> {
        match &seen.what {
            What::Worker(state) => self.see_worker(seen.at, state),
            What::Row(row) => self.see_row(seen.at, row),
            What::Started { at, task } => return self.start(*at, *task),
            What::Stopped {
                task, by_itself, ..
            } => self.stop(seen.at, *task, *by_itself),
            What::Leaving {
                node: Place::Worker(index),
                ..
            } => self.workers.of(*index).leaving = true,
            _ if self.is_crash(seen) => {}
            what => {
                if let What::Ended {
                    node: Place::Worker(index),
                    ..
                } = what
                {
                    self.forget_worker(*index);
                }
                self.clean.observe(seen);
            }
        }
        Ok(())
    }

    fn premises(&self) -> u64 {
        self.premises
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::testing::*;

    /// W0 runs the first attempt of task 7 when D0 crashes at 30 s, and is welcome again at
    /// `again`.
    fn crashed(history: History, again: u64) -> History {
        let state = WorkerState {
            running: 1,
            held: 1,
            ..worker(W0)
        };
        history
            .see(What::Worker(state))
            .row(running(attempt(7, 1)))
            .started(W0, attempt(7, 1))
            .at(30_000)
            .struck(D0, Trouble::Crash(Duration::from_millis(500)))
            .ended(D0)
            .at(30_500)
            .see(What::Arrived(D0))
            .see(What::Over { node: D0 })
            .at(again)
            .see(What::Worker(WorkerState {
                session: 2,
                ..state
            }))
    }

    fn run_again(history: History) -> History {
        history
            .at(39_000)
            .row(queued(attempt(7, 1)))
            .row(running(attempt(7, 2)))
            .started(W1, attempt(7, 2))
    }

    fn judge(history: History) -> Result<u64, String> {
        history.judge(&mut RunningWorkIsAdopted::new(&setting()))
    }

    #[test]
    fn a_task_that_is_adopted_is_well() {
        let history = crashed(History::new(), 31_000)
            .row(running(attempt(7, 1)))
            .at(35_000)
            .stopped(W0, attempt(7, 1));
        assert_eq!(judge(history), Ok(1));
    }

    #[test]
    fn a_task_that_is_run_again_is_named() {
        let history = run_again(crashed(History::new(), 31_000));
        assert_broken(judge(history), &["W0", &attempt(7, 2).to_string()]);
    }

    #[test]
    fn a_task_that_is_dropped_and_run_again_is_named() {
        let dropped = crashed(History::new(), 35_000).see(What::Stopped {
            at: W0,
            task: attempt(7, 1),
            by_itself: false,
        });
        let verdict = judge(run_again(dropped));
        assert_broken(verdict, &["W0", &attempt(7, 2).to_string(), "35.0"]);
    }

    #[test]
    fn a_hello_that_comes_too_late_does_not_save_it() {
        assert_eq!(judge(run_again(crashed(History::new(), 37_500))), Ok(0));
    }

    #[test]
    fn other_troubles_are_an_excuse() {
        let cut = Trouble::StoreCut(Duration::from_secs(1));
        let history = crashed(History::new().at(28_000).struck(D0, cut), 31_000);
        assert_eq!(judge(run_again(history)), Ok(1));
        let history = crashed(History::new(), 31_000).at(32_000).ended(D0);
        assert_eq!(judge(run_again(history)), Ok(1));
    }
}
