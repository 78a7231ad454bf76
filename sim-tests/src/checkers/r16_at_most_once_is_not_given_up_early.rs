//! R16: an at-most-once task fails as lost only where its attempt may have started: what was not
//! placed, was handed back or was not held is run.

use mpcsfaas_core::task::FailureKind;
use mpcsfaas_transport_sim::history::{Seen, What};

use super::Checker;

/// Looks at the reason of each task that the store calls lost.
#[derive(Clone, Debug, Default)]
pub(super) struct AtMostOnceIsNotGivenUpEarly {
    lost: u64,
}

impl Checker for AtMostOnceIsNotGivenUpEarly {
    fn promise(&self) -> &'static str {
        "R16"
    }

    fn observe(&mut self, seen: &Seen) -> Result<(), String> {
        let What::Row(row) = &seen.what else {
            return Ok(());
        };
        let failure = row.outcome.and_then(|ended| ended.failure);
        if failure != Some(FailureKind::Lost) {
            return Ok(());
        }
        self.lost += 1;
        match row.given_back {
            // A worker whose time to leave is over says so itself.
            None => Ok(()),
            Some(reason) if reason.may_have_started() => Ok(()),
            Some(reason) => Err(format!(
                "{} was given up as lost, although it was given back as {reason:?}",
                row.task
            )),
        }
    }

    fn premises(&self) -> u64 {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use mpcsfaas_core::store::op::EndReason;
    use mpcsfaas_transport_sim::history::Row;

    use super::*;
    use crate::checkers::testing::*;

    #[test]
    fn what_had_not_started_is_not_lost() {
        let judge = |reason| {
            let row = Row {
                given_back: reason,
                ..failed(attempt(7, 1), FailureKind::Lost)
            };
            let history = History::new().row(row);
            history.judge(&mut AtMostOnceIsNotGivenUpEarly::default())
        };
        assert_eq!(judge(Some(EndReason::WorkerLost)), Ok(1));
        assert_eq!(judge(None), Ok(1));
        let verdict = judge(Some(EndReason::HandedBack));
        assert_broken(verdict, &[&task(7).to_string(), "HandedBack"]);
    }
}
