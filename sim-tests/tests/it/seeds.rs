//! Two thousand seeds, new ones with each change of the code, and the calm world.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::thread::available_parallelism;

use mpcsfaas_sim_tests::campaign::{Campaign, Settings, campaign};
use mpcsfaas_sim_tests::code::{Seed, fresh_seed};
use mpcsfaas_sim_tests::run::Case;
use mpcsfaas_transport_sim::{Knobs, Mode, Tampers};

const SEEDS: u64 = 2_000;

#[test]
fn a_world_without_faults_runs_every_task_once() {
    let run = Case::of_knobs(&Knobs::calm(), 1).kept().run();
    assert_eq!(run.violation, None);
    let tasks = Knobs::calm().tasks as u64;
    assert_eq!(run.marks.dispatchers.claimed, tasks);
    assert_eq!(run.marks.workers.started, tasks);
}

#[test]
fn two_thousand_seeds_keep_every_promise_and_reach_everything() {
    let first = fresh_seed();
    let campaign = all(Mode::Swarm, first, SEEDS);
    let gaps: Vec<String> = campaign.gaps().iter().map(ToString::to_string).collect();
    assert!(
        gaps.is_empty(),
        "seeds from {first} on have not reached: {gaps:?}"
    );
}

#[test]
fn small_worlds_with_one_fault_keep_every_promise() {
    all(Mode::Lite, fresh_seed(), 300);
}

#[test]
fn large_worlds_keep_every_promise() {
    all(Mode::Performance, fresh_seed(), 4);
}

fn all(mode: Mode, first: u64, seeds: u64) -> Campaign {
    let settings = Settings {
        mode,
        seeds: first..=first + seeds - 1,
        tampers: Tampers::default(),
        threads: available_parallelism().unwrap_or(NonZeroUsize::MIN),
    };
    let campaign = campaign(&settings, |_, _| ControlFlow::Continue(()));
    let broken: Vec<String> = campaign
        .failures
        .iter()
        .map(|(seed, violation)| format!("{mode:?}, seed {}: {violation}", Seed(*seed)))
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    campaign
}
