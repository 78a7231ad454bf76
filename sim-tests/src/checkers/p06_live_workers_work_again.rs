//! P6: a live worker that was declared dead is told, says Hello and works again.

use std::time::Duration;

use mpcsfaas_core::id::Session;
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::history::{End, Seen, What, WorkerState};
use mpcsfaas_transport_sim::place::Place;

use super::clean::{Clean, NEVER};
use super::each::Each;
use super::{Checker, Setting};

/// Waits for each worker that was declared dead to be welcome in a newer session.
#[derive(Clone, Debug)]
pub(super) struct LiveWorkersWorkAgain {
    clean: Clean,
    patience: Duration,
    workers: Each<Life>,
    /// When the first of those who are awaited may be late.
    due: Instant,
    declared: u64,
}

/// What is known of a worker.
#[derive(Clone, Copy, Debug, Default)]
struct Life {
    session: Session,
    leaving: bool,
    /// In which session it was declared dead, and when.
    dead: Option<(Session, Instant)>,
}

impl LiveWorkersWorkAgain {
    pub(super) fn new(setting: &Setting) -> LiveWorkersWorkAgain {
        LiveWorkersWorkAgain {
            clean: Clean::new(setting),
            // It is told with its next beat; its Hello may be under way to who will not answer.
            patience: setting.settling() + setting.backoff + setting.beat,
            workers: Each::default(),
            due: NEVER,
            declared: 0,
        }
    }

    fn see_worker(&mut self, state: &WorkerState) {
        if let Place::Worker(index) = state.node {
            let life = self.workers.of(index);
            (life.session, life.leaving) = (state.session, state.leaving);
            let again = |(session, _)| state.welcome && state.session > session;
            if state.leaving || life.dead.is_some_and(again) {
                life.dead = None;
            }
        }
    }

    fn await_worker(&mut self, at: Instant, worker: Place) {
        if let Place::Worker(index) = worker {
            let life = self.workers.of(index);
            if !life.leaving {
                self.declared += 1;
                life.dead = Some((life.session, at));
                self.due = self.due.min(at + self.patience);
            }
        }
    }

    /// From when on nothing hinders a worker and the dispatchers that it may turn to.
    fn free_from(&self, index: usize) -> Instant {
        let worker = self.clean.trouble_until(Place::Worker(index));
        worker.max(self.clean.dispatchers_until())
    }

    /// Looks for who is late, and when the next may be.
    fn look(&mut self, now: Instant) -> Result<(), String> {
        self.due = NEVER;
        for (index, life) in self.workers.iter() {
            let Some((session, since)) = life.dead else {
                continue;
            };
            let late = since.max(self.free_from(index)) + self.patience;
            if now > late {
                return Err(format!(
                    "W{index} was declared dead in session {session} at {since:?} and does not work again"
                ));
            }
            // A trouble whose end is not known ends with something that is seen.
            self.due = self.due.min(late.min(now + self.patience));
        }
        Ok(())
    }
}

impl Checker for LiveWorkersWorkAgain {
    fn promise(&self) -> &'static str {
        "P6"
    }

    fn observe(&mut self, seen: &Seen) -> Result<(), String> {
        if seen.at > self.due {
            self.look(seen.at)?;
        }
        match &seen.what {
            What::Worker(state) => self.see_worker(state),
            What::DeclaredDead { worker, .. } => self.await_worker(seen.at, *worker),
            What::Leaving {
                node: Place::Worker(index),
                ..
            } => {
                let life = self.workers.of(*index);
                (life.leaving, life.dead) = (true, None);
            }
            What::Arrived(node) | What::Ended { node, .. } => {
                if let Place::Worker(index) = node {
                    *self.workers.of(*index) = Life::default();
                }
                self.clean.observe(seen);
            }
            _ => self.clean.observe(seen),
        }
        Ok(())
    }

    fn finish(&mut self, end: &End) -> Result<(), String> {
        self.look(end.at)?;
        for worker in &end.outside {
            let Place::Worker(index) = *worker else {
                continue;
            };
            let leaving = self.workers.get(index).is_some_and(|life| life.leaving);
            if !leaving && end.at > self.free_from(index) + self.patience {
                return Err(format!("{worker} is in no dispatcher's roster"));
            }
        }
        Ok(())
    }

    fn premises(&self) -> u64 {
        self.declared
    }
}

#[cfg(test)]
mod tests {
    use mpcsfaas_transport_sim::plan::Trouble;

    use super::*;
    use crate::checkers::testing::*;

    fn in_session(node: Place, session: Session) -> What {
        What::Worker(WorkerState {
            session,
            ..worker(node)
        })
    }

    fn declared_dead() -> History {
        History::new()
            .see(in_session(W0, 3))
            .at(1_000)
            .struck(W0, Trouble::Pause(Duration::from_secs(5)))
            .at(4_000)
            .see(What::DeclaredDead { by: D0, worker: W0 })
    }

    fn judge(history: History) -> Result<u64, String> {
        history.judge(&mut LiveWorkersWorkAgain::new(&setting()))
    }

    #[test]
    fn a_worker_that_is_welcome_again_is_well() {
        let history = declared_dead()
            .at(7_000)
            .see(in_session(W0, 4))
            .at(40_000)
            .see(in_session(W1, 1));
        assert_eq!(judge(history), Ok(1));
    }

    #[test]
    fn a_worker_that_stays_outside_is_named() {
        let history = declared_dead().at(30_000).see(in_session(W1, 1));
        assert_broken(judge(history), &["W0", "session 3"]);
    }

    #[test]
    fn time_begins_when_nothing_hinders_it_any_more() {
        let history = declared_dead()
            .at(10_000)
            .struck(D0, Trouble::Pause(Duration::from_secs(15)))
            .at(30_000)
            .see(in_session(W1, 1));
        assert_eq!(judge(history.clone()), Ok(1));
        let later = history.at(50_000).see(in_session(W1, 1));
        assert_broken(judge(later), &["W0"]);
    }

    #[test]
    fn nobody_is_outside_at_the_end() {
        let end = End {
            outside: vec![W1],
            ..end(60_000)
        };
        let mut checker = LiveWorkersWorkAgain::new(&setting());
        assert_broken(History::new().judge_end(&mut checker, &end), &["W1"]);
    }
}
