//! P1, on the way: a task gets on. It is not handed from one to the other without ever being run.

use mpcsfaas_core::id::Attempt;
use mpcsfaas_transport_sim::by_task::ByTask;
use mpcsfaas_transport_sim::history::{Seen, What};

use super::Checker;

/// So many claims in a row may come to nothing. Trouble undoes a few; a loop has no end.
const VAIN: u32 = 10;

/// Counts the claims of each task since it was last started.
#[derive(Clone, Debug, Default)]
pub(super) struct ClaimsLeadToStarts {
    tasks: ByTask<Vain>,
    claims: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Vain {
    attempt: Attempt,
    claims: u32,
}

impl Checker for ClaimsLeadToStarts {
    fn promise(&self) -> &'static str {
        "P1"
    }

    fn observe(&mut self, seen: &Seen) -> Result<(), String> {
        match &seen.what {
            What::Row(row) => {
                let mut vain = self.tasks.get(&row.task).copied().unwrap_or_default();
                if row.attempt > vain.attempt {
                    vain.attempt = row.attempt;
                    vain.claims += 1;
                    self.claims += 1;
                    self.tasks.insert(row.task, vain);
                }
                if vain.claims > VAIN {
                    return Err(format!(
                        "{} was claimed {} times without being started",
                        row.task, vain.claims
                    ));
                }
            }
            What::Started { task, .. } => {
                let attempt = task.attempt;
                self.tasks.insert(task.task, Vain { attempt, claims: 0 });
            }
            What::RowGone(task) => {
                self.tasks.remove(task);
            }
            _ => {}
        }
        Ok(())
    }

    fn premises(&self) -> u64 {
        self.claims
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::testing::*;

    fn judge(history: History) -> Result<u64, String> {
        history.judge(&mut ClaimsLeadToStarts::default())
    }

    fn claimed(history: History, attempts: std::ops::RangeInclusive<Attempt>) -> History {
        attempts.fold(history, |history, number| {
            history.row(running(attempt(7, number)))
        })
    }

    #[test]
    fn a_task_that_is_only_handed_around_is_named() {
        assert_eq!(judge(claimed(History::new(), 1..=VAIN)), Ok(10));
        let verdict = judge(claimed(History::new(), 1..=VAIN + 1));
        assert_broken(verdict, &[&task(7).to_string(), "without being started"]);
    }

    #[test]
    fn a_start_ends_the_count() {
        let history = claimed(History::new(), 1..=VAIN).started(W0, attempt(7, VAIN));
        assert_eq!(judge(claimed(history, VAIN + 1..=2 * VAIN)), Ok(20));
    }
}
