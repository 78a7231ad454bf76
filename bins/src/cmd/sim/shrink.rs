//! `mpcsfaas sim shrink`: the smallest plan that breaks the same promise.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use mpcsfaas_sim_tests::regression;
use mpcsfaas_sim_tests::run::{Case, Violation};
use mpcsfaas_sim_tests::scenario_file::{self, Expect, Scenario};
use mpcsfaas_sim_tests::shrink::{Budget, Shrunk, shrink};
use mpcsfaas_sim_tests::world::Plan;

use super::SimError;
use super::report::print;
use super::target::{Setting, Target};

/// Arguments of `mpcsfaas sim shrink`.
#[derive(Debug, Args)]
pub(super) struct ShrinkArgs {
    /// The seed that fails.
    #[arg(long, value_name = "N")]
    seed: u64,
    #[command(flatten)]
    setting: Setting,
    /// Also write the scenario to DIR/seed-N.toml and the test to DIR/seed_N.rs.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn run(args: &ShrinkArgs) -> Result<ExitCode, SimError> {
    let target = Target::Seed(args.seed);
    print(&target.head(args.setting))?;
    let (first, shrunk) = smallest(&target, args.setting)?;
    let Shrunk {
        plan,
        violation,
        runs,
        units_before,
        units_after,
    } = shrunk;
    let left = violation.as_ref().unwrap_or(&first).to_string();
    let scenario = Scenario {
        name: name(args),
        plan,
        expect: Expect::Breaks(first.promise),
    };
    let file = scenario_file::write(&scenario);
    let test = regression::test_source(&scenario, &left);
    print(&format!(
        "{first}\n\nshrunk from {units_before} to {units_after} events in {runs} runs; events are \
         submits, faults and twists\n{left}\n\n{file}\n{test}"
    ))?;
    if let Some(directory) = &args.out {
        let path = save(directory, &format!("seed-{}.toml", args.seed), &file)?;
        save(directory, &format!("seed_{}.rs", args.seed), &test)?;
        let (path, bug) = (path.display(), args.setting.bug_flag());
        print(&format!("\nreplay: mpcsfaas sim replay {path}{bug}\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// How the target fails, and the smallest plan that fails in the same way.
pub(super) fn smallest(
    target: &Target,
    setting: Setting,
) -> Result<(Violation, Shrunk<Violation>), SimError> {
    let run = target.case(setting).recorded().run();
    let Some(first) = run.violation.clone() else {
        return Err(SimError::Kept(target.name()));
    };
    let violation = |plan: &Plan| Case::of_plan(plan).with(setting.tampers()).run().violation;
    let plan = run.explicit();
    let second = violation(&plan);
    if second.as_ref() != Some(&first) {
        return Err(SimError::Differs { first, second });
    }
    let same = |plan: &Plan| violation(plan).filter(|found| is_same(&first, found));
    let shrunk = shrink(&plan, same, Budget::default());
    Ok((first, shrunk))
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

/// The scenario's name.
fn name(args: &ShrinkArgs) -> String {
    let mode = args.setting.mode_name();
    let bug = args.setting.bug_name().map(|bug| format!(" {bug}"));
    format!("seed {} {mode}{}", args.seed, bug.unwrap_or_default())
}

fn save(directory: &Path, name: &str, text: &str) -> Result<PathBuf, SimError> {
    let path = directory.join(name);
    let saved = fs::create_dir_all(directory).and_then(|()| fs::write(&path, text));
    match saved {
        Ok(()) => Ok(path),
        Err(source) => Err(SimError::Write { path, source }),
    }
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
