//! R14: a loss is marked when a task is given back for it, charged once at the next claim, and
//! erased by an adoption; a task with three is not run again.

use mpcsfaas_core::task::{FailureKind, Status};
use mpcsfaas_transport_sim::by_task::ByTask;
use mpcsfaas_transport_sim::history::{Row, Seen, What};

use super::Checker;

/// The count that fails a task.
const MAX_LOSSES: u32 = 3;

/// Remembers the last row of each task.
#[derive(Clone, Debug, Default)]
pub(super) struct LossesAreCounted {
    rows: ByTask<Row>,
    charged: u64,
}

impl LossesAreCounted {
    fn follow(&mut self, before: &Row, now: &Row) -> Result<(), String> {
        // The original's rows know no attempts.
        if now.attempt == 0 {
            return Ok(());
        }
        let claimed = now.attempt > before.attempt;
        let charged = before.losses + u32::from(before.marked);
        let too_many = now.outcome.and_then(|end| end.failure) == Some(FailureKind::WorkerLost);
        let losses = match claimed || too_many {
            true => charged,
            false => before.losses,
        };
        self.charged += u64::from(losses > before.losses);
        let marked = match (before.status, now.status) {
            (_, Status::Queued) => {
                before.marked || now.given_back.is_some_and(|reason| reason.is_loss())
            }
            // A repeated adoption, or a note of where it runs.
            (Status::Running, Status::Running) => now.marked && before.marked,
            (_, Status::Running | Status::Completed | Status::Failed) => false,
        };
        let found = (now.losses, now.marked);
        if found != (losses, marked) {
            return Err(format!(
                "{} has (losses, marked) = {found:?} and not {:?}",
                now.task,
                (losses, marked)
            ));
        }
        match now.status == Status::Running && claimed && losses >= MAX_LOSSES {
            true => Err(format!("{} runs again after {losses} losses", now.task)),
            false => Ok(()),
        }
    }
}

impl Checker for LossesAreCounted {
    fn promise(&self) -> &'static str {
        "R14"
    }

    fn observe(&mut self, seen: &Seen) -> Result<(), String> {
        match &seen.what {
            What::Row(row) => match self.rows.insert(row.task, *row) {
                Some(before) => self.follow(&before, row),
                None => Ok(()),
            },
            What::RowGone(task) => {
                self.rows.remove(task);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn premises(&self) -> u64 {
        self.charged
    }
}

#[cfg(test)]
mod tests {
    use mpcsfaas_core::store::op::EndReason;

    use super::*;
    use crate::checkers::testing::*;

    fn judge(rows: &[Row]) -> Result<u64, String> {
        let history = rows
            .iter()
            .fold(History::new(), |history, row| history.row(*row));
        history.judge(&mut LossesAreCounted::default())
    }

    fn with_losses(losses: u32, row: Row) -> Row {
        Row { losses, ..row }
    }

    #[test]
    fn a_loss_is_charged_once_and_an_adoption_erases_its_mark() {
        let lost = given_back(attempt(7, 1), EndReason::WorkerLost);
        let life = [
            queued(attempt(7, 0)),
            running(attempt(7, 1)),
            lost,
            running(attempt(7, 1)),
            lost,
            with_losses(1, running(attempt(7, 2))),
            with_losses(1, given_back(attempt(7, 2), EndReason::HandedBack)),
            with_losses(1, running(attempt(7, 3))),
            with_losses(1, completed(attempt(7, 3))),
        ];
        assert_eq!(judge(&life), Ok(1));
    }

    #[test]
    fn a_loss_that_is_forgotten_or_made_up_is_named() {
        let lost = given_back(attempt(7, 1), EndReason::DispatcherLost);
        let unmarked = Row {
            marked: false,
            ..lost
        };
        let broken: [&[Row]; 5] = [
            &[running(attempt(7, 1)), unmarked],
            &[lost, running(attempt(7, 2))],
            &[lost, with_losses(2, running(attempt(7, 2)))],
            &[
                queued(attempt(7, 0)),
                with_losses(1, running(attempt(7, 1))),
            ],
            &[
                with_losses(3, given_back(attempt(7, 3), EndReason::NotHeld)),
                with_losses(3, running(attempt(7, 4))),
            ],
        ];
        for rows in broken {
            assert_broken(judge(rows), &[&task(7).to_string()]);
        }
    }
}
