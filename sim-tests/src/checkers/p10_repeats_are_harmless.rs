//! P10: duplicates, reordering across reconnects and stale identities are harmless.
//!
//! Something else may happen at the very instant of a repeat. So only what a repeat alone can
//! explain counts: an attempt that starts once more, a session that ends; after a stranger's word, a
//! task that ends while its attempt still runs.

use std::time::Duration;

use mpcsfaas_core::id::Session;
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::TaskRef;
use mpcsfaas_transport_sim::by_task::ByAttempt;
use mpcsfaas_transport_sim::history::{Row, Seen, What, WorkerState};
use mpcsfaas_transport_sim::place::Place;
use mpcsfaas_transport_sim::plan::{Fault, Trouble};

use super::each::Each;
use super::{Checker, Setting};
use crate::oracle::is_a_workers_word;

/// Remembers the last repeat, and which attempts have started and stopped.
#[derive(Clone, Debug)]
pub(super) struct RepeatsAreHarmless {
    /// How long a stranger's word takes into the store, if it is believed.
    hearsay: Duration,
    /// Where a message has just been repeated, and when.
    repeated: Option<(Place, Instant)>,
    /// When somebody went on last after standing still, and read all that had waited.
    resumed: Option<Instant>,
    /// Until when a stranger's word may be to blame.
    strange_until: Instant,
    /// Attempts that have started, and whether they have stopped.
    attempts: ByAttempt<bool>,
    /// The present session of each worker.
    sessions: Each<Session>,
    premises: u64,
}

impl RepeatsAreHarmless {
    pub(super) fn new(setting: &Setting) -> RepeatsAreHarmless {
        RepeatsAreHarmless {
            hearsay: 12 * setting.latency + Duration::from_secs(1),
            repeated: None,
            resumed: None,
            strange_until: Instant::ZERO,
            attempts: ByAttempt::default(),
            sessions: Each::default(),
            premises: 0,
        }
    }

    /// Forgets a repeat as soon as something else must have happened.
    fn follow(&mut self, seen: &Seen) {
        let Some((node, at)) = self.repeated else {
            return;
        };
        let follows = match &seen.what {
            What::Started { at, .. } => *at == node,
            What::Worker(state) => state.node == node,
            What::Twisted { .. } => true,
            _ => false,
        };
        if !follows || at != seen.at {
            self.repeated = None;
        }
    }

    fn start(&mut self, task: TaskRef) -> Result<(), String> {
        let again = self.attempts.insert(task, false).is_some();
        match self.repeated.filter(|_| again) {
            Some((node, _)) => Err(format!(
                "{task} started once more, because {node} got a message twice"
            )),
            None => Ok(()),
        }
    }

    /// A worker's session that ends because its worker was told something twice.
    fn see_worker(&mut self, state: &WorkerState) -> Result<(), String> {
        let Place::Worker(index) = state.node else {
            return Ok(());
        };
        let before = std::mem::replace(self.sessions.of(index), state.session);
        match self.repeated {
            Some((node, _)) if node == state.node && before < state.session => Err(format!(
                "{node} began session {}, because it got a message twice",
                state.session
            )),
            Some(_) | None => Ok(()),
        }
    }

    fn end(&self, at: Instant, row: &Row) -> Result<(), String> {
        let Row { task, attempt, .. } = *row;
        let hearsay = at < self.strange_until && is_a_workers_word(row);
        let key = TaskRef { task, attempt };
        match hearsay && self.attempts.get(&key) != Some(&true) {
            true => Err(format!(
                "{task} ended by a stranger's word: attempt {attempt} has not"
            )),
            false => Ok(()),
        }
    }
}

