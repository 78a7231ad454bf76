//! R4: whoever owns a task in the store knows it. The safety net, which gives back what its owner
//! does not know, is for mistakes that nobody has foreseen: no fault that is played here needs it.

use mpcsfaas_core::store::op::EndReason;
use mpcsfaas_transport_sim::history::{Seen, What};

use super::Checker;

/// Looks at the reason of each give-back.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnersKnowTheirTasks {
    given_back: u64,
}

impl Checker for OwnersKnowTheirTasks {
    fn promise(&self) -> &'static str {
        "R4"
    }

    fn observe(&mut self, seen: &Seen) -> Result<(), String> {
        let What::Row(row) = &seen.what else {
            return Ok(());
        };
        let Some(reason) = row.given_back else {
            return Ok(());
        };
        self.given_back += 1;
        match reason {
            EndReason::Unaccounted => Err(format!(
                "{} was given back by its owner, who did not know attempt {}",
                row.task, row.attempt
            )),
            EndReason::NotPlaced
            | EndReason::HandedBack
            | EndReason::NotHeld
            | EndReason::Released
            | EndReason::WorkerLost
            | EndReason::DispatcherLost => Ok(()),
        }
    }

    fn premises(&self) -> u64 {
        self.given_back
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::testing::*;

    #[test]
    fn only_the_safety_net_gives_itself_away() {
        let back = |reason| History::new().row(given_back(attempt(7, 1), reason));
        let judge = |history: History| history.judge(&mut OwnersKnowTheirTasks::default());
        assert_eq!(judge(back(EndReason::WorkerLost)), Ok(1));
        let verdict = judge(back(EndReason::Unaccounted));
        assert_broken(verdict, &[&task(7).to_string(), "did not know"]);
    }
}
