//! Two thousand seeds, new ones with each change of the code, and the calm world.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use mpcsfaas_sim_tests::campaign::{Campaign, Settings, campaign};
use mpcsfaas_sim_tests::run::Case;
use mpcsfaas_transport_sim::chain::Chain;
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
    let first = seed_of_the_code();
    let campaign = all(Mode::Swarm, first, SEEDS);
    let gaps: Vec<String> = campaign.gaps().iter().map(ToString::to_string).collect();
    assert!(
        gaps.is_empty(),
        "seeds from {first} on have not reached: {gaps:?}"
    );
}

#[test]
fn small_worlds_with_one_fault_keep_every_promise() {
    all(Mode::Lite, seed_of_the_code(), 300);
}

#[test]
fn large_worlds_keep_every_promise() {
    all(Mode::Performance, seed_of_the_code(), 4);
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
        .map(|(seed, violation)| format!("seed {seed} ({mode:?}): {violation}"))
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    campaign
}

/// A number that changes with every change of the core, the world or the judges: so a change is
/// tried on seeds that nobody has seen, and a second try of the same code is the same.
fn seed_of_the_code() -> u64 {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for folder in ["core/src", "transport-sim/src", "sim-tests/src"] {
        collect(&root.join(folder), &mut files);
    }
    files.sort();
    assert!(files.len() > 100, "the sources are not where they were");
    let texts: Vec<String> = files.iter().map(|file| read(file)).collect();
    Chain::of(&texts) % 1_000_000_000_000
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        match path.is_dir() {
            true => collect(&path, files),
            false => files.push(path),
        }
    }
}

fn read(file: &Path) -> String {
    let bytes = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    String::from_utf8_lossy(&bytes).into_owned()
}
