//! `mpcsfaas sim shrink`: the smallest plan that breaks the same promise.

use std::fs;
use std::panic;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use mpcsfaas_sim_tests::regression;
use mpcsfaas_sim_tests::run::{Case, Run, Violation};
use mpcsfaas_sim_tests::scenario_file::{self, Expect, Scenario};
use mpcsfaas_sim_tests::shrink::{Budget, Shrunk, shrink};
use mpcsfaas_sim_tests::world::Plan;
use serde_json::{Value, json};

use super::SimError;
use super::report::{Pace, object, print, violation_json};
use super::target::{Setting, Target, seed};

/// Arguments of `mpcsfaas sim shrink`.
#[derive(Debug, Args)]
pub(super) struct ShrinkArgs {
    /// The seed that fails, such as 94 or 94@3f2a.
    #[arg(long, value_name = "N", value_parser = seed)]
    seed: u64,
    #[command(flatten)]
    setting: Setting,
    /// Also write the scenario to DIR/seed-N.toml and the test to DIR/seed_N.rs.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print one JSON object, with the scenario file and the test in it.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ShrinkArgs) -> Result<ExitCode, SimError> {
    let target = Target::Seed(args.seed);
    if !args.json {
        print(&target.head(args.setting))?;
    }
    let found = smallest(&target, args.setting, Budget::default())?;
    let found = Found::of(args, found);
    // Printed first: it is not lost if it cannot be written.
    print(&match args.json {
        true => format!("{}\n", found.json(&target)),
        false => found.text(),
    })?;
    found.save()?;
    Ok(ExitCode::SUCCESS)
}

/// How a target fails, and the smallest plan that fails in the same way.
pub(super) struct Smallest {
    pub(super) first: Violation,
    pub(super) shrunk: Shrunk<Violation>,
    /// All runs that it took. The hash is that of the smallest.
    pub(super) pace: Pace,
}

/// Shrinks a target.
pub(super) fn smallest(
    target: &Target,
    setting: Setting,
    budget: Budget,
) -> Result<Smallest, SimError> {
    let began = Instant::now();
    let run = target.case(setting).recorded().run();
    let mut pace = Pace::of(&run, Duration::ZERO);
    let Some(first) = run.violation.clone() else {
        return Err(SimError::Kept(target.name()));
    };
    let mut violation = |plan: &Plan| {
        let run = quietly(Case::of_plan(plan).with(setting.tampers()));
        pace.add(&run);
        run.violation
    };
    let plan = run.explicit();
    let second = violation(&plan);
    if second.as_ref() != Some(&first) {
        return Err(SimError::Differs { first, second });
    }
    let same = |plan: &Plan| violation(plan).filter(|found| is_same(&first, found));
    let shrunk = shrink(&plan, same, budget);
    violation(&shrunk.plan);
    pace.took = began.elapsed();
    Ok(Smallest {
        first,
        shrunk,
        pace,
    })
}

/// A machine that panics has said so in the first run. It need not in each of the next thousand.
fn quietly(case: Case) -> Run {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let run = case.run();
    panic::set_hook(hook);
    run
}

/// What is to be shown of it.
struct Found<'a> {
    args: &'a ShrinkArgs,
    smallest: Smallest,
    file: String,
    test: String,
}

impl Found<'_> {
    fn of(args: &ShrinkArgs, smallest: Smallest) -> Found<'_> {
        let scenario = Scenario {
            name: name(args),
            plan: smallest.shrunk.plan.clone(),
            expect: Expect::Breaks(smallest.first.promise),
        };
        Found {
            args,
            file: scenario_file::write(&scenario),
            test: regression::test_source(&scenario, &smallest.left().to_string()),
            smallest,
        }
    }

    /// Writes both files, if it was asked for.
    fn save(&self) -> Result<(), SimError> {
        let seed = self.args.seed;
        let Some(directory) = &self.args.out else {
            return Ok(());
        };
        let write = |name: String, text: &str| {
            let path = directory.join(name);
            let written = fs::create_dir_all(directory).and_then(|()| fs::write(&path, text));
            written.map_err(|source| SimError::Write { path, source })
        };
        write(file_name(seed), &self.file)?;
        write(format!("seed_{seed}.rs"), &self.test)
    }

    /// The command that runs the written scenario.
    fn replay(&self) -> Option<String> {
        let path = self.args.out.as_ref()?.join(file_name(self.args.seed));
        let (path, bug) = (path.display(), self.args.setting.bug_flag());
        Some(format!("mpcsfaas sim replay {path}{bug}"))
    }

    fn text(&self) -> String {
        let Smallest {
            first,
            shrunk,
            pace,
        } = &self.smallest;
        let (before, after, runs) = (shrunk.units_before, shrunk.units_after, shrunk.runs);
        let (file, test, left) = (&self.file, &self.test, self.smallest.left());
        let replay = self
            .replay()
            .map(|command| format!("\nreplay: {command}\n"));
        format!(
            "{first}\n\nshrunk from {before} to {after} events in {runs} runs; events are submits, \
             faults and twists\n{left}\n\n{file}\n{test}{}{pace}\n",
            replay.unwrap_or_default()
        )
    }

    fn json(&self, target: &Target) -> Value {
        let Smallest {
            first,
            shrunk,
            pace,
        } = &self.smallest;
        let mut fields = target.json(self.args.setting);
        fields.extend(object(json!({
            "violation": violation_json(first),
            "shrunk_violation": violation_json(self.smallest.left()),
            "units_before": shrunk.units_before,
            "units_after": shrunk.units_after,
            "scenario": self.file,
            "test": self.test,
            "replay": self.replay(),
        })));
        fields.extend(pace.json());
        Value::Object(fields)
    }
}

impl Smallest {
    /// The smallest plan, to run it.
    pub(super) fn case(&self, setting: Setting) -> Case {
        Case::of_plan(&self.shrunk.plan).with(setting.tampers())
    }

    /// How the smallest plan fails.
    fn left(&self) -> &Violation {
        self.shrunk.violation.as_ref().unwrap_or(&self.first)
    }
}

/// Whether the same thing is broken. A machine checks many things under one name, so its words count
/// too, but for numbers.
fn is_same(one: &Violation, other: &Violation) -> bool {
    let words = |violation: &Violation| {
        let letters = violation.what.chars().filter(|sign| !sign.is_ascii_digit());
        letters.collect::<String>()
    };
    one.promise == other.promise && (one.promise != "invariant" || words(one) == words(other))
}

/// What its file is called.
fn file_name(seed: u64) -> String {
    format!("seed-{seed}.toml")
}

/// The scenario's name.
fn name(args: &ShrinkArgs) -> String {
    let mode = args.setting.mode_name();
    let bug = args.setting.bug_name().map(|bug| format!(" {bug}"));
    format!("seed {} {mode}{}", args.seed, bug.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use mpcsfaas_core::time::Instant;

    use super::*;

    fn violation(promise: &'static str, what: &str) -> Violation {
        Violation {
            promise,
            what: what.to_owned(),
            at: Instant::ZERO,
        }
    }

    #[test]
    fn a_machines_own_check_is_the_same_if_its_words_are_but_for_numbers() {
        let found = violation("invariant", "W3 holds 12 tasks");
        assert!(is_same(&found, &violation("invariant", "W0 holds 7 tasks")));
        assert!(!is_same(
            &found,
            &violation("invariant", "W3 lost 12 tasks")
        ));
        assert!(!is_same(&found, &violation("P4", "W3 holds 12 tasks")));
        assert!(is_same(
            &violation("P4", "one way"),
            &violation("P4", "another")
        ));
    }
}
