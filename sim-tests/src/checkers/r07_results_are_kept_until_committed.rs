//! R7: a worker keeps a result until it is acknowledged, and that is when the store has it, or has
//! no use for it any more.

use mpcsfaas_core::id::Attempt;
use mpcsfaas_core::task::Status;
use mpcsfaas_transport_sim::by_task::ByTask;
use mpcsfaas_transport_sim::history::{Seen, What};

use super::Checker;

/// Compares each acknowledgement with the row.
#[derive(Clone, Debug, Default)]
pub(super) struct ResultsAreKeptUntilCommitted {
    rows: ByTask<(Status, Attempt)>,
    acknowledged: u64,
}

impl Checker for ResultsAreKeptUntilCommitted {
    fn promise(&self) -> &'static str {
        "R7"
    }

    fn observe(&mut self, seen: &Seen) -> Result<(), String> {
        match &seen.what {
            What::Row(row) => {
                self.rows.insert(row.task, (row.status, row.attempt));
            }
            What::RowGone(task) => {
                self.rows.remove(task);
            }
            What::Acknowledged { by, results } => {
                for result in results {
                    self.acknowledged += 1;
                    let waits = |(status, attempt): &(Status, Attempt)| {
                        !status.is_terminal() && *attempt == result.attempt
                    };
                    if self.rows.get(&result.task).is_some_and(waits) {
                        return Err(format!(
                            "{by} let go of the result of {result}, which the store has not got"
                        ));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn premises(&self) -> u64 {
        self.acknowledged
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::testing::*;

    fn judge(history: History) -> Result<u64, String> {
        history.judge(&mut ResultsAreKeptUntilCommitted::default())
    }

    fn acknowledged(history: History) -> History {
        history.see(What::Acknowledged {
            by: D0,
            results: vec![attempt(7, 1)],
        })
    }

    #[test]
    fn a_result_is_let_go_once_its_row_has_ended_or_moved_on() {
        let unknown = History::new();
        assert_eq!(judge(acknowledged(unknown)), Ok(1));
        let ended = History::new().row(completed(attempt(7, 1)));
        assert_eq!(judge(acknowledged(ended)), Ok(1));
        let moved = History::new().row(running(attempt(7, 2)));
        assert_eq!(judge(acknowledged(moved)), Ok(1));
    }

    #[test]
    fn a_result_that_the_store_has_not_got_is_named() {
        for row in [running(attempt(7, 1)), queued(attempt(7, 1))] {
            let verdict = judge(acknowledged(History::new().row(row)));
            assert_broken(verdict, &["D0", &attempt(7, 1).to_string()]);
        }
    }
}
