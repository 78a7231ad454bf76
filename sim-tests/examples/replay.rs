//! Tells the whole story of one seed: its knobs, a line an event, and which promise was broken.
//!
//! `cargo run -p mpcsfaas-sim-tests --example replay -- SEED`

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::process::ExitCode;

use mpcsfaas_sim_tests::run::run;
use mpcsfaas_transport_sim::{Knobs, World};

fn main() -> ExitCode {
    let Some(seed) = std::env::args().nth(1).and_then(|text| text.parse().ok()) else {
        println!("usage: replay SEED");
        return ExitCode::from(2);
    };
    let knobs = Knobs::swarm(seed);
    println!("seed {seed}: {knobs:?}");
    let mut world = World::new(knobs, seed);
    world.record();
    let result = run(&mut world);
    for line in world.trace() {
        println!("{line}");
    }
    match result {
        Ok(summary) => {
            println!("every promise kept: {summary:?}");
            ExitCode::SUCCESS
        }
        Err(violation) => {
            println!("{violation}");
            ExitCode::FAILURE
        }
    }
}
