//! What the search lives on: moves that are left out come to the same, and threads change nothing.

use std::collections::{BTreeSet, VecDeque};
use std::num::{NonZeroU128, NonZeroUsize};

use super::moves::{Kind, Move, choices};
use super::scope::Fault;
use super::state::Pools;
use super::step::{Step, moves};
use super::*;

/// The keys of all states that may follow at this instant and in which nothing is due.
fn still_states(
    scope: &Scope,
    from: &State,
    pools: &Pools,
    tried: fn(&Scope, &State) -> Vec<Move>,
) -> (BTreeSet<NonZeroU128>, usize) {
    let mut known = BTreeSet::new();
    let mut still = BTreeSet::new();
    let mut ahead = VecDeque::from([from.clone()]);
    while let Some(mut state) = ahead.pop_front() {
        let key = state.key(pools);
        if !known.insert(key) {
            continue;
        }
        if choices(scope, &state)
            .iter()
            .all(|choice| choice.kind != Kind::Due)
        {
            still.insert(key);
        }
        for step in tried(scope, &state) {
            if !matches!(step, Move::Time(_)) {
                ahead.push_back(Step::new(scope, &state, step).judge().unwrap());
            }
        }
    }
    (still, known.len())
}

fn every_move(scope: &Scope, state: &State) -> Vec<Move> {
    let all = choices(scope, state);
    all.into_iter().map(|choice| choice.step).collect()
}

#[test]
fn orders_that_are_left_out_come_to_the_same() {
    let none = Faults {
        in_all: 0,
        ..Faults::ONE_EACH
    };
    let only = |fault| {
        let mut faults = Faults {
            cuts: 0,
            crashes: 0,
            pauses: 0,
            losses: 0,
            leaves: 0,
            in_all: 1,
        };
        *faults.of(fault) = 1;
        faults
    };
    let kinds = [
        Fault::Cut,
        Fault::Crash,
        Fault::Pause,
        Fault::Loss,
        Fault::Leave,
    ];
    for (dispatchers, faults) in [(1, none), (2, none)]
        .into_iter()
        .chain(kinds.map(|kind| (1, only(kind))))
    {
        let scope = Scope {
            dispatchers,
            tasks: 1,
            faults,
            ..Scope::default()
        };
        let pools = Pools::default();
        let start = fair::begin(&scope, State::new(&scope));
        let (some, fewer) = still_states(&scope, &start, &pools, moves);
        let (all, visited) = still_states(&scope, &start, &pools, every_move);
        assert_eq!(all, some);
        assert!(fewer <= visited, "{fewer} of {visited}");
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
