//! P4: a worker never holds more tasks than the credit it gave.

use mpcsfaas_core::id::Session;
use mpcsfaas_transport_sim::history::{Seen, What, WorkerState};
use mpcsfaas_transport_sim::place::Place;

use super::Checker;
use super::each::Each;

/// Remembers the largest credit of each worker's session.
#[derive(Clone, Debug, Default)]
pub(super) struct CreditIsKept {
    workers: Each<Given>,
    held: u64,
}

/// What a worker may hold in its present session.
#[derive(Clone, Copy, Debug, Default)]
struct Given {
    session: Session,
    /// The largest credit told, or what it held already when the session began.
    most: usize,
    held: usize,
}

impl CreditIsKept {
    fn judge(&mut self, state: &WorkerState) -> Result<(), String> {
        let Place::Worker(index) = state.node else {
            return Ok(());
        };
        if state.over_credit {
            let (node, held) = (state.node, state.held);
            return Err(format!("{node} was given more than it would hold: {held}"));
        }
        let given = self.workers.of(index);
        if given.session != state.session {
            *given = Given {
                session: state.session,
                most: state.held,
                held: state.held,
            };
        }
        given.most = given.most.max(state.credit as usize);
        let grown = state.held > given.held;
        given.held = state.held;
        self.held += u64::from(grown);
        if grown && state.held > given.most {
            return Err(format!(
                "{} holds {} tasks; the most that it offered in session {} is {}",
                state.node, state.held, state.session, given.most
            ));
        }
        Ok(())
    }
}

impl Checker for CreditIsKept {
    fn promise(&self) -> &'static str {
        "P4"
    }

    fn observe(&mut self, seen: &Seen) -> Result<(), String> {
        match &seen.what {
            What::Worker(state) => self.judge(state),
            What::Arrived(Place::Worker(index)) => {
                *self.workers.of(*index) = Given::default();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn premises(&self) -> u64 {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::testing::*;

    fn holding(session: Session, held: usize, credit: u32) -> What {
        What::Worker(WorkerState {
            session,
            held,
            credit,
            ..worker(W0)
        })
    }

    #[test]
    fn a_worker_may_hold_what_it_offered_earlier_or_brought_along() {
        let history = History::new()
            .see(holding(1, 0, 8))
            .see(holding(1, 2, 3))
            .see(holding(1, 8, 3))
            .see(holding(2, 8, 3))
            .see(holding(2, 7, 3))
            .see(holding(2, 8, 3));
        assert_eq!(history.judge(&mut CreditIsKept::default()), Ok(3));
    }

    #[test]
    fn a_worker_that_got_too_much_is_named() {
        let history = History::new().see(holding(1, 2, 3)).see(holding(1, 4, 3));
        let verdict = history.judge(&mut CreditIsKept::default());
        assert_broken(verdict, &["W0 holds 4", "is 3"]);
    }

    #[test]
    fn a_worker_that_says_so_itself_is_believed() {
        let state = WorkerState {
            over_credit: true,
            ..worker(W1)
        };
        let verdict = History::new()
            .see(What::Worker(state))
            .judge(&mut CreditIsKept::default());
        assert_broken(verdict, &["W1"]);
    }
}
