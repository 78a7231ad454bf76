//! P3: only the current attempt commits. A scripted child returns its attempt's own name.

use mpcsfaas_core::task::Status;
use mpcsfaas_transport_sim::history::{Seen, What};

use super::Checker;

/// Compares a committed result with the attempt that the row says is current.
#[derive(Clone, Debug, Default)]
pub(super) struct OnlyTheCurrentAttemptCommits {
    committed: u64,
}

impl Checker for OnlyTheCurrentAttemptCommits {
    fn promise(&self) -> &'static str {
        "P3"
    }

    fn observe(&mut self, seen: &Seen) -> Result<(), String> {
        let What::Row(row) = &seen.what else {
            return Ok(());
        };
        // The original's rows know no attempts.
        let (Status::Completed, Some(ended), 1..) = (row.status, row.outcome, row.attempt) else {
            return Ok(());
        };
        self.committed += 1;
        let (task, current) = (row.task, row.attempt);
        match ended.result_of {
            Some(attempt) if attempt == current => Ok(()),
            Some(attempt) => Err(format!(
                "{task} is at attempt {current} with the result of attempt {attempt}"
            )),
            None => Err(format!(
                "{task} is at attempt {current} with nobody's result"
            )),
        }
    }

    fn premises(&self) -> u64 {
        self.committed
    }
}

#[cfg(test)]
mod tests {
    use mpcsfaas_transport_sim::history::Row;

    use super::*;
    use crate::checkers::testing::*;

    #[test]
    fn the_current_attempt_may_commit() {
        let history = History::new().row(completed(attempt(7, 2)));
        let mut checker = OnlyTheCurrentAttemptCommits::default();
        assert_eq!(history.judge(&mut checker), Ok(1));
    }

    #[test]
    fn an_earlier_attempt_may_not() {
        let row = Row {
            attempt: 3,
            ..completed(attempt(7, 2))
        };
        let mut checker = OnlyTheCurrentAttemptCommits::default();
        let verdict = History::new().row(row).judge(&mut checker);
        assert_broken(verdict, &[&task(7).to_string(), "attempt 3", "attempt 2"]);
    }
}
