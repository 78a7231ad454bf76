//! R3: a task is given back only by whoever owns it, in its present seat.

use mpcsfaas_core::id::{Incarnation, Session};
use mpcsfaas_core::task::Status;
use mpcsfaas_core::wire::message::TaskRef;
use mpcsfaas_transport_sim::by_task::ByTask;
use mpcsfaas_transport_sim::history::{Ask, GiveBack, Row, Seen, What};

use super::Checker;

/// Remembers whose each task is.
#[derive(Clone, Debug, Default)]
pub(super) struct OnlyOwnersGiveBack {
    held: ByTask<Held>,
    /// What the request that is being carried out would give back and may not.
    strangers: Vec<GiveBack>,
    premises: u64,
}

/// A RUNNING task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Held {
    task: TaskRef,
    owner: Option<Incarnation>,
    seat: Session,
}

impl OnlyOwnersGiveBack {
    fn serve(&mut self, ask: &Ask) {
        self.strangers.clear();
        let Ask::GiveBack(items) = ask else {
            return;
        };
        for item in items {
            let Some(held) = self.held.get(&item.task.task) else {
                continue;
            };
            self.premises += 1;
            if !held.is_of(item) {
                self.strangers.push(*item);
            }
        }
    }

    fn see_row(&mut self, row: &Row) -> Result<(), String> {
        let now = (row.status == Status::Running).then_some(Held {
            task: TaskRef {
                task: row.task,
                attempt: row.attempt,
            },
            owner: row.owner,
            seat: row.seat,
        });
        let before = match now {
            Some(held) => self.held.insert(row.task, held),
            None => self.held.remove(&row.task),
        };
        let stranger = self.strangers.iter().find(|s| s.task.task == row.task);
        match stranger {
            Some(stranger) if before != now => Err(format!(
                "{} has given back {} in seat {}, which is not its: {before:?}",
                stranger.owner, stranger.task, stranger.seat
            )),
            Some(_) | None => Ok(()),
        }
    }
}

impl Held {
    fn is_of(&self, item: &GiveBack) -> bool {
        *self
            == Held {
                task: item.task,
                owner: Some(item.owner),
                seat: item.seat,
            }
    }
}

impl Checker for OnlyOwnersGiveBack {
    fn promise(&self) -> &'static str {
        "R3"
    }

    fn observe(&mut self, seen: &Seen) -> Result<(), String> {
        match &seen.what {
            What::Served { ask, .. } => self.serve(ask),
            What::Row(row) => return self.see_row(row),
            What::RowGone(task) => {
                self.held.remove(task);
            }
            // A user's wish is carried out on its own.
            What::CancelAsked(_) => self.strangers.clear(),
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

    /// Task 7 is D0's, and somebody gives it back as his in this seat.
    fn given_back(owner: Incarnation, seat: Session) -> History {
        let task = attempt(7, 1);
        let item = GiveBack { task, owner, seat };
        let claimed = History::new().row(running(attempt(7, 1)));
        claimed.served(Ask::GiveBack(vec![item]))
    }

    fn judge(history: History) -> Result<u64, String> {
        history.judge(&mut OnlyOwnersGiveBack::default())
    }

    #[test]
    fn an_owner_gives_back_what_is_his() {
        let history = given_back(owner(1), 0).row(queued(attempt(7, 1)));
        assert_eq!(judge(history), Ok(1));
    }

    #[test]
    fn a_stranger_and_an_older_seat_change_nothing() {
        assert_eq!(judge(given_back(owner(2), 0)), Ok(1));
        for (owner, seat) in [(owner(2), 0), (owner(1), 3)] {
            let history = given_back(owner, seat).row(queued(attempt(7, 1)));
            assert_broken(judge(history), &[&attempt(7, 1).to_string(), "not its"]);
        }
    }
}
