//! R11: a dispatcher that leaves gives its lease back, if it can reach the store.

use std::time::Duration;

use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::history::{Ask, Seen, What};
use mpcsfaas_transport_sim::place::Place;
use mpcsfaas_transport_sim::plan::{Fault, Trouble};

use super::clean::Clean;
use super::each::Each;
use super::{Checker, Setting};

/// Remembers who is leaving, and who has asked for his lease to be ended.
#[derive(Clone, Debug)]
pub(super) struct LeaversRelease {
    clean: Clean,
    /// Whoever has had no trouble for so long has a lease, or knows why not.
    settled: Duration,
    dispatchers: Each<Leaver>,
    premises: u64,
}

/// What is known of one dispatcher's life.
#[derive(Clone, Copy, Debug, Default)]
struct Leaver {
    /// Since when it has been leaving, if it was out of trouble by then.
    since: Option<Instant>,
    released: bool,
}

impl LeaversRelease {
    pub(super) fn new(setting: &Setting) -> LeaversRelease {
        LeaversRelease {
            clean: Clean::new(setting),
            settled: setting.renew + setting.retrying() + setting.settling(),
            dispatchers: Each::default(),
            premises: 0,
        }
    }

    fn end(&mut self, node: Place, index: usize) -> Result<(), String> {
        let Leaver { since, released } = *self.dispatchers.of(index);
        // That it was asked to leave counts as the last trouble.
        let Some(since) = since.filter(|since| self.clean.hindered_until(node) <= *since) else {
            return Ok(());
        };
        self.premises += 1;
        match released {
            true => Ok(()),
            false => Err(format!(
                "{node} was asked to leave at {since:?}, and left without giving back its lease"
            )),
        }
    }
}

impl Checker for LeaversRelease {
    fn promise(&self) -> &'static str {
        "R11"
    }

    fn observe(&mut self, seen: &Seen) -> Result<(), String> {
        match &seen.what {
            What::Struck(Fault {
                node: node @ Place::Dispatcher(index),
                what: Trouble::Leave(_),
                ..
            }) => {
                let settled = self.clean.hindered_until(*node) + self.settled <= seen.at;
                self.dispatchers.of(*index).since = settled.then_some(seen.at);
            }
            What::Asked {
                by: Place::Dispatcher(index),
                ask: Ask::Release(_),
                ..
            } => self.dispatchers.of(*index).released = true,
            What::Ended {
                node: node @ Place::Dispatcher(index),
                by_itself: true,
            } => self.end(*node, *index)?,
            What::Arrived(Place::Dispatcher(index)) => {
                *self.dispatchers.of(*index) = Leaver::default();
            }
            _ => {}
        }
        self.clean.observe(seen);
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

    fn left(history: History) -> History {
        history.at(32_000).see(What::Ended {
            node: D0,
            by_itself: true,
        })
    }

    fn leaving(history: History) -> History {
        let leave = Trouble::Leave(Duration::from_secs(1));
        history.at(30_000).struck(D0, leave)
    }

    fn judge(history: History) -> Result<u64, String> {
        history.judge(&mut LeaversRelease::new(&setting()))
    }

    #[test]
    fn a_lease_is_given_back() {
        let history = leaving(History::new()).asked(9, Ask::Release(owner(1)));
        assert_eq!(judge(left(history)), Ok(1));
        assert_broken(judge(left(leaving(History::new()))), &["D0", "lease"]);
    }

    #[test]
    fn who_cannot_reach_the_store_lets_it_run_out() {
        let cut = Trouble::StoreCut(Duration::from_secs(8));
        let history = History::new().at(29_000).struck(D0, cut);
        assert_eq!(judge(left(leaving(history))), Ok(0));
    }
}
