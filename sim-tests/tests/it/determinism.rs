//! The same seed is the same run: twice in this process, and in another.

use std::collections::BTreeSet;
use std::process::Command;

use mpcsfaas_sim_tests::determinism;
use mpcsfaas_sim_tests::run::Case;
use mpcsfaas_transport_sim::chain::Chain;
use mpcsfaas_transport_sim::{Mode, Tampers};

#[test]
fn two_hundred_seeds_run_twice_in_the_same_way() {
    for seed in 1..=200 {
        if let Err(divergence) = determinism::check(Mode::Swarm, seed, Tampers::default()) {
            panic!("{divergence}");
        }
    }
}

#[test]
fn a_recorded_run_is_repeated_by_its_plan_alone() {
    for seed in 1..=50 {
        let drawn = Case::of_seed(Mode::Swarm, seed).recorded().run();
        let listed = Case::of_plan(&drawn.explicit()).run();
        assert_eq!(drawn.hash, listed.hash, "seed {seed}");
        assert_eq!(drawn.events, listed.events, "seed {seed}");
    }
}

#[test]
fn two_thousand_seeds_have_two_thousand_hashes() {
    let hashes: BTreeSet<u64> = (1..=2_000).map(hash).collect();
    assert_eq!(hashes.len(), 2_000);
}

/// Set in the child that the next test starts.
const CHILD: &str = "MPCSFAAS_SIM_HASHES";

#[test]
#[expect(clippy::print_stdout, reason = "the child answers its parent")]
fn another_process_runs_the_same_seeds_in_the_same_way() {
    let here = Chain::of(&(1..=100).map(hash).collect::<Vec<u64>>());
    if std::env::var_os(CHILD).is_some() {
        println!("hash of a hundred seeds: {here:016x}");
        return;
    }
    let own = std::env::current_exe().expect("this test has a file");
    let name = "determinism::another_process_runs_the_same_seeds_in_the_same_way";
    let output = Command::new(own)
        .args([name, "--exact", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .expect("the child starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains(&format!("{here:016x}")), "{said}");
}

fn hash(seed: u64) -> u64 {
    Case::of_seed(Mode::Lite, seed).run().hash
}
