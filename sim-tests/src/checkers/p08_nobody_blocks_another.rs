//! P8: no peer's silence, junk or death blocks another.
//!
//! It is judged as conservation of work: while a worker has been idle for a while and nothing
//! troubles it, its dispatcher or the store, whatever happens to others, somebody claims what is
//! queued.

use std::collections::BTreeMap;
use std::time::Duration;

use mpcsfaas_core::id::{Session, TaskId};
use mpcsfaas_core::task::Status;
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::history::{End, Row, Seen, What, WorkerState};
use mpcsfaas_transport_sim::place::Place;

use super::clean::{Clean, NEVER};
use super::each::Each;
use super::{Checker, Setting};

/// Whether the premise held is looked at with each so manieth claim: it is only counted, and with
/// many workers to look is dear.
const SAMPLE: u64 = 8;

/// Compares how long tasks are queued with how long workers are idle.
#[derive(Clone, Debug)]
pub(super) struct NobodyBlocksAnother {
    clean: Clean,
    patience: Duration,
    /// Judges only what a doorbell is rung for: new tasks, and workers that hold nothing.
    promptly: bool,
    /// What was sent so long before a session was welcome may belong to it, and may be lost.
    crossing: Duration,
    workers: Each<Idle>,
    queued: BTreeMap<TaskId, Queued>,
    last_claim: Instant,
    asked: u64,
    claims: u64,
}

/// How long a worker has had nothing to do.
#[derive(Clone, Copy, Debug)]
struct Idle {
    session: Session,
    dispatcher: Place,
    /// Since when it is welcome in this session.
    welcome_since: Instant,
    /// Since when a process of it waits for work that it asked for.
    since: Instant,
    /// Since when it holds nothing at all.
    empty_since: Instant,
}

/// A queued task.
#[derive(Clone, Copy, Debug)]
struct Queued {
    since: Instant,
    /// It was given back. It may be to blame for a loss, so that it shares no worker with another
    /// such (R14): only a worker that holds nothing can certainly have it.
    given_back: bool,
}

impl Default for Idle {
    fn default() -> Idle {
        Idle {
            session: 0,
            dispatcher: Place::Client,
            welcome_since: NEVER,
            since: NEVER,
            empty_since: NEVER,
        }
    }
}

impl NobodyBlocksAnother {
    pub(super) fn new(setting: &Setting) -> NobodyBlocksAnother {
        // The credit comes with the next beat, the look at the queue with the next poll; a claim
        // that is under way and a function's body come first.
        let patience = setting.beat + setting.poll + Duration::from_millis(250);
        NobodyBlocksAnother {
            clean: Clean::new(setting),
            patience: patience + 10 * setting.latency,
            promptly: false,
            crossing: Duration::ZERO,
            workers: Each::default(),
            queued: BTreeMap::new(),
            last_claim: Instant::ZERO,
            asked: 0,
            claims: 0,
        }
    }

    /// The same for a queue that was empty: the doorbell is heard, and there is no poll to wait for.
    pub(super) fn promptly(setting: &Setting) -> NobodyBlocksAnother {
        NobodyBlocksAnother {
            patience: 6 * setting.latency + Duration::from_millis(20),
            promptly: true,
            crossing: 2 * setting.latency,
            ..NobodyBlocksAnother::new(setting)
        }
    }

    fn see_worker(&mut self, at: Instant, state: &WorkerState) {
        let Place::Worker(index) = state.node else {
            return;
        };
        let idle = self.workers.of(index);
        let able = state.welcome && !state.leaving;
        let Some(dispatcher) = state.dispatcher.filter(|_| able) else {
            *idle = Idle::default();
            return;
        };
        if (idle.session, idle.dispatcher) != (state.session, dispatcher) {
            *idle = Idle {
                session: state.session,
                dispatcher,
                welcome_since: at,
                ..Idle::default()
            };
        }
        let asks = state.running < state.ready as usize && state.held < state.credit as usize;
        let since = |before: Instant, still: bool| if still { before.min(at) } else { NEVER };
        idle.since = since(idle.since, asks);
        idle.empty_since = since(idle.empty_since, asks && state.held == 0);
    }

    fn see_row(&mut self, at: Instant, row: &Row) {
        if row.status == Status::Queued {
            let given_back = row.attempt > 0;
            let queued = Queued {
                since: at,
                given_back,
            };
            self.queued.entry(row.task).or_insert(queued);
        } else if self.queued.remove(&row.task).is_some() && row.status == Status::Running {
            self.asked += 1;
            if self.asked % SAMPLE == 1 {
                self.claims += u64::from(self.somebody_is_free(at));
            }
            self.last_claim = at;
        }
    }

    /// From when on nothing hinders an idle worker from getting work.
    fn free_from(&self, index: usize, idle: &Idle) -> Instant {
        let welcome_since = idle.welcome_since.since(Instant::ZERO);
        let sent_since = Instant::ZERO + welcome_since.saturating_sub(self.crossing);
        self.clean
            .session_free_from(Place::Worker(index), idle.dispatcher, sent_since)
    }

    fn somebody_is_free(&self, now: Instant) -> bool {
        let free =
            |(index, idle): (usize, &Idle)| idle.since < now && self.free_from(index, idle) < now;
        self.workers.iter().any(free)
    }

    /// When the task was queued that waits longest.
    fn oldest(&self) -> Instant {
        let since = self.queued.values().map(|queued| queued.since).min();
        since.unwrap_or(NEVER)
    }

