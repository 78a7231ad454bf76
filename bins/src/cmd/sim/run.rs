//! `mpcsfaas sim run`: many seeds.

use std::num::NonZeroUsize;
use std::ops::{ControlFlow, RangeInclusive};
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::Instant;

use clap::Args;
use mpcsfaas_sim_tests::campaign::{self, Campaign};
use mpcsfaas_sim_tests::run::Violation;
use serde_json::{Value, json};

use super::report::{self, Pace, object, print};
use super::target::{Setting, Target, seed};
use super::{SimError, exit_code};

/// Arguments of `mpcsfaas sim run`.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The first seed.
    #[arg(long, value_name = "N", default_value = "1", value_parser = seed)]
    first_seed: u64,
    /// How many seeds.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    #[command(flatten)]
    setting: Setting,
    /// Go on after a broken promise.
    #[arg(long)]
    keep_going: bool,
    /// How many seeds run at once. As many as there are cores, if not given.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Print one JSON object a line: one for each broken promise, and one at the end.
    #[arg(long)]
    json: bool,
}

impl RunArgs {
    fn seeds(&self) -> Result<RangeInclusive<u64>, SimError> {
        let (first, seeds) = (self.first_seed, self.seeds);
        let last = first.checked_add(seeds - 1);
        last.map(|last| first..=last)
            .ok_or(SimError::Seeds { first, seeds })
    }

    /// What is said before the first run.
    fn head(&self, seeds: &RangeInclusive<u64>) -> String {
        match self.seeds {
            1 => Target::Seed(self.first_seed).head(self.setting),
            _ => format!(
                "seeds {} to {}, {}\n",
                seeds.start(),
                seeds.end(),
                self.setting
            ),
        }
    }

    fn failure(&self, seed: u64, violation: &Violation) -> String {
        match self.json {
            true => format!("{}\n", report::failure_json(self.setting, seed, violation)),
            false => report::failure(self.setting, seed, violation),
        }
    }
}

/// As many as were asked for, or as there are cores.
pub(super) fn as_many(threads: Option<NonZeroUsize>) -> NonZeroUsize {
    threads
        .or_else(|| available_parallelism().ok())
        .unwrap_or(NonZeroUsize::MIN)
}

pub(super) fn run(args: &RunArgs) -> Result<ExitCode, SimError> {
    let seeds = args.seeds()?;
    if !args.json {
        print(&args.head(&seeds))?;
    }
    let settings = campaign::Settings {
        mode: args.setting.mode,
        seeds,
        tampers: args.setting.tampers(),
        threads: as_many(args.threads),
    };
    let bar = report::bar(args.seeds, "seeds");
    let mut printed = Ok(());
    let began = Instant::now();
    let campaign = campaign::campaign(&settings, |seed, run| {
        bar.inc(1);
        let Some(violation) = &run.violation else {
            return ControlFlow::Continue(());
        };
        printed = bar.suspend(|| print(&args.failure(seed, violation)));
        match args.keep_going && printed.is_ok() {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    });
    bar.finish_and_clear();
    printed?;
    let pace = Pace {
        hash: campaign.hash,
        runs: campaign.runs,
        events: campaign.events,
        lived: campaign.lived,
        took: began.elapsed(),
    };
    print(&match args.json {
        true => format!("{}\n", as_json(args, &campaign, &pace)),
        false => as_text(&campaign, &pace),
    })?;
    let well = campaign.failures.is_empty() && campaign.gaps().is_empty();
    Ok(exit_code(well))
}

fn as_text(campaign: &Campaign, pace: &Pace) -> String {
    let gaps = campaign.gaps();
    let mut text: String = gaps
        .iter()
        .map(|gap| format!("not reached: {gap}\n"))
        .collect();
    let (broken, runs) = (campaign.failures.len(), campaign.runs);
    text += &match broken {
        0 => format!("{runs} of {runs} seeds kept every promise\n"),
        _ => format!("{broken} of {runs} seeds broke a promise\n"),
    };
    format!("{text}{pace}\n")
}

fn as_json(args: &RunArgs, campaign: &Campaign, pace: &Pace) -> Value {
    let mut fields = object(json!({
        "first_seed": args.first_seed,
        "mode": args.setting.mode_name(),
        "bug": args.setting.bug_name(),
        "failures": campaign.failures.len(),
        "not_reached": campaign.gaps().iter().map(ToString::to_string).collect::<Vec<_>>(),
    }));
    if args.seeds == 1 {
        fields.extend(Target::Seed(args.first_seed).json(args.setting));
    }
    fields.extend(pace.json());
    Value::Object(fields)
}
