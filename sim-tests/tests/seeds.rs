//! Five hundred seeds of trouble over dispatchers, workers and store. `SEEDS=4000` runs more of them;
//! `cargo run -p mpcsfaas-sim-tests --example replay -- SEED` tells the story of one.

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
    let seeds = std::env::var("SEEDS")
        .ok()
        .and_then(|seeds| seeds.parse().ok())
        .unwrap_or(500);
    let broken: Vec<String> = (1..=seeds)
        .filter_map(|seed| Some(format!("seed {seed}: {}", run_seed(seed).err()?)))
        .collect();
    assert!(
        broken.is_empty(),
        "{} of {seeds}:\n{}",
        broken.len(),
        broken.join("\n")
    );
}
