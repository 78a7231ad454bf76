//! R4: whoever renewed its lease in time keeps its tasks.

use std::collections::BTreeMap;
use std::time::Duration;

use mpcsfaas_core::id::Incarnation;
use mpcsfaas_core::store::op::EndReason;
use mpcsfaas_core::task::Status;
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::by_task::ByTask;
use mpcsfaas_transport_sim::history::{Row, Seen, What};
use mpcsfaas_transport_sim::place::Place;
use mpcsfaas_transport_sim::plan::{Fault, Trouble};

use super::{Checker, Setting};

/// The store's clock shows whole milliseconds.
const TICK: Duration = Duration::from_millis(1);

/// Remembers who renewed its lease when, and who owns what.
#[derive(Clone, Debug)]
pub(super) struct LeasesAreKept {
    lease: Duration,
    leased: BTreeMap<Incarnation, Instant>,
    owners: ByTask<Incarnation>,
    /// Whether the store's clock shows world time, but for jumps that are over.
    steady: bool,
    premises: u64,
}

impl LeasesAreKept {
    pub(super) fn new(setting: &Setting) -> LeasesAreKept {
        LeasesAreKept {
            lease: setting.lease,
            leased: BTreeMap::new(),
            owners: ByTask::default(),
            steady: true,
            premises: 0,
        }
    }

    fn see_row(&mut self, at: Instant, row: &Row) -> Result<(), String> {
        let before = self.owners.get(&row.task).copied();
        match row.owner.filter(|_| row.status == Status::Running) {
            Some(owner) => self.owners.insert(row.task, owner),
            None => self.owners.remove(&row.task),
        };
        let Some(owner) = before.filter(|_| row.given_back == Some(EndReason::DispatcherLost))
        else {
            return Ok(());
        };
        self.premises += 1;
        match self.leased.get(&owner) {
            Some(leased) if self.steady && at + TICK < *leased + self.lease => Err(format!(
                "{} was taken from {owner}, whose lease of {leased:?} is not over",
                row.task
            )),
            Some(_) | None => Ok(()),
        }
    }
}

impl Checker for LeasesAreKept {
    fn promise(&self) -> &'static str {
        "R4"
    }

    fn observe(&mut self, seen: &Seen) -> Result<(), String> {
        match &seen.what {
            What::Leased(owner) => {
                self.leased.insert(*owner, seen.at);
            }
            What::Row(row) => return self.see_row(seen.at, row),
            What::RowGone(task) => {
                self.owners.remove(task);
            }
            What::Struck(Fault {
                node: Place::Store,
                what,
                ..
            }) => match what {
                // A lease may be over sooner, in world time.
                Trouble::ClockJump { .. } => self.leased.clear(),
                Trouble::ClockDrift(_) => self.steady = false,
                _ => {}
            },
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

    fn judge(history: History) -> Result<u64, String> {
        history.judge(&mut LeasesAreKept::new(&setting()))
    }

    fn owned() -> History {
        History::new()
            .at(1_000)
            .see(What::Leased(owner(1)))
            .row(running(attempt(7, 1)))
    }

    fn reaped(history: History) -> History {
        history.row(given_back(attempt(7, 1), EndReason::DispatcherLost))
    }

    #[test]
    fn a_lease_lasts_from_its_last_renewal() {
        let renewed = owned().at(4_000).see(What::Leased(owner(1)));
        assert_eq!(judge(reaped(renewed.clone().at(14_000))), Ok(1));
        let verdict = judge(reaped(renewed.at(13_000)));
        assert_broken(verdict, &[&task(7).to_string(), "not over"]);
    }

    #[test]
    fn a_store_whose_clock_was_set_is_excused() {
        let jump = Trouble::ClockJump { millis: 9_000 };
        let history = owned().at(2_000).struck(Place::Store, jump).at(3_000);
        assert_eq!(judge(reaped(history)), Ok(1));
    }
}
