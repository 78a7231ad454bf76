//! scratch
use mpcsfaas_sim_tests::run::*;
use mpcsfaas_transport_sim::*;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let mode = match args[1].as_str() {
        "lite" => Mode::Lite,
        "swarm" => Mode::Swarm,
        _ => Mode::Performance,
    };
    let first: u64 = args[2].parse().unwrap();
    let n: u64 = args[3].parse().unwrap();
    let start = std::time::Instant::now();
    let (mut events, mut bad) = (0, 0);
    let mut marks = marks::Marks::default();
    let mut prem = std::collections::BTreeMap::new();
    let mut virt = 0.0;
    for seed in first..first + n {
        let run = if args.len() > 4 {
            Case::of_seed(mode, seed).told().run()
        } else {
            Case::of_seed(mode, seed).run()
        };
        events += run.events;
        virt += run.ended_at.as_nanos() as f64 / 1e9;
        marks += &run.marks;
        for (p, c) in &run.premises {
            *prem.entry(*p).or_insert(0u64) += c;
        }
        if args.len() > 4 {
            for l in &run.story {
                println!(
                    "{:>12?} {:?} {} {:?} {}",
                    l.at,
                    l.node,
                    l.from.map_or(String::new(), |f| format!("<-{f}")),
                    l.task
                        .map(|t| format!("{:04x}@{}", t.task.0 & 0xffff, t.attempt)),
                    l.what
                );
            }
            println!("{}", Knobs::of(mode, seed));
            println!("{:#?}", run.plan.faults);
        }
        if let Some(v) = run.violation {
            bad += 1;
            if bad < 20 {
                println!("seed {seed}: {v}");
            }
        }
    }
    let t = start.elapsed().as_secs_f64();
    println!(
        "{bad} bad; {events} events, {:.2} M/s, {:.1} seeds/s, virtual:wall {:.0}",
        events as f64 / t / 1e6,
        n as f64 / t,
        virt / t
    );
    for f in marks::FAULTS {
        if !marks.faults.contains_key(f) {
            println!("never: {f}");
        }
    }
    for f in marks::BENDS {
        if !marks.bends.contains_key(f) {
            println!("never: {f}");
        }
    }
    for (what, n) in marks.coverage() {
        print!("{what}: {n}; ");
    }
    println!("\n{prem:?}");
}
