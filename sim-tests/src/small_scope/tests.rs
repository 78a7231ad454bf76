//! What the search lives on: moves that are left out come to the same, and threads change nothing.

use std::collections::BTreeSet;
use std::num::{NonZeroU128, NonZeroUsize};

use super::moves::{Choice, Kind, Move, choices};
use super::scope::Fault;
use super::state::Pools;
use super::step::{Step, moves};
use super::*;

/// The keys of all states that may follow at this instant and in which nothing is due; and how many
/// states were visited.
fn still_states(
    scope: &Scope,
    from: &State,
    tried: fn(&Scope, &State) -> Vec<Move>,
) -> (BTreeSet<NonZeroU128>, usize) {
    let pools = Pools::default();
    let mut known = BTreeSet::new();
    let mut still = BTreeSet::new();
    let mut ahead = vec![from.clone()];
    while let Some(mut state) = ahead.pop() {
        let due = |choice: &Choice| choice.kind == Kind::Due;
        if !choices(scope, &state).iter().any(due) {
            still.insert(state.key(&pools));
        }
        for step in tried(scope, &state) {
            if !matches!(step, Move::Time(_)) {
                let mut next = Step::new(scope, &state, step);
                if known.insert(next.key(&pools)) {
                    ahead.push(next.judge_once(&pools).unwrap());
                }
            }
        }
    }
    (still, known.len())
}

fn every_move(scope: &Scope, state: &State) -> Vec<Move> {
    let all = choices(scope, state);
    all.into_iter().map(|choice| choice.step).collect()
}

/// The same still states are reached by the reduced moves and by all.
#[track_caller]
fn comes_to_the_same(scope: &Scope) {
    let start = fair::begin(scope, State::new(scope));
    let (some, fewer) = still_states(scope, &start, moves);
    let (all, visited) = still_states(scope, &start, every_move);
    assert_eq!(some, all);
    assert!(all.len() > 1 && fewer <= visited);
    // Without a fault there is little to leave out at this instant.
    assert!(scope.faults == Faults::NONE || fewer < visited);
}

#[test]
fn orders_that_are_left_out_come_to_the_same() {
    let small = Scope {
        tasks: 1,
        faults: Faults::NONE,
        ..Scope::default()
    };
    comes_to_the_same(&small);
    comes_to_the_same(&Scope {
        dispatchers: 2,
        ..small
    });
    comes_to_the_same(&Scope { tasks: 2, ..small });
    for kind in [Fault::Cut, Fault::Crash, Fault::Pause, Fault::Leave] {
        let mut faults = Faults::NONE;
        (*faults.of(kind), faults.in_all) = (1, 1);
        comes_to_the_same(&Scope { faults, ..small });
    }
}

#[test]
fn threads_change_nothing() {
    let limits = |threads| Limits {
        depth: 9,
        time: None,
        states: u64::MAX,
        ends: 10,
        threads: NonZeroUsize::new(threads).unwrap(),
    };
    let one = exhaust(&Scope::default(), &limits(1));
    let two = exhaust(&Scope::default(), &limits(2));
    assert_eq!(one.levels, two.levels);
    assert_eq!(one.counterexample, None);
    assert_eq!(one.depth(), 9);
}
