//! The simulation of the drivers: a seed is the same run each time, and planted mistakes are found.
#![cfg(madsim)]

use std::time::Duration;

use mpcsfaas_core::time::Instant;
use mpcsfaas_sim_drivers::bugs::Bug;
use mpcsfaas_sim_drivers::run::{Case, Run};
use mpcsfaas_transport_sim::plan::{Fault, Trouble};
use mpcsfaas_transport_sim::{Knobs, Place};

/// Within so many seeds each planted mistake is found.
const SEEDS: u64 = 60;

fn shown(run: &Run) -> (u64, u64, u64, Option<String>) {
    let violation = run.violation.as_ref().map(ToString::to_string);
    (run.hash, run.events, run.ended_at.as_nanos(), violation)
}

#[test]
fn a_seed_is_the_same_run_each_time() {
    for seed in 0..30 {
        let (first, second) = (Case::of_seed(seed).run(), Case::of_seed(seed).run());
        assert_eq!(shown(&first), shown(&second), "seed {seed}");
        assert!(first.events > 0);
    }
}

#[test]
fn runs_at_the_same_time_do_not_touch_each_other() {
    let alone: Vec<_> = (0..8)
        .map(|seed| shown(&Case::of_seed(seed).run()))
        .collect();
    let threads: Vec<_> = (0..8)
        .map(|seed| std::thread::spawn(move || shown(&Case::of_seed(seed).run())))
        .collect();
    for (thread, alone) in threads.into_iter().zip(alone) {
        assert_eq!(thread.join().expect("a run"), alone);
    }
}

#[test]
fn a_story_changes_nothing() {
    let (told, untold) = (Case::of_seed(3).told().run(), Case::of_seed(3).run());
    assert_eq!(shown(&told), shown(&untold));
    assert!(!told.story.is_empty() && untold.story.is_empty());
}

/// A server may let a driver in and then end the connection at each request, as a replica does. The
/// task that owns the connection once took each for a good one, and began anew with the shortest pause.
#[test]
fn a_store_that_lets_in_and_turns_away_makes_no_storm() {
    let mut knobs = Knobs::calm();
    knobs.trouble = Duration::from_secs(40);
    let mut plan = knobs.draw(1);
    // One in three is such a store.
    let cut = |second| Fault {
        at: Instant::ZERO + Duration::from_secs(second),
        node: Place::Dispatcher(0),
        what: Trouble::StoreCut(Duration::from_secs(3)),
    };
    plan.faults = (1..8).map(|number| cut(5 * number)).collect();
    let violation = Case::of_plan(plan, 1).run().violation;
    assert!(violation.is_none(), "{violation:?}");
}

/// The seed at which a mistake is found; up to there the right drivers keep all promises.
fn found(bug: Bug) -> (u64, &'static str) {
    for seed in 0..SEEDS {
        let right = Case::of_seed(seed).run().violation;
        assert!(right.is_none(), "seed {seed}, the right drivers: {right:?}");
        if let Some(violation) = Case::of_seed(seed).with(bug).run().violation {
            return (seed, violation.promise);
        }
    }
    panic!("{} is not found in {SEEDS} seeds", bug.name());
}

#[test]
fn a_driver_that_is_deaf_after_a_store_blip_is_found() {
    let (seed, promise) = found(Bug::DeafAfterBlip);
    assert!(
        ["P1", "P6", "P8"].contains(&promise),
        "seed {seed}: {promise}"
    );
}

#[test]
fn a_lost_wakeup_is_found() {
    let (seed, promise) = found(Bug::LostWakeup);
    assert!(
        ["P1", "P6", "P8"].contains(&promise),
        "seed {seed}: {promise}"
    );
}

#[test]
fn a_write_that_was_given_up_and_carried_out_is_found() {
    found(Bug::CancelledWrite);
}

#[test]
fn a_reconnect_storm_is_found() {
    let (seed, promise) = found(Bug::ReconnectStorm);
    assert_eq!(promise, "no storm", "seed {seed}");
}
