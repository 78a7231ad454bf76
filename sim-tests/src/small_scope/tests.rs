//! The search finds what there is to find, the same with any number of threads, and nothing in a
//! world without a bug.

use std::num::NonZeroUsize;

use super::*;
use crate::bugs;
use crate::trace::{View, text};

fn limits(depth: usize) -> Limits {
    Limits {
        depth: std::env::var("DEPTH").map_or(depth, |d| d.parse().unwrap()),
        time: Some(Duration::from_secs(
            std::env::var("SECS").map_or(30, |d| d.parse().unwrap()),
        )),
        states: 20_000_000,
        ends: std::env::var("ENDS").map_or(100, |d| d.parse().unwrap()),
        threads: std::env::var("THREADS").map_or(NonZeroUsize::MIN, |d| d.parse().unwrap()),
    }
}

#[test]
fn try_it() {
    let mut scope = Scope::default();
    if let Ok(bug) = std::env::var("BUG") {
        scope.tampers = bugs::named(&bug).unwrap().tampers;
    }
    if let Ok(f) = std::env::var("FAULTS") {
        let f: Vec<u8> = f.split(',').map(|n| n.parse().unwrap()).collect();
        scope.faults = Faults {
            cuts: f[0],
            crashes: f[1],
            pauses: f[2],
            losses: f[3],
            leaves: f[4],
            in_all: f[5],
        };
    }
    if let Ok(t) = std::env::var("TASKS") {
        scope.tasks = t.parse().unwrap();
    }
    if let Ok(t) = std::env::var("DISPATCHERS") {
        scope.dispatchers = t.parse().unwrap();
    }
    let found = exhaust(&scope, &limits(12));
    for level in &found.levels {
        println!("{level:?}");
    }
    println!("{} states {} moves {:?}", found.states(), found.moves(), found.took);
    if let Some(broken) = &found.counterexample {
        println!("{}", text::render(&broken.story, View::ALL));
        println!("{} {} {}", broken.violation, broken.steps, broken.fair_steps);
    }
}
