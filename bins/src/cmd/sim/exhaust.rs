//! `mpcsfaas sim exhaust`: all there is in a small world, up to a depth.

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use clap::Args;
use clap::builder::TypedValueParser;
use mpcsfaas_core::wire::message::Flow;
use mpcsfaas_sim_tests::bugs::Bug;
use mpcsfaas_sim_tests::small_scope::{
    Counterexample, Exhausted, Faults, Limits, MOST_DISPATCHERS, MOST_TASKS, MOST_WORKERS, Scope,
    exhaust,
};
use mpcsfaas_sim_tests::trace::{View, text};
use mpcsfaas_sim_tests::world::trace::Line;
use serde_json::{Value, json};

use super::choice::{Choice, one_of};
use super::report::{print, violation_json};
use super::target::bugs;
use super::{SimError, exit_code};

/// Arguments of `mpcsfaas sim exhaust`.
#[derive(Debug, Args)]
pub(super) struct ExhaustArgs {
    /// How many dispatchers.
    #[arg(long, value_name = "N", default_value = "1", value_parser = count(1, MOST_DISPATCHERS))]
    dispatchers: usize,
    /// How many workers, each with one process.
    #[arg(long, value_name = "N", default_value = "2", value_parser = count(1, MOST_WORKERS))]
    workers: usize,
    /// How many tasks: the first is there from the beginning, the others come at any time.
    #[arg(long, value_name = "N", default_value = "2", value_parser = count(1, MOST_TASKS))]
    tasks: usize,
    /// How workers take tasks.
    #[arg(long, default_value = "push", value_parser = one_of(FLOWS))]
    flow: Flow,
    #[command(flatten)]
    trouble: TroubleArgs,
    /// The most steps of a path.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    depth: usize,
    /// How long to search, in all.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// The most states of one search: a million takes about a gigabyte of memory.
    #[arg(long, value_name = "N", default_value_t = 6_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    states: u64,
    /// From how many states of each depth to go on to the end, without another fault.
    #[arg(long, value_name = "N", default_value_t = 50)]
    ends: usize,
    /// How many threads search. As many as there are cores, if not given.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Plant a bug, to see that it is found.
    #[arg(long, value_name = "NAME", value_parser = one_of(bugs()))]
    bug: Option<Bug>,
    /// Print how many states there are at each depth.
    #[arg(long)]
    levels: bool,
    /// Print one JSON object for each search.
    #[arg(long)]
    json: bool,
}

/// How often what may go wrong, wherever and whenever.
#[derive(Debug, Args)]
struct TroubleArgs {
    /// The most faults of a path. One, then two, then all, if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=15))]
    faults: Option<u8>,
    /// How often a worker's connection is cut.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=3))]
    cuts: u8,
    /// How often a worker or a dispatcher crashes; another takes its place after 0.5 s or 12 s.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=3))]
    crashes: u8,
    /// How often a worker or a dispatcher stands still, for 1 s, 5 s or 12 s.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=3))]
    pauses: u8,
    /// How often an answer of the store is lost.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=3))]
    losses: u8,
    /// How often a worker is asked to leave.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=3))]
    leaves: u8,
}

const FLOWS: [Choice<Flow>; 2] = [
    ("push", "as they come", Flow::Push),
    ("pull", "when they ask", Flow::Pull),
];

/// How many lines of the fair way are told at its beginning, and at its end.
const MIDDLE: usize = 40;

/// The head of the table.
const HEAD: &str = "faults     depth        states         moves    ends   seconds  states/s\n";

fn count(least: u64, most: usize) -> impl TypedValueParser<Value = usize> {
    clap::value_parser!(u64)
        .range(least..=most as u64)
        .map(|number| number as usize)
}

impl TroubleArgs {
    fn all(&self) -> Faults {
        let mut faults = Faults {
            cuts: self.cuts,
            crashes: self.crashes,
            pauses: self.pauses,
            losses: self.losses,
            leaves: self.leaves,
            in_all: 0,
        };
        faults.in_all = faults.sum();
        faults
    }

    /// How much may go wrong in each search.
    fn shares(&self) -> Vec<Faults> {
        let all = self.all();
        let in_all: Vec<u8> = match self.faults {
            Some(most) => vec![most.min(all.in_all)],
            None => match all.in_all {
                few @ 0..=2 => (few.min(1)..=few).collect(),
                many => vec![1, 2, many],
            },
        };
        let share = |in_all| Faults { in_all, ..all };
        in_all.into_iter().map(share).collect()
    }
}

impl ExhaustArgs {
    fn scope(&self, faults: Faults) -> Scope {
        Scope {
            dispatchers: self.dispatchers,
            workers: self.workers,
            tasks: self.tasks,
            flow: self.flow,
            faults,
            tampers: self.bug.map(|bug| bug.tampers).unwrap_or_default(),
        }
    }

