//! P11: with several dispatchers a task has one owner, and no attempt starts twice. A task that
//! may run at most once starts at most once. (That a dead dispatcher's tasks come back is P1.)

use mpcsfaas_core::task::Status;
use mpcsfaas_transport_sim::by_task::{Attempts, ByTask};
use mpcsfaas_transport_sim::history::{Row, Seen, What};

use super::Checker;

/// Remembers every start, and who had each task last.
#[derive(Clone, Debug, Default)]
pub(super) struct NoAttemptStartsTwice {
    started: Attempts,
    /// Tasks that may run at most once, and whether they have started.
    once: ByTask<bool>,
    rows: ByTask<Row>,
}

impl NoAttemptStartsTwice {
    fn own(&mut self, row: &Row) -> Result<(), String> {
        let last = self.rows.insert(row.task, *row);
        // The original's rows know neither attempts nor owners.
        if row.attempt == 0 {
            return Ok(());
        }
        let Row { task, attempt, .. } = *row;
        if (row.status == Status::Running) != row.owner.is_some() && !row.status.is_terminal() {
            return Err(format!(
                "{task} is {} and owned by {:?}",
                row.status, row.owner
            ));
        }
        let Some(last) = last.filter(|last| last.attempt == attempt) else {
            return Ok(());
        };
        let moved = row.status == Status::Running && row.owner != last.owner;
        if row.seat < last.seat || (moved && row.seat <= last.seat) {
            return Err(format!(
                "{task} moved from {:?}, seat {}, to {:?}, seat {}, in attempt {attempt}",
                last.owner, last.seat, row.owner, row.seat
            ));
        }
        Ok(())
    }
}

impl Checker for NoAttemptStartsTwice {
    fn promise(&self) -> &'static str {
        "P11"
    }

    fn observe(&mut self, seen: &Seen) -> Result<(), String> {
        match &seen.what {
            What::Row(row) => self.own(row),
            What::RowGone(task) => {
                self.rows.remove(task);
                Ok(())
            }
            What::Submitted {
                task,
                at_most_once: true,
            } => {
                self.once.entry(*task).or_insert(false);
                Ok(())
            }
            What::Started { at, task } => {
                if !self.started.insert(*task) {
                    return Err(format!("{task} started again, at {at}"));
                }
                match self.once.get_mut(&task.task) {
                    Some(true) => Err(format!("at-most-once {task} started again, at {at}")),
                    Some(started) => {
                        *started = true;
                        Ok(())
                    }
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn premises(&self) -> u64 {
        self.started.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::testing::*;

    fn judge(history: History) -> Result<u64, String> {
        history.judge(&mut NoAttemptStartsTwice::default())
    }

    #[test]
    fn each_attempt_may_start_once() {
        let history = History::new()
            .started(W0, attempt(7, 1))
            .started(W1, attempt(7, 2));
        assert_eq!(judge(history), Ok(2));
    }

    #[test]
    fn an_attempt_that_starts_again_is_named() {
        let history = History::new()
            .started(W0, attempt(7, 1))
            .started(W1, attempt(7, 1));
        assert_broken(judge(history), &["W1", &attempt(7, 1).to_string()]);
    }

    #[test]
    fn an_at_most_once_task_has_one_start() {
        let history = History::new()
            .see(What::Submitted {
                task: task(7),
                at_most_once: true,
            })
            .started(W0, attempt(7, 1))
            .started(W1, attempt(7, 2));
        assert_broken(judge(history), &["at-most-once", "W1"]);
    }

    #[test]
    fn a_task_moves_to_another_owner_by_a_claim_or_a_newer_session() {
        let at = |attempt_: u32, boot, seat| Row {
            owner: Some(owner(boot)),
            seat,
            ..running(attempt(7, attempt_))
        };
        let adopted = History::new()
            .row(at(1, 1, 0))
            .row(at(1, 2, 4))
            .row(queued(attempt(7, 1)))
            .row(at(2, 3, 0));
        // A row that is given back keeps its seat.
        let kept = Row {
            seat: 4,
            ..queued(attempt(7, 1))
        };
        let kept = History::new().row(at(1, 2, 4)).row(kept).row(at(2, 3, 0));
        assert_eq!(judge(kept), Ok(0));
        assert_broken(judge(adopted), &["seat"]);
        let stolen = History::new().row(at(1, 1, 4)).row(at(1, 2, 4));
        assert_broken(judge(stolen), &[&task(7).to_string(), "moved"]);
        let nobodys = Row {
            owner: None,
            ..running(attempt(7, 1))
        };
        assert_broken(judge(History::new().row(nobodys)), &[&task(7).to_string()]);
    }
}
