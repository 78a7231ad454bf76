//! Small worlds, exhaustively: all promises are kept on every path up to a depth, and each planted
//! bug that shows in so small a world is found there.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use mpcsfaas_sim_tests::bugs;
use mpcsfaas_sim_tests::small_scope::{Exhausted, Faults, Limits, Scope, exhaust};

fn search(scope: &Scope, depth: usize) -> Exhausted {
    let limits = Limits {
        depth,
        time: None,
        states: u64::MAX,
        ends: 40,
        threads: available_parallelism().unwrap_or(NonZeroUsize::MIN),
    };
    exhaust(scope, &limits)
}

fn at_most(in_all: u8) -> Faults {
    Faults {
        in_all,
        ..Faults::ONE_EACH
    }
}

#[track_caller]
fn keeps_every_promise(scope: Scope, depth: usize) {
    let found = search(&scope, depth);
    println!(
        "{} states to depth {depth} in {:?}",
        found.states(),
        found.took
    );
    assert_eq!(found.counterexample, None);
    assert_eq!(found.depth(), depth);
}

#[test]
fn one_fault_breaks_nothing() {
    let faults = at_most(1);
    keeps_every_promise(
        Scope {
            faults,
            ..Scope::default()
        },
        20,
    );
}

#[test]
fn two_faults_break_nothing() {
    let faults = at_most(2);
    keeps_every_promise(
        Scope {
            faults,
            ..Scope::default()
        },
        14,
    );
}

#[test]
fn a_cut_a_crash_a_pause_and_a_lost_answer_break_nothing() {
    keeps_every_promise(Scope::default(), 11);
}

#[test]
fn with_two_dispatchers_nothing_breaks() {
    let dispatchers = 2;
    let faults = at_most(2);
    keeps_every_promise(
        Scope {
            dispatchers,
            faults,
            ..Scope::default()
        },
        10,
    );
}

#[test]
fn planted_bugs_are_found() {
    let only = |cuts, pauses, leaves| Faults {
        cuts,
        crashes: 0,
        pauses,
        losses: 0,
        leaves,
        in_all: cuts + pauses + leaves,
    };
    let wanted = [
        ("commit-without-fence", only(1, 1, 0), 14, "P3"),
        ("lost-registration", only(0, 1, 0), 2, "P1"),
        ("goodbye-forgotten", only(1, 0, 1), 14, "P1"),
    ];
    for (name, faults, depth, promise) in wanted {
        let tampers = bugs::named(name).unwrap().tampers;
        let scope = Scope {
            faults,
            ..Scope::default()
        };
        let found = search(&Scope { tampers, ..scope }, depth);
        let broken = found
            .counterexample
            .unwrap_or_else(|| panic!("{name} is not found"));
        assert_eq!(
            broken.violation.promise, promise,
            "{name}: {}",
            broken.violation
        );
        let control = search(&scope, broken.steps);
        assert_eq!(control.counterexample, None, "without {name}");
    }
}