    fn limits(&self, time: Duration) -> Limits {
        Limits {
            depth: self.depth,
            time: Some(time),
            states: self.states,
            ends: self.ends,
            threads: (self.threads)
                .or_else(|| available_parallelism().ok())
                .unwrap_or(NonZeroUsize::MIN),
        }
    }

    fn head(&self) -> String {
        let Faults {
            cuts,
            crashes,
            pauses,
            losses,
            leaves,
            ..
        } = self.trouble.all();
        let words = |bug: Bug| format!(", with a bug: {} ({})", bug.name, bug.what);
        let bug = self.bug.map(words).unwrap_or_default();
        format!(
            "dispatchers {}, workers {}, tasks {}, {:?}; at most: cuts {cuts}, crashes {crashes}, \
             pauses {pauses}, lost answers {losses}, leaves {leaves}{bug}\n{HEAD}",
            self.dispatchers, self.workers, self.tasks, self.flow
        )
    }
}

pub(super) fn run(args: &ExhaustArgs) -> Result<ExitCode, SimError> {
    if !args.json {
        print(&args.head())?;
    }
    let end = Instant::now() + Duration::from_secs(args.seconds);
    let shares = args.trouble.shares();
    for (number, faults) in shares.iter().enumerate() {
        let left = end.saturating_duration_since(Instant::now());
        let time = left / (shares.len() - number) as u32;
        let found = exhaust(&args.scope(*faults), &args.limits(time));
        print(&match args.json {
            true => format!("{}\n", as_json(args, *faults, &found)),
            false => as_text(args, *faults, &found),
        })?;
        if found.counterexample.is_some() {
            return Ok(exit_code(false));
        }
    }
    if !args.json {
        print("every promise was kept on every path of these depths\n")?;
    }
    Ok(exit_code(true))
}

fn rate(found: &Exhausted) -> f64 {
    found.states() as f64 / found.took.as_secs_f64().max(f64::MIN_POSITIVE)
}

fn as_text(args: &ExhaustArgs, faults: Faults, found: &Exhausted) -> String {
    let mut text = format!(
        "at most {:<2} {:>5} {:>13} {:>13} {:>7} {:>9.1} {:>9.0}{}\n",
        faults.in_all,
        found.depth(),
        found.states(),
        found.moves(),
        found.ends(),
        found.took.as_secs_f64(),
        rate(found),
        if found.to_the_end {
            "  all there is"
        } else {
            ""
        },
    );
    if args.levels {
        for level in &found.levels {
            text += &format!("  depth {:>3}: {} states\n", level.depth, level.states);
        }
    }
    if let Some(broken) = &found.counterexample {
        text += &story(broken);
        let fair = match broken.fair_steps {
            0 => String::new(),
            steps => format!(", and {steps} more without a fault"),
        };
        text += &format!("{}\nafter {} steps{fair}\n", broken.violation, broken.steps);
    }
    text
}

/// The way to the broken promise. Of a long way that follows without a fault the middle is left out.
fn story(broken: &Counterexample) -> String {
    let all = text::render(&broken.story, &broken.names, View::ALL);
    let lines: Vec<&str> = all.lines().collect();
    let told = |steps: &usize| {
        let before = |line: &&Line| line.number <= *steps as u64;
        broken.story.iter().filter(before).count()
    };
    let (head, tail) = (
        told(&broken.steps) + MIDDLE,
        lines.len().saturating_sub(MIDDLE),
    );
    if head >= tail {
        return all;
    }
    let (begins, ends) = (lines[..head].join("\n"), lines[tail..].join("\n"));
    format!("{begins}\n... {} more ...\n{ends}\n", tail - head)
}

fn as_json(args: &ExhaustArgs, faults: Faults, found: &Exhausted) -> Value {
    let levels = found.levels.iter().map(|level| {
        json!({"depth": level.depth, "states": level.states, "moves": level.moves, "ends": level.ends})
    });
    let broken = found.counterexample.as_ref().map(|broken| {
        json!({
            "violation": violation_json(&broken.violation),
            "steps": broken.steps,
            "fair_steps": broken.fair_steps,
            "story": text::render(&broken.story, &broken.names, View::ALL).lines().collect::<Vec<_>>(),
        })
    });
    json!({
        "dispatchers": args.dispatchers,
        "workers": args.workers,
        "tasks": args.tasks,
        "flow": format!("{:?}", args.flow).to_lowercase(),
        "bug": args.bug.map(|bug| bug.name),
        "faults": {
            "cuts": faults.cuts,
            "crashes": faults.crashes,
            "pauses": faults.pauses,
            "losses": faults.losses,
            "leaves": faults.leaves,
            "in_all": faults.in_all,
        },
        "depth": found.depth(),
        "to_the_end": found.to_the_end,
        "states": found.states(),
        "moves": found.moves(),
        "ends": found.ends(),
        "wall_s": found.took.as_secs_f64(),
        "states_per_s": rate(found),
        "levels": levels.collect::<Vec<_>>(),
        "counterexample": broken,
    })
}
