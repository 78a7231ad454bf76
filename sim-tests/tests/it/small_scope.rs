//! Small worlds, exhaustively: all promises are kept on every path up to a depth, and each planted
//! bug that shows in so small a world is found there.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use mpcsfaas_sim_tests::bugs;
use mpcsfaas_sim_tests::small_scope::{Exhausted, Faults, Limits, Scope, exhaust};

/// From so many states of each depth a search goes on to the end. Which ones depends on how machines
/// are hashed, so a bug that breaks nothing until the end needs many.
const ENDS: usize = 40;
const MANY_ENDS: usize = 400;

fn search(scope: &Scope, depth: usize, ends: usize) -> Exhausted {
    let limits = Limits {
        depth,
        time: None,
        states: u64::MAX,
        ends,
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
    let found = search(&scope, depth, ENDS);
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
        23,
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
        16,
    );
}

#[test]
fn a_cut_a_crash_a_pause_and_a_lost_answer_break_nothing() {
    keeps_every_promise(Scope::default(), 12);
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
        12,
    );
}

#[test]
fn planted_bugs_are_found() {
    let two_of = |cuts, crashes, pauses, leaves| Faults {
        cuts,
        crashes,
        pauses,
        leaves,
        in_all: 2,
        ..Faults::NONE
    };
    let wanted = [
        ("commit-without-fence", two_of(1, 0, 1, 0), "P3"),
        ("lost-registration", two_of(0, 0, 1, 0), "P1"),
        ("credit-counted-twice", two_of(1, 1, 0, 0), "P1"),
        // The task that nobody takes back goes to and fro.
        ("goodbye-forgotten", two_of(0, 1, 0, 1), "P1"),
    ];
    for (name, faults, promise) in wanted {
        let tampers = bugs::named(name).unwrap().tampers;
        let scope = Scope {
            faults,
            ..Scope::default()
        };
        let found = search(&Scope { tampers, ..scope }, 14, MANY_ENDS);
        let broken = found.counterexample;
        let broken = broken.unwrap_or_else(|| panic!("{name} is not found"));
        let (violation, steps) = (&broken.violation, broken.steps);
        assert_eq!(violation.promise, promise, "{name}: {violation}");
        assert!(!broken.story.is_empty());
        let control = search(&scope, steps, MANY_ENDS);
        assert_eq!(control.counterexample, None, "without {name}");
    }
}