impl Checker for RepeatsAreHarmless {
    fn promise(&self) -> &'static str {
        "P10"
    }

    fn observe(&mut self, seen: &Seen) -> Result<(), String> {
        self.follow(seen);
        match &seen.what {
            What::Repeated(node) => {
                self.premises += 1;
                let alone = self.resumed != Some(seen.at);
                self.repeated = alone.then_some((*node, seen.at));
            }
            What::ServedAgain { of, changed } => {
                self.premises += 1;
                if let Some(task) = changed.first() {
                    return Err(format!(
                        "{task} was changed by a late copy of what {of} had asked for before"
                    ));
                }
            }
            What::Over { .. } | What::Healed => self.resumed = Some(seen.at),
            What::Struck(Fault {
                what: Trouble::Impostor | Trouble::Junk,
                ..
            }) => {
                self.premises += 1;
                self.strange_until = seen.at + self.hearsay;
            }
            What::Worker(state) => self.see_worker(state)?,
            What::Started { task, .. } => self.start(*task)?,
            What::Stopped { task, .. } => {
                self.attempts.insert(*task, true);
            }
            What::Row(row) if seen.at < self.strange_until => self.end(seen.at, row)?,
            _ => {}
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

    fn run() -> History {
        History::new()
            .started(W0, attempt(7, 1))
            .at(1_000)
            .stopped(W0, attempt(7, 1))
    }

    fn judge(history: History) -> Result<u64, String> {
        history.judge(&mut RepeatsAreHarmless::new(&setting()))
    }

    /// W0 takes a message twice, then these happen to it, and it has another session.
    fn renewed(between: impl IntoIterator<Item = What>) -> History {
        let before = worker(W0);
        let after = WorkerState {
            session: before.session + 1,
            ..before
        };
        let history = History::new()
            .see(What::Worker(before))
            .see(What::Repeated(W0));
        let history = between.into_iter().fold(history, History::see);
        history.see(What::Worker(after))
    }

    #[test]
    fn a_session_that_a_repeat_ends_is_named() {
        assert_broken(judge(renewed([])), &["W0", "twice"]);
    }

    #[test]
    fn a_session_that_its_dispatcher_ends_at_that_instant_is_not() {
        assert_eq!(judge(renewed([What::Unwelcome(W0)])), Ok(1));
    }

    #[test]
    fn a_repeat_after_the_end_of_a_session_did_not_end_it() {
        let last = WorkerState {
            session: worker(W0).session + 1,
            ..worker(W0)
        };
        let history = History::new()
            .see(What::Worker(worker(W0)))
            .see(What::Worker(last))
            .see(What::Repeated(W0))
            .see(What::Worker(last));
        assert_eq!(judge(history), Ok(1));
    }

    #[test]
    fn a_row_that_a_late_copy_changes_is_named() {
        let served = |changed| run().see(What::ServedAgain { of: D0, changed });
        assert_eq!(judge(served(vec![])), Ok(1));
        let verdict = judge(served(vec![task(7)]));
        assert_broken(verdict, &[&task(7).to_string(), "D0", "copy"]);
    }

    #[test]
    fn a_repeat_that_changes_nothing_is_harmless() {
        let history = run()
            .at(2_000)
            .see(What::Repeated(W0))
            .started(W0, attempt(8, 1));
        assert_eq!(judge(history), Ok(1));
    }

    #[test]
    fn an_attempt_that_a_repeat_starts_again_is_named() {
        let history = run()
            .at(2_000)
            .see(What::Repeated(W0))
            .started(W0, attempt(7, 1));
        assert_broken(judge(history), &["W0", &attempt(7, 1).to_string()]);
    }

    #[test]
    fn what_happens_after_something_else_is_not_the_repeats_fault() {
        let history = run()
            .at(2_000)
            .see(What::Repeated(W0))
            .stopped(W0, attempt(9, 1))
            .started(W0, attempt(7, 1));
        assert_eq!(judge(history), Ok(1));
    }

    #[test]
    fn a_strangers_word_ends_no_task() {
        let impostor = |history: History| history.at(2_000).struck(W0, Trouble::Impostor);
        let ended = impostor(run()).at(2_010).row(completed(attempt(7, 1)));
        assert_eq!(judge(ended), Ok(1));
        let running = impostor(run().started(W0, attempt(8, 1)));
        let verdict = judge(running.at(2_010).row(completed(attempt(8, 1))));
        assert_broken(verdict, &[&task(8).to_string(), "stranger"]);
    }
}
