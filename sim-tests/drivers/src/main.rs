//! `cargo xtask sim-drivers` runs this.

#[cfg(not(madsim))]
fn main() {
    eprintln!("this is built with --cfg madsim: cargo xtask sim-drivers");
}

#[cfg(madsim)]
fn main() {
    for seed in 0..std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(10_u64) {
        let run = mpcsfaas_sim_drivers::run::run_seed(seed, None);
        println!("{seed} {:x} {} {:?} {:?}", run.hash, run.events, run.ended_at, run.violation);
    }
}