    /// Looks whether a task and a worker wait for each other, up to now.
    fn look(&self, now: Instant) -> Result<(), String> {
        if self.queued.is_empty() || now <= self.last_claim + self.patience {
            return Ok(());
        }
        // Looked for once, and only if a worker might be waiting: the queue may be long.
        let mut oldest = None;
        for (index, idle) in self.workers.iter() {
            if now <= idle.since + self.patience {
                continue;
            }
            let from = self.free_from(index, idle).max(self.last_claim);
            if now <= from + self.patience {
                continue;
            }
            let oldest = *oldest.get_or_insert_with(|| self.oldest());
            if now <= oldest + self.patience {
                return Ok(());
            }
            // The doorbell rang for the first of them, and had to be heard.
            if self.promptly && oldest < from {
                continue;
            }
            for (task, queued) in &self.queued {
                if self.promptly && queued.given_back {
                    continue;
                }
                let idle_since = match queued.given_back || self.promptly {
                    true => idle.empty_since,
                    false => idle.since,
                };
                if now > idle_since.max(queued.since) + self.patience {
                    return Err(format!(
                        "{task} is queued since {:?}, W{index} is idle since {idle_since:?}, and \
                         nobody claims anything",
                        queued.since
                    ));
                }
            }
        }
        Ok(())
    }
}

impl Checker for NobodyBlocksAnother {
    fn promise(&self) -> &'static str {
        "P8"
    }

    fn observe(&mut self, seen: &Seen) -> Result<(), String> {
        self.look(seen.at)?;
        match &seen.what {
            What::Worker(state) => self.see_worker(seen.at, state),
            What::Row(row) => self.see_row(seen.at, row),
            What::RowGone(task) => {
                self.queued.remove(task);
            }
            What::Leaving {
                node: Place::Worker(index),
                ..
            } => *self.workers.of(*index) = Idle::default(),
            What::Arrived(node) | What::Ended { node, .. } => {
                if let Place::Worker(index) = node {
                    *self.workers.of(*index) = Idle::default();
                }
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
        self.claims
    }
}

#[cfg(test)]
mod tests {
    use mpcsfaas_transport_sim::plan::{Bend, Occasion, Trouble};

    use super::*;
    use crate::checkers::testing::*;

    fn waiting(history: History) -> History {
        history
            .see(What::Worker(worker(W0)))
            .at(30_000)
            .row(queued(attempt(7, 0)))
    }

    fn judge(history: History, end_at: u64) -> Result<u64, String> {
        history.judge_end(&mut NobodyBlocksAnother::new(&setting()), &end(end_at))
    }

    #[test]
    fn a_task_that_is_claimed_in_time_is_well() {
        let history = waiting(History::new())
            .at(30_600)
            .row(running(attempt(7, 1)));
        assert_eq!(judge(history, 60_000), Ok(1));
    }

    #[test]
    fn a_task_that_an_idle_worker_could_have_is_named() {
        let verdict = judge(waiting(History::new()), 40_000);
        assert_broken(verdict, &[&task(7).to_string(), "W0"]);
        let late = waiting(History::new())
            .at(35_000)
            .row(running(attempt(7, 1)));
        assert_broken(judge(late, 35_000), &[&task(7).to_string(), "W0"]);
    }

    #[test]
    fn a_doorbell_that_is_not_heeded_is_named() {
        let judge = |history: History, end_at| {
            let mut promptly = NobodyBlocksAnother::promptly(&setting());
            history.judge_end(&mut promptly, &end(end_at))
        };
        assert_eq!(judge(waiting(History::new()), 30_025), Ok(0));
        let verdict = judge(waiting(History::new()), 30_030);
        assert_broken(verdict, &[&task(7).to_string(), "W0"]);
        let unheard = What::Twisted {
            on: Occasion::Doorbell(0),
            bend: Bend::Lost,
        };
        let before = History::new().at(10_000).see(unheard);
        let before = before.row(queued(attempt(6, 0)));
        assert_eq!(
            judge(waiting(before), 30_030),
            Ok(0),
            "it rang for the first, and was not heard"
        );
    }

    #[test]
    fn the_silence_of_another_is_no_excuse() {
        let silent = History::new()
            .at(29_000)
            .struck(W1, Trouble::Pause(Duration::from_secs(60)))
            .struck(D0, Trouble::Junk);
        assert_broken(judge(waiting(silent), 40_000), &["W0"]);
    }

    #[test]
    fn its_own_trouble_or_its_dispatchers_is_one() {
        for node in [W0, D0, Place::Store] {
            let troubled = History::new()
                .at(29_000)
                .struck(node, Trouble::Pause(Duration::from_secs(5)));
            assert_eq!(judge(waiting(troubled), 40_000), Ok(0));
        }
    }

    #[test]
    fn a_task_that_was_given_back_may_wait_for_a_worker_of_its_own() {
        let busy = WorkerState {
            held: 1,
            running: 1,
            ..worker(W0)
        };
        let history = History::new()
            .see(What::Worker(busy))
            .at(30_000)
            .row(queued(attempt(7, 1)));
        assert_eq!(judge(history.clone(), 40_000), Ok(0));
        let emptied = history.at(40_000).see(What::Worker(worker(W0)));
        assert_broken(judge(emptied, 50_000), &[&task(7).to_string(), "W0"]);
    }
}
