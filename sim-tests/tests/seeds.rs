//! Five hundred seeds of trouble over dispatchers, workers and store.

use mpcsfaas_sim_tests::run::{run, run_seed};
use mpcsfaas_transport_sim::{Knobs, World};

#[test]
fn a_world_without_faults_runs_every_task_once() {
    let mut world = World::new(Knobs::calm(), 1);
    run(&mut world).unwrap_or_else(|violation| panic!("{violation}"));
    assert!(world.store().tasks().all(|(_, row)| row.attempt == 1));
}

#[test]
fn five_hundred_seeds_keep_every_promise() {
    let first = 1;
    for seed in first..first + 500 {
        if let Err(violation) = run_seed(seed) {
            panic!("seed {seed}: {violation}");
        }
    }
}

/// Prints the whole story of one seed: `SEED=7 cargo test -p mpcsfaas-sim-tests replay -- --nocapture`.
#[test]
fn replay() {
    let Some(seed) = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()) else { return };
    let mut world = World::new(Knobs::swarm(seed), seed);
    world.record();
    let result = run(&mut world);
    for line in world.trace() {
        eprintln!("{line}");
    }
    if let Err(violation) = result {
        panic!("seed {seed}: {violation}\n{:?}", world.knobs);
    }
}
