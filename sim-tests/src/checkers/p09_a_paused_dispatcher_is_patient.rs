//! P9: a paused dispatcher does not declare everybody dead when it wakes.

use std::time::Duration;

use mpcsfaas_core::id::Session;
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::history::{Seen, What, WorkerState};
use mpcsfaas_transport_sim::place::Place;
use mpcsfaas_transport_sim::plan::{Fault, Occasion, Trouble};

use super::clean::Clean;
use super::each::Each;
use super::{Checker, Setting};

/// Remembers when dispatchers stood still, and whom they declare dead soon after.
#[derive(Clone, Debug)]
pub(super) struct APausedDispatcherIsPatient {
    clean: Clean,
    settling: Duration,
    /// A pause as long as this may cost the lease, and with it all sessions (R4).
    too_long: Duration,
    /// Within so long after it wakes, it may declare nobody dead.
    patience: Duration,
    pauses: Each<Option<Pause>>,
    workers: Each<Guest>,
    premises: u64,
}

/// What is known of a worker.
#[derive(Clone, Copy, Debug, Default)]
struct Guest {
    /// Whether it leaves: a dispatcher forgets it when it has said its last word.
    leaving: bool,
    session: Session,
    /// Since when it is welcome in this session.
    welcome_since: Option<Instant>,
}

/// A dispatcher's last pause.
#[derive(Clone, Copy, Debug)]
struct Pause {
    began: Instant,
    /// When it goes on at the latest; when it went on, if it has.
    until: Instant,
}

impl APausedDispatcherIsPatient {
    pub(super) fn new(setting: &Setting) -> APausedDispatcherIsPatient {
        let room = setting.renew + Duration::from_millis(500) + 8 * setting.latency;
        APausedDispatcherIsPatient {
            clean: Clean::new(setting),
            settling: setting.settling(),
            too_long: setting.lease.saturating_sub(room),
            patience: setting.timeout - setting.timeout / 20,
            pauses: Each::default(),
            workers: Each::default(),
            premises: 0,
        }
    }

    fn see_worker(&mut self, at: Instant, state: &WorkerState) {
        if let Place::Worker(index) = state.node {
            let guest = self.workers.of(index);
            let same = guest.session == state.session;
            let before = guest.welcome_since.filter(|_| same).or(Some(at));
            guest.session = state.session;
            guest.welcome_since = before.filter(|_| state.welcome);
        }
    }

    fn pause(&mut self, at: Instant, dispatcher: usize, time: Duration) {
        let pause = self.pauses.of(dispatcher);
        // Two in a row count as one: the second may come before the first is made up for.
        let began = pause
            .filter(|last| at < last.until + self.settling)
            .map_or(at, |last| last.began);
        let until = pause.map_or(at, |last| last.until).max(at + time);
        *pause = Some(Pause { began, until });
    }

    fn go_on(&mut self, at: Instant, dispatcher: usize) {
        if let Some(pause) = self.pauses.of(dispatcher)
            && at <= pause.until
        {
            pause.until = at;
            self.premises += 1;
        }
    }

    fn judge(&self, at: Instant, by: Place, worker: Place) -> Result<(), String> {
        let (Place::Dispatcher(index), Place::Worker(victim)) = (by, worker) else {
            return Ok(());
        };
        let Some(Some(Pause { began, until })) = self.pauses.get(index) else {
            return Ok(());
        };
        let soon = at < *until + self.patience && until.since(*began) < self.too_long;
        let Some(guest) = self.workers.get(victim).filter(|guest| !guest.leaving) else {
            return Ok(());
        };
        let Some(welcome_since) = guest.welcome_since.filter(|since| since <= began) else {
            return Ok(());
        };
        let free = self.clean.session_free_from(worker, by, welcome_since);
        if soon && free < *began {
            return Err(format!(
                "{by} stood still from {began:?} to {until:?} and declared {worker} dead at {at:?}"
            ));
        }
        Ok(())
    }
}

impl Checker for APausedDispatcherIsPatient {
    fn promise(&self) -> &'static str {
        "P9"
    }

    fn observe(&mut self, seen: &Seen) -> Result<(), String> {
        match &seen.what {
            What::DeclaredDead { by, worker } => return self.judge(seen.at, *by, *worker),
            // These are what is judged, so they are no excuse.
            What::Struck(Fault {
                node: Place::Dispatcher(index),
                what: Trouble::Pause(time),
                ..
            }) => self.pause(seen.at, *index, *time),
            What::Over {
                node: Place::Dispatcher(index),
            } => self.go_on(seen.at, *index),
            What::Twisted {
                on: Occasion::Waking(Place::Dispatcher(_)),
                ..
            } => {}
            What::Leaving {
                node: Place::Worker(index),
                ..
            } => self.workers.of(*index).leaving = true,
            What::Worker(state) => self.see_worker(seen.at, state),
            What::Arrived(Place::Worker(index)) => {
                *self.workers.of(*index) = Guest::default();
                self.clean.observe(seen);
            }
            What::Healed => {
                for index in 0..self.pauses.iter().count() {
                    self.go_on(seen.at, index);
                }
                self.clean.observe(seen);
            }
            _ => self.clean.observe(seen),
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

    /// D0 stands still from 30 s to 35 s.
    fn paused(history: History) -> History {
        history
            .see(What::Worker(worker(W0)))
            .at(30_000)
            .struck(D0, Trouble::Pause(Duration::from_secs(5)))
            .at(35_000)
            .see(What::Over { node: D0 })
    }

    fn dead(worker: Place) -> What {
        What::DeclaredDead { by: D0, worker }
    }

    fn judge(history: History) -> Result<u64, String> {
        history.judge(&mut APausedDispatcherIsPatient::new(&setting()))
    }

    #[test]
    fn a_dispatcher_that_waits_a_timeout_is_patient() {
        let history = paused(History::new()).at(38_100).see(dead(W0));
        assert_eq!(judge(history), Ok(1));
    }

    #[test]
    fn a_dispatcher_that_does_not_is_named_with_its_victim() {
        for millis in [35_000, 36_000] {
            let history = paused(History::new()).at(millis).see(dead(W0));
            assert_broken(judge(history), &["D0", "W0"]);
        }
    }

    #[test]
    fn a_worker_with_troubles_of_its_own_may_be_dead() {
        let cut = paused(History::new()).struck(W0, Trouble::Cut);
        assert_eq!(judge(cut.at(36_000).see(dead(W0))), Ok(1));
    }

    #[test]
    fn a_pause_that_costs_the_lease_costs_the_sessions() {
        let history = History::new()
            .see(What::Worker(worker(W0)))
            .at(30_000)
            .struck(D0, Trouble::Pause(Duration::from_secs(12)))
            .at(42_000)
            .see(What::Over { node: D0 })
            .see(dead(W0));
        assert_eq!(judge(history), Ok(1));
    }
}
