//! Planted bugs: each is invisible in a calm world, is found by seeds that are clean without it, and
//! shrinks to a few events that anybody can read.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;
use std::time::Duration;

use mpcsfaas_sim_tests::bugs::{self, Bug};
use mpcsfaas_sim_tests::catalogue::{Settings, catalogue};
use mpcsfaas_sim_tests::run::{Case, Run};
use mpcsfaas_sim_tests::scenario_file::{self, Expect, Scenario};
use mpcsfaas_sim_tests::shrink::{Budget, shrink};
use mpcsfaas_transport_sim::{Knobs, Mode};

/// Every planted bug that wants nothing is found within so many seeds.
const SEEDS: u64 = 1_000;

/// A shrunk failure has at most so many submits, faults and twists.
const EVENTS: usize = 20;

/// Bugs that are shrunk: in each machine, and of each promise in another way.
const SHRUNK: [&str; 5] = [
    "commit-without-fence",
    "goodbye-forgotten",
    "lost-registration",
    "credit-counted-twice",
    "requeue-after-commit",
];

#[test]
fn a_calm_world_shows_none_of_them() {
    // The happy path: no fault, and never more work than there are free processes.
    let happy = Knobs {
        tasks: 20,
        longest_task: Duration::from_millis(20),
        ..Knobs::calm()
    };
    for bug in bugs::ALL {
        for seed in 1..=20 {
            let run = Case::of_knobs(&happy, seed).with(bug.tampers).run();
            assert_eq!(run.violation, None, "{} with seed {seed}", bug.name);
        }
    }
}

#[test]
fn each_is_found_by_seeds_that_are_clean_without_it() {
    let settings = Settings {
        bugs: bugs::ALL
            .into_iter()
            .filter(|bug| bug.wants.is_none())
            .collect(),
        bases: 1,
        limit: SEEDS,
        threads: available_parallelism().unwrap_or(NonZeroUsize::MIN),
    };
    let catalogue = catalogue(&settings, || {});
    let missed = catalogue.entries.iter().filter(|entry| entry.found() == 0);
    let missed: Vec<&str> = missed.map(|entry| entry.bug.name).collect();
    assert!(missed.is_empty(), "not found by {SEEDS} seeds: {missed:?}");
    assert_eq!(catalogue.control_breaks, [], "without a bug");
    assert!(catalogue.control_seeds > 0);
}

#[test]
fn what_was_found_shrinks_to_a_few_events_that_need_it() {
    for bug in SHRUNK.into_iter().filter_map(bugs::named) {
        let (seed, found) = first(bug);
        let broken = found.violation.as_ref().map(|violation| violation.promise);
        let same = |plan: &_| {
            let run = Case::of_plan(plan).with(bug.tampers).run();
            run.violation.filter(|again| Some(again.promise) == broken)
        };
        let shrunk = shrink(&found.explicit(), same, Budget::default());
        assert!(
            shrunk.violation.is_some() && shrunk.units_after <= EVENTS,
            "{}: seed {seed} is left with {} of {} events",
            bug.name,
            shrunk.units_after,
            shrunk.units_before
        );
        survives_its_file(bug, &shrunk.plan, broken.unwrap_or_default());
    }
}

/// The first seed that finds it, with all that was decided on the way.
fn first(bug: Bug) -> (u64, Run) {
    let finds = |seed: &u64| {
        let run = Case::of_seed(Mode::Swarm, *seed).with(bug.tampers).run();
        run.violation.is_some()
    };
    let seed = (1..=SEEDS).find(finds);
    let seed = seed.unwrap_or_else(|| panic!("{} is not found by {SEEDS} seeds", bug.name));
    let case = Case::of_seed(Mode::Swarm, seed).with(bug.tampers);
    (seed, case.recorded().run())
}

/// What was written to a file is the same failure with the bug, and none without it.
fn survives_its_file(bug: Bug, plan: &mpcsfaas_transport_sim::Plan, promise: &'static str) {
    let scenario = Scenario {
        name: bug.name.to_owned(),
        plan: plan.clone(),
        expect: Expect::Breaks(promise),
    };
    let read = scenario_file::read(&scenario_file::write(&scenario)).expect("its own file");
    assert_eq!(read, scenario);
    let broken = Case::of_plan(&read.plan).with(bug.tampers).run().violation;
    assert_eq!(broken.map(|violation| violation.promise), Some(promise));
    let control = Case::of_plan(&read.plan).run().violation;
    assert_eq!(control, None, "{} without it", bug.name);
}
