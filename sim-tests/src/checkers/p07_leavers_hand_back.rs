//! P7: a worker that leaves says goodbye, hands back what it has not started, and is given nothing
//! more.

use std::collections::VecDeque;
use std::time::Duration;

use mpcsfaas_core::id::{Attempt, Session};
use mpcsfaas_core::task::Status;
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::TaskRef;
use mpcsfaas_transport_sim::by_task::ByTask;
use mpcsfaas_transport_sim::history::{End, Seen, What, WorkerState};
use mpcsfaas_transport_sim::place::Place;

use super::clean::Clean;
use super::each::Each;
use super::{Checker, Setting};

/// Waits for what leaving workers have not started to be in the queue again, and sees to it that
/// they start nothing.
#[derive(Clone, Debug)]
pub(super) struct LeaversHandBack {
    clean: Clean,
    patience: Duration,
    workers: Each<Leaver>,
    /// The attempts under which rows are RUNNING.
    running: ByTask<Attempt>,
    /// What is to come back, by time.
    awaited: VecDeque<Awaited>,
    premises: u64,
}

/// What is known of a worker.
#[derive(Clone, Copy, Debug, Default)]
struct Leaver {
    session: Session,
    /// The dispatcher that has welcomed it in this session, and when.
    welcome: Option<(Place, Instant)>,
    /// Since when it leaves, if it does.
    leaving: Option<Instant>,
}

/// An attempt that a leaving worker has not started.
#[derive(Clone, Copy, Debug)]
struct Awaited {
    since: Instant,
    task: TaskRef,
    worker: Place,
    dispatcher: Place,
    welcome_since: Instant,
    /// From when on nothing hindered it, once the worker has ended by itself.
    free_from: Option<Instant>,
}

impl LeaversHandBack {
    pub(super) fn new(setting: &Setting) -> LeaversHandBack {
        LeaversHandBack {
            clean: Clean::new(setting),
            // The Goodbye, and a requeue that waits for an operation under way and for its turn.
            patience: 12 * setting.latency + Duration::from_millis(100),
            workers: Each::default(),
            running: ByTask::default(),
            awaited: VecDeque::new(),
            premises: 0,
        }
    }

    fn see_worker(&mut self, at: Instant, state: &WorkerState) {
        let Place::Worker(index) = state.node else {
            return;
        };
        let leaver = self.workers.of(index);
        let same = leaver.session == state.session;
        leaver.session = state.session;
        let now = state.dispatcher.filter(|_| state.welcome);
        leaver.welcome = now.map(|dispatcher| match leaver.welcome {
            Some(before) if same && before.0 == dispatcher => before,
            Some(_) | None => (dispatcher, at),
        });
    }

    fn leave(&mut self, since: Instant, worker: Place, unstarted: &[TaskRef]) {
        let Place::Worker(index) = worker else {
            return;
        };
        let leaver = self.workers.of(index);
        let first = leaver.leaving.is_none();
        leaver.leaving.get_or_insert(since);
        let Some((dispatcher, welcome_since)) = leaver.welcome.filter(|_| first) else {
            return;
        };
        for task in unstarted {
            if self.running.get(&task.task) == Some(&task.attempt) {
                self.awaited.push_back(Awaited {
                    since,
                    task: *task,
                    worker,
                    dispatcher,
                    welcome_since,
                    free_from: None,
                });
            }
        }
    }

    /// What befalls the next life at its place is no excuse for one that has left by itself.
    fn end(&mut self, worker: Place) {
        for awaited in self.awaited.iter_mut().filter(|a| a.worker == worker) {
            let free =
                self.clean
                    .session_free_from(worker, awaited.dispatcher, awaited.welcome_since);
            awaited.free_from.get_or_insert(free);
        }
    }

    fn look(&mut self, now: Instant) -> Result<(), String> {
        while let Some(awaited) = self.awaited.front().copied() {
            let Awaited {
                since,
                task,
                worker,
                dispatcher,
                welcome_since,
                free_from,
            } = awaited;
            if now <= since + self.patience {
                break;
            }
            self.awaited.pop_front();
            // It may leave by itself meanwhile; nothing else may have happened.
            let free = || {
                self.clean
                    .session_free_from(worker, dispatcher, welcome_since)
            };
            if free_from.unwrap_or_else(free) > since {
                continue;
            }
            self.premises += 1;
            if self.running.get(&task.task) == Some(&task.attempt) {
                return Err(format!(
                    "{worker} left at {since:?} and has not handed back {task}, which it had not started"
                ));
            }
        }
        Ok(())
    }

