//! P2: a terminal result never changes.

use mpcsfaas_core::task::Status;
use mpcsfaas_transport_sim::by_task::ByTask;
use mpcsfaas_transport_sim::history::{Ended, Row, Seen, What};

use super::Checker;

/// Remembers how each task ended first.
#[derive(Clone, Debug, Default)]
pub(super) struct ResultsDoNotChange {
    ended: ByTask<(Status, Ended)>,
}

impl Checker for ResultsDoNotChange {
    fn promise(&self) -> &'static str {
        "P2"
    }

    fn observe(&mut self, seen: &Seen) -> Result<(), String> {
        let What::Row(row) = &seen.what else {
            return Ok(());
        };
        let Row { task, status, .. } = row;
        let before = self.ended.get(task);
        match (before, row.outcome) {
            (Some(before), Some(now)) if *before == (*status, now) => Ok(()),
            (Some(before), now) => Err(format!(
                "{task} had ended as {before:?} and is now {status}, {now:?}"
            )),
            (None, Some(now)) if status.is_terminal() => {
                self.ended.insert(*task, (*status, now));
                Ok(())
            }
            (None, None) if !status.is_terminal() => Ok(()),
            (None, now) => Err(format!("{task} is {status} with {now:?}")),
        }
    }

    fn premises(&self) -> u64 {
        self.ended.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use mpcsfaas_core::task::FailureKind;

    use super::*;
    use crate::checkers::testing::*;

    fn ended() -> History {
        History::new()
            .row(running(attempt(7, 2)))
            .row(completed(attempt(7, 2)))
    }

    #[test]
    fn a_row_may_be_written_again_as_it_was() {
        let history = ended().row(completed(attempt(7, 2)));
        assert_eq!(history.judge(&mut ResultsDoNotChange::default()), Ok(1));
    }

    #[test]
    fn another_result_for_the_same_task_is_named() {
        let others = [
            completed(attempt(7, 3)),
            failed(attempt(7, 2), FailureKind::Lost),
            queued(attempt(7, 2)),
        ];
        for row in others {
            let verdict = ended().row(row).judge(&mut ResultsDoNotChange::default());
            assert_broken(verdict, &[&task(7).to_string(), "had ended"]);
        }
    }

    #[test]
    fn an_outcome_and_a_terminal_state_come_together() {
        let without = Row {
            outcome: None,
            ..completed(attempt(7, 1))
        };
        let early = Row {
            status: Status::Running,
            ..completed(attempt(7, 1))
        };
        for row in [without, early] {
            let verdict = History::new()
                .row(row)
                .judge(&mut ResultsDoNotChange::default());
            assert_broken(verdict, &[&task(7).to_string()]);
        }
    }
}
