//! One step of a path: a move, its judgement, and what may come after it.

use std::any::Any;
use std::num::NonZeroU128;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::history::Seen;

use super::act::Act;
use super::moves::{Choice, Kind, Move, choices};
use super::part::digest;
use super::reduce::reduce;
use super::scope::Scope;
use super::state::{Pools, State};
use crate::run::Violation;

/// A state that a move leads to, before it has been judged.
#[derive(Debug)]
pub(super) struct Step {
    state: State,
    seen: Vec<Seen>,
    unsound: Option<Violation>,
}

/// The moves to try in a state, always in the same order.
pub(super) fn moves(scope: &Scope, state: &State) -> Vec<Move> {
    let all = choices(scope, state);
    let still = all.iter().all(|choice| choice.kind != Kind::Due);
    let time = state.next_deadline().filter(|_| still).map(Move::Time);
    let tried = reduce(state, all)
        .into_iter()
        .map(|Choice { step, .. }| step);
    tried.chain(time).collect()
}

impl Step {
    pub(super) fn new(scope: &Scope, state: &State, step: Move) -> Step {
        let gone = catch_unwind(AssertUnwindSafe(|| Act::of(scope, state, step)));
        match gone {
            Ok(act) => Step {
                unsound: act.unsound.map(|what| unsound(what, act.state.now)),
                state: act.state,
                seen: act.seen,
            },
            Err(panic) => Step {
                state: state.clone(),
                seen: Vec::new(),
                unsound: Some(unsound(panicked(panic.as_ref()), state.now)),
            },
        }
    }

    pub(super) fn key(&mut self, pools: &Pools) -> NonZeroU128 {
        self.state.key(pools)
    }

    /// The state, if no promise was broken on the way into it.
    ///
    /// # Errors
    /// The promise that was.
    pub(super) fn judge(mut self) -> Result<State, Violation> {
        if let Some(violation) = self.unsound {
            return Err(violation);
        }
        if !self.seen.is_empty() {
            self.state.judges = Arc::new(self.state.judges.after(&self.seen)?);
        }
        Ok(self.state)
    }

    /// The same. What judges have said of the same past is not asked again.
    ///
    /// # Errors
    /// The promise that was.
    pub(super) fn judge_once(mut self, pools: &Pools) -> Result<State, Violation> {
        if self.unsound.is_some() || self.seen.is_empty() {
            return self.judge();
        }
        let past = digest(&self.state.past);
        if let Some(judges) = pools.judges.get(past) {
            self.state.judges = judges;
            return Ok(self.state);
        }
        let mut state = self.judge()?;
        state.judges = pools.judges.shared(past, state.judges);
        Ok(state)
    }
}

fn unsound(what: String, at: Instant) -> Violation {
    let promise = "invariant";
    Violation { promise, what, at }
}

fn panicked(panic: &(dyn Any + Send)) -> String {
    let words = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    format!("a machine panicked: {}", words.unwrap_or("without a word"))
}