    fn start(&self, worker: Place, task: TaskRef) -> Result<(), String> {
        let Place::Worker(index) = worker else {
            return Ok(());
        };
        match self.workers.get(index).and_then(|leaver| leaver.leaving) {
            Some(_) => Err(format!("{worker} is leaving and has started {task}")),
            None => Ok(()),
        }
    }

    /// A dispatcher that has read a Goodbye sends nothing more for somebody to hand back.
    fn hand_back(&mut self, now: Instant, worker: Place, tasks: &[TaskRef]) -> Result<(), String> {
        let Place::Worker(index) = worker else {
            return Ok(());
        };
        let leaver = *self.workers.of(index);
        let (Some(since), Some((dispatcher, welcome_since))) = (leaver.leaving, leaver.welcome)
        else {
            return Ok(());
        };
        let free = self
            .clean
            .session_free_from(worker, dispatcher, welcome_since);
        if now <= since + self.patience || free > since {
            return Ok(());
        }
        let tasks: Vec<String> = tasks.iter().map(TaskRef::to_string).collect();
        let tasks = tasks.join(", ");
        Err(format!(
            "{dispatcher} has given {tasks} to {worker}, which has been leaving since {since:?}"
        ))
    }
}

impl Checker for LeaversHandBack {
    fn promise(&self) -> &'static str {
        "P7"
    }

    fn observe(&mut self, seen: &Seen) -> Result<(), String> {
        if !self.awaited.is_empty() {
            self.look(seen.at)?;
        }
        match &seen.what {
            What::Worker(state) => self.see_worker(seen.at, state),
            What::Row(row) => {
                match row.status {
                    Status::Running => self.running.insert(row.task, row.attempt),
                    Status::Queued | Status::Completed | Status::Failed => {
                        self.running.remove(&row.task)
                    }
                };
            }
            What::Started { at, task } => self.start(*at, *task)?,
            What::HandedBack { by, tasks } => self.hand_back(seen.at, *by, tasks)?,
            What::Leaving { node, unstarted } => self.leave(seen.at, *node, unstarted),
            What::Arrived(Place::Worker(index)) => {
                *self.workers.of(*index) = Leaver::default();
                self.clean.observe(seen);
            }
            What::Ended {
                node,
                by_itself: true,
            } => {
                self.end(*node);
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

    /// W0 is asked to leave at 30 s while it holds the first attempt of task 7 unstarted.
    fn leaving(history: History) -> History {
        history
            .see(What::Worker(worker(W0)))
            .row(running(attempt(7, 1)))
            .at(30_000)
            .struck(W0, Trouble::Leave(Duration::from_secs(1)))
            .see(What::Leaving {
                node: W0,
                unstarted: vec![attempt(7, 1)],
            })
    }

    fn judge(history: History) -> Result<u64, String> {
        history.judge_end(&mut LeaversHandBack::new(&setting()), &end(60_000))
    }

    #[test]
    fn what_is_queued_again_was_handed_back() {
        let history = leaving(History::new())
            .at(30_003)
            .row(queued(attempt(7, 1)));
        assert_eq!(judge(history), Ok(1));
    }

    #[test]
    fn what_stays_with_the_leaver_is_named() {
        let history = leaving(History::new()).see(What::Ended {
            node: W0,
            by_itself: true,
        });
        assert_broken(judge(history), &["W0", &attempt(7, 1).to_string()]);
    }

    #[test]
    fn a_goodbye_that_may_be_lost_proves_nothing() {
        let troubled = History::new().at(29_000).struck(W0, Trouble::Cut);
        assert_eq!(judge(leaving(troubled)), Ok(0));
    }

    #[test]
    fn a_leaver_is_given_nothing_more() {
        let returned = |after| {
            let (by, tasks) = (W0, vec![attempt(8, 1)]);
            let history = leaving(History::new()).at(30_003);
            let history = history.row(queued(attempt(7, 1))).at(after);
            judge(history.see(What::HandedBack { by, tasks }))
        };
        assert_eq!(returned(30_003), Ok(1), "it crossed the Goodbye");
        assert_broken(returned(31_000), &["D0", &attempt(8, 1).to_string(), "W0"]);
    }

    #[test]
    fn a_leaver_starts_nothing() {
        let history = leaving(History::new()).started(W0, attempt(7, 1));
        assert_broken(judge(history), &["W0", "started"]);
        let history = leaving(History::new())
            .at(30_003)
            .row(queued(attempt(7, 1)))
            .at(35_000)
            .see(What::Arrived(W0))
            .started(W0, attempt(7, 2));
        assert_eq!(judge(history), Ok(1), "the next life may");
    }
}
