//! P5: status moves only along the table, and attempts count claims.

use mpcsfaas_core::id::Attempt;
use mpcsfaas_core::task::Status;
use mpcsfaas_transport_sim::by_task::ByTask;
use mpcsfaas_transport_sim::history::{Seen, What};

use super::Checker;

/// Remembers the last status and attempt of each task.
#[derive(Clone, Debug, Default)]
pub(super) struct StatusMovesByTheTable {
    last: ByTask<(Status, Attempt)>,
    moves: u64,
}

impl Checker for StatusMovesByTheTable {
    fn promise(&self) -> &'static str {
        "P5"
    }

    fn observe(&mut self, seen: &Seen) -> Result<(), String> {
        let row = match &seen.what {
            What::Row(row) => row,
            What::RowGone(task) => {
                self.last.remove(task);
                return Ok(());
            }
            _ => return Ok(()),
        };
        let now = (row.status, row.attempt);
        match self.last.insert(row.task, now) {
            None if now == (Status::Queued, 0) => Ok(()),
            // It was queued and claimed in one step.
            None if now == (Status::Running, 1) => {
                self.moves += 1;
                Ok(())
            }
            None => Err(format!("{} began as {now:?}", row.task)),
            Some(before) if may_follow(before, now) => {
                self.moves += u64::from(before.0 != now.0);
                Ok(())
            }
            Some(before) => Err(format!("{} went from {before:?} to {now:?}", row.task)),
        }
    }

    fn premises(&self) -> u64 {
        self.moves
    }
}

/// A claim begins an attempt; an adoption takes the last one out of the queue again.
fn may_follow((before, last): (Status, Attempt), (now, attempt): (Status, Attempt)) -> bool {
    let claimed = (before, now) == (Status::Queued, Status::Running) && attempt == last + 1;
    let moved = before == now || before.may_become(now);
    claimed || (moved && attempt == last)
}

#[cfg(test)]
mod tests {
    use mpcsfaas_core::task::FailureKind;
    use mpcsfaas_transport_sim::history::Row;

    use super::*;
    use crate::checkers::testing::*;

    fn judge(rows: &[Row]) -> Result<u64, String> {
        let history = rows
            .iter()
            .fold(History::new(), |history, row| history.row(*row));
        history.judge(&mut StatusMovesByTheTable::default())
    }

    #[test]
    fn a_task_may_be_claimed_given_back_adopted_and_ended() {
        let life = [
            queued(attempt(7, 0)),
            running(attempt(7, 1)),
            queued(attempt(7, 1)),
            running(attempt(7, 1)),
            running(attempt(7, 1)),
            queued(attempt(7, 1)),
            running(attempt(7, 2)),
            completed(attempt(7, 2)),
        ];
        assert_eq!(judge(&life), Ok(6));
    }

    #[test]
    fn a_task_may_be_claimed_in_the_step_that_queued_it() {
        assert_eq!(judge(&[running(attempt(7, 1))]), Ok(1));
    }

    #[test]
    fn what_the_table_does_not_have_is_named() {
        let begun = queued(attempt(7, 0));
        let broken: [&[Row]; 6] = [
            &[running(attempt(7, 2))],
            &[begun, running(attempt(7, 2))],
            &[begun, queued(attempt(7, 1))],
            &[begun, running(attempt(7, 1)), running(attempt(7, 2))],
            &[begun, running(attempt(7, 1)), queued(attempt(7, 0))],
            &[
                begun,
                failed(attempt(7, 0), FailureKind::Cancelled),
                running(attempt(7, 1)),
            ],
        ];
        for rows in broken {
            assert_broken(judge(rows), &[&task(7).to_string()]);
        }
    }
}
