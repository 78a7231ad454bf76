//! The command line: which seeds to run, and what is printed of them.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mpcsfaas_sim_drivers::bugs::{Bug, UnknownBug};
use mpcsfaas_sim_drivers::run::{Case, Run};
use thiserror::Error;

/// So many seeds are run by themselves.
const SEEDS: u64 = 200;

const HELP: &str = "\
Usage: cargo xtask sim-drivers [OPTIONS]

Runs the async drivers over madsim's clock and network, with faults, and judges what was seen.

  --seeds N      how many seeds, from 0 (default 200)
  --seed S       only this one
  --trace        tell what happened (with --seed)
  --bug NAME     with a mistake planted: deaf-after-blip, lost-wakeup, cancelled-write,
                 reconnect-storm
";

/// Arguments that mean nothing.
#[derive(Debug, Error)]
enum UsageError {
    #[error("there is no option `{0}`")]
    Unknown(String),
    #[error("`{0}` needs a value")]
    Missing(String),
    #[error("`{0}` is no number")]
    Number(String),
    #[error(transparent)]
    Bug(#[from] UnknownBug),
}

#[derive(Debug)]
struct Options {
    seeds: u64,
    seed: Option<u64>,
    trace: bool,
    bug: Option<Bug>,
    help: bool,
}

impl Options {
    fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Options, UsageError> {
        let mut options = Options {
            seeds: SEEDS,
            seed: None,
            trace: false,
            bug: None,
            help: false,
        };
        let mut arguments = arguments.into_iter();
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(UsageError::Missing(name.clone()));
            match name.as_str() {
                "--seeds" => options.seeds = number(&value()?)?,
                "--seed" => options.seed = Some(number(&value()?)?),
                "--bug" => options.bug = Some(value()?.parse()?),
                "--trace" => options.trace = true,
                "--help" | "-h" => options.help = true,
                _ => return Err(UsageError::Unknown(name)),
            }
        }
        Ok(options)
    }

    fn case(&self, seed: u64) -> Case {
        let case = Case::of_seed(seed);
        match self.bug {
            Some(bug) => case.with(bug),
            None => case,
        }
    }
}

fn number(text: &str) -> Result<u64, UsageError> {
    text.parse()
        .map_err(|_| UsageError::Number(text.to_owned()))
}

/// Runs what the arguments say. 0: all promises were kept; 1: one was broken; 2: bad arguments.
pub(crate) fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    if options.help {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let kept = match options.seed {
        Some(seed) => run_one(&options, seed),
        None => run_all(&options),
    };
    match kept {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn run_one(options: &Options, seed: u64) -> bool {
    let mut case = options.case(seed);
    println!("{}", case.settings());
    if options.trace {
        case = case.told();
    }
    let run = case.run();
    for (at, line) in &run.story {
        println!("{at:?} {line}");
    }
    println!(
        "seed {seed}: {}; hash={:016x} events={} world={:?}",
        verdict(&run),
        run.hash,
        run.events,
        run.ended_at
    );
    run.violation.is_none()
}

/// Runs seeds until one breaks a promise.
fn run_all(options: &Options) -> bool {
    let begun = Instant::now();
    let mut total = Total::default();
    for seed in 0..options.seeds {
        let run = options.case(seed).run();
        if run.violation.is_some() {
            println!("seed {seed}: {}", verdict(&run));
            let bug = options.bug.map(|bug| format!(" --bug {}", bug.name()));
            println!(
                "replay: cargo xtask sim-drivers --seed {seed} --trace{}",
                bug.unwrap_or_default()
            );
            return false;
        }
        total.add(&run);
    }
    total.print(options.seeds, begun.elapsed());
    options.seeds < SEEDS || total.has_reached_all()
}

fn verdict(run: &Run) -> String {
    match &run.violation {
        Some(violation) => violation.to_string(),
        None => "all promises kept".to_owned(),
    }
}

/// What all seeds have done.
#[derive(Debug, Default)]
struct Total {
    hash: u64,
    events: u64,
    world: Duration,
    /// How often each judge had something to judge, and each fault struck.
    reached: BTreeMap<&'static str, u64>,
}

impl Total {
    fn add(&mut self, run: &Run) {
        self.hash = self.hash.rotate_left(1) ^ run.hash;
        self.events += run.events;
        self.world += Duration::from_nanos(run.ended_at.as_nanos());
        for (name, count) in run.premises.iter().chain(&run.faults) {
            *self.reached.entry(*name).or_default() += count;
        }
    }

    fn unreached(&self) -> impl Iterator<Item = &'static str> + '_ {
        let zero = self.reached.iter().filter(|(_, count)| **count == 0);
        zero.map(|(name, _)| *name)
    }

    fn has_reached_all(&self) -> bool {
        self.unreached().next().is_none()
    }

    fn print(&self, seeds: u64, took: Duration) {
        for (name, count) in &self.reached {
            println!("{name:>16} {count}");
        }
        for name in self.unreached() {
            println!("not reached: {name}");
        }
        println!(
            "{seeds} seeds: all promises kept; hash={:016x} events={} virtual:wall={:.0} seeds/s={:.1}",
            self.hash,
            self.events,
            self.world.as_secs_f64() / took.as_secs_f64(),
            seeds as f64 / took.as_secs_f64()
        );
    }
}
