//! `cargo xtask sim-drivers` runs this.

#[cfg(not(madsim))]
fn main() {
    eprintln!("this is built with --cfg madsim: cargo xtask sim-drivers");
}

#[cfg(madsim)]
fn main() {
    use mpcsfaas_sim_drivers::run::Case;
    let arg = |n| std::env::args().nth(n).and_then(|n: String| n.parse::<u64>().ok());
    if let Some(seed) = arg(2) {
        let run = Case::of_seed(seed).told().run();
        for (at, line) in run.story { println!("{at:?} {line}"); }
        println!("{:?}", run.violation);
        return;
    }
    for seed in 0..arg(1).unwrap_or(10) {
        let run = Case::of_seed(seed).run();
        println!("{seed} {:x} {} {:?} {:?}", run.hash, run.events, run.ended_at, run.violation);
    }
}
