//! P1: an accepted task reaches exactly one terminal state, whatever crashes, once faults end.

use std::time::Duration;

use mpcsfaas_core::store::op::Submitted;
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::by_task::Tasks;
use mpcsfaas_transport_sim::history::{End, Seen, What};

use super::{Checker, Setting};

/// Remembers what was accepted, and asks at the end what still waits.
#[derive(Clone, Debug)]
pub(super) struct EveryTaskEnds {
    recovery: Duration,
    rows: Tasks,
    accepted: Tasks,
    last_accepted: Instant,
}

impl EveryTaskEnds {
    pub(super) fn new(setting: &Setting) -> EveryTaskEnds {
        EveryTaskEnds {
            recovery: setting.recovery(),
            rows: Tasks::default(),
            accepted: Tasks::default(),
            last_accepted: Instant::ZERO,
        }
    }
}

impl Checker for EveryTaskEnds {
    fn promise(&self) -> &'static str {
        "P1"
    }

    fn observe(&mut self, seen: &Seen) -> Result<(), String> {
        match &seen.what {
            // A row begins without an attempt, or with the first.
            What::Row(row) if row.attempt <= 1 => {
                self.rows.insert(row.task);
            }
            What::RowGone(task) => {
                self.rows.remove(task);
                if self.accepted.contains(task) {
                    return Err(format!("{task} was accepted, and its row is gone"));
                }
            }
            What::Answered {
                task,
                answer: Submitted::Accepted,
            } => {
                self.accepted.insert(*task);
                self.last_accepted = seen.at;
                if !self.rows.contains(task) {
                    return Err(format!("{task} was accepted, and has no row"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self, end: &End) -> Result<(), String> {
        if let Some((task, waits)) = end.waits.first() {
            let others = end.waits.len() - 1;
            return Err(format!(
                "{task} still waits: {waits:?} ({others} more wait)"
            ));
        }
        let since = end.healed_at.max(self.last_accepted);
        match end.done_at {
            Some(done_at) if done_at > since + self.recovery => Err(format!(
                "the last task ended at {done_at:?}, more than {:?} after {since:?}",
                self.recovery
            )),
            Some(_) | None => Ok(()),
        }
    }

    fn premises(&self) -> u64 {
        self.accepted.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use mpcsfaas_transport_sim::history::Waits;

    use super::*;
    use crate::checkers::testing::*;

    fn accepted() -> History {
        History::new()
            .submitted(task(7))
            .row(queued(attempt(7, 0)))
            .answered(task(7), Submitted::Accepted)
    }

    #[test]
    fn a_task_that_ended_in_time_is_well() {
        let mut checker = EveryTaskEnds::new(&setting());
        assert_eq!(accepted().judge_end(&mut checker, &end(5_000)), Ok(1));
    }

    #[test]
    fn a_task_that_waits_at_the_end_is_named_with_its_reason() {
        let end = End {
            waits: vec![(task(7), Waits::ForCredit)],
            ..end(90_000)
        };
        let verdict = accepted().judge_end(&mut EveryTaskEnds::new(&setting()), &end);
        assert_broken(verdict, &[&task(7).to_string(), "ForCredit"]);
    }

    #[test]
    fn an_accepted_task_keeps_its_row() {
        let mut checker = EveryTaskEnds::new(&setting());
        let verdict = accepted().see(What::RowGone(task(7))).judge(&mut checker);
        assert_broken(verdict, &[&task(7).to_string(), "gone"]);

        let verdict = History::new()
            .answered(task(8), Submitted::Accepted)
            .judge(&mut EveryTaskEnds::new(&setting()));
        assert_broken(verdict, &[&task(8).to_string(), "no row"]);
    }

    #[test]
    fn recovery_has_an_end() {
        let mut checker = EveryTaskEnds::new(&setting());
        let verdict = accepted().judge_end(&mut checker, &end(100_000));
        assert_broken(verdict, &["100.000000s"]);
    }
}
