//! R6: an adoption is of the present attempt, by a newer session than the last, and names the
//! worker at which the attempt is.

use std::collections::BTreeMap;

use mpcsfaas_core::id::{Attempt, Incarnation, Session, TaskId, WorkerId, WorkerKey};
use mpcsfaas_core::task::Status;
use mpcsfaas_transport_sim::by_task::ByTask;
use mpcsfaas_transport_sim::history::{Ask, Row, Seat, Seen, What};
use mpcsfaas_transport_sim::place::Place;

use super::Checker;

/// Remembers whose each task is, and where it started.
#[derive(Clone, Debug, Default)]
pub(super) struct AdoptionsFollowTheWorker {
    rows: ByTask<Row>,
    starts: ByTask<(Attempt, Place)>,
    places: BTreeMap<WorkerId, Place>,
    /// What the request that is being carried out would adopt and may not.
    refused: BTreeMap<TaskId, Session>,
    premises: u64,
}

impl AdoptionsFollowTheWorker {
    fn serve(&mut self, ask: &Ask) -> Result<(), String> {
        self.refused.clear();
        let Ask::Adopt { owner, tasks } = ask else {
            return Ok(());
        };
        for seat in tasks {
            self.premises += 1;
            self.look_at_worker(seat)?;
            let row = self.rows.get(&seat.task.task);
            if row.is_some_and(|row| !may_adopt(row, *owner, seat)) {
                self.refused.insert(seat.task.task, seat.session);
            }
        }
        Ok(())
    }

    fn look_at_worker(&self, seat: &Seat) -> Result<(), String> {
        let WorkerKey::Native(id) = &seat.worker else {
            return Ok(());
        };
        let named = self.places.get(id);
        match (self.starts.get(&seat.task.task), named) {
            (Some((attempt, started)), Some(named))
                if *attempt == seat.task.attempt && started != named =>
            {
                Err(format!(
                    "{} started at {started}, and is adopted as if it were at {named}",
                    seat.task
                ))
            }
            _ => Ok(()),
        }
    }

    fn see_row(&mut self, row: &Row) -> Result<(), String> {
        self.rows.insert(row.task, *row);
        match self.refused.get(&row.task) {
            Some(session) => Err(format!(
                "{} was adopted for session {session}, which was not to be: {row:?}",
                row.task
            )),
            None => Ok(()),
        }
    }
}

/// Whether an adoption may change a row, or is the repeat of one that did.
fn may_adopt(row: &Row, owner: Incarnation, seat: &Seat) -> bool {
    let again =
        row.status == Status::Running && row.owner == Some(owner) && seat.session == row.seat;
    !row.status.is_terminal()
        && row.attempt == seat.task.attempt
        && (seat.session > row.seat || again)
}

impl Checker for AdoptionsFollowTheWorker {
    fn promise(&self) -> &'static str {
        "R6"
    }

    fn observe(&mut self, seen: &Seen) -> Result<(), String> {
        match &seen.what {
            What::Worker(state) => {
                self.places.insert(state.id, state.node);
            }
            What::Started { at, task } => {
                self.starts.insert(task.task, (task.attempt, *at));
            }
            What::Served { ask, .. } => return self.serve(ask),
            What::Row(row) => return self.see_row(row),
            What::RowGone(task) => {
                self.rows.remove(task);
            }
            // A user's wish is carried out on its own.
            What::CancelAsked(_) => self.refused.clear(),
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
        history.judge(&mut AdoptionsFollowTheWorker::default())
    }

    /// D0 adopts an attempt of task 7 that started at W0, as if it were here.
    fn adopted(
        task: mpcsfaas_core::wire::message::TaskRef,
        at: Place,
        session: Session,
    ) -> History {
        let seat = Seat {
            task,
            worker: id_of(at).into(),
            session,
        };
        let tasks = vec![seat];
        let owner = owner(1);
        let running = Row {
            seat: 3,
            ..running(attempt(7, 2))
        };
        History::new()
            .see(What::Worker(worker(W0)))
            .see(What::Worker(worker(W1)))
            .row(running)
            .started(W0, attempt(7, 2))
            .served(Ask::Adopt { owner, tasks })
    }

    #[test]
    fn a_newer_session_of_the_same_worker_adopts() {
        let row = Row {
            seat: 4,
            ..running(attempt(7, 2))
        };
        assert_eq!(judge(adopted(attempt(7, 2), W0, 4).row(row)), Ok(1));
    }

    #[test]
    fn another_worker_is_named() {
        let verdict = judge(adopted(attempt(7, 2), W1, 4));
        assert_broken(verdict, &["W0", "W1", &attempt(7, 2).to_string()]);
    }

    #[test]
    fn an_older_session_and_an_older_attempt_change_nothing() {
        for (attempt_, session) in [(attempt(7, 2), 2), (attempt(7, 1), 4)] {
            assert_eq!(judge(adopted(attempt_, W0, session)), Ok(1));
            let row = running(attempt(7, 2));
            let verdict = judge(adopted(attempt_, W0, session).row(row));
            assert_broken(verdict, &["was not to be"]);
        }
    }
}
