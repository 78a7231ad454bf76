//! `mpcsfaas sim replay`: one run, and its story.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{ArgGroup, Args};
use mpcsfaas_sim_tests::run::{Case, Run};
use mpcsfaas_sim_tests::scenario_file::Expect;
use mpcsfaas_sim_tests::shrink::Budget;
use serde_json::{Value, json};

use super::report::{Pace, object, print, violation_json};
use super::shrink::{Smallest, smallest};
use super::story::{Story, StoryArgs};
use super::target::{Setting, Target, seed};
use super::{SimError, exit_code, page};

/// Arguments of `mpcsfaas sim replay`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("run").args(["seed", "file"]).required(true))]
pub(super) struct ReplayArgs {
    /// A scenario file.
    #[arg(value_name = "FILE.toml", conflicts_with = "mode")]
    file: Option<PathBuf>,
    /// A seed, such as 94, or 94@3f2a as it was printed: then only by the code that it is a seed of.
    #[arg(long, value_name = "N", value_parser = seed)]
    seed: Option<u64>,
    #[command(flatten)]
    setting: Setting,
    #[command(flatten)]
    story: StoryArgs,
    /// Shrink the failure first.
    #[arg(long)]
    shrunk: bool,
    /// Also write a page to FILE that shows the run as a picture, for a browser.
    ///
    /// If a promise is broken, it shows the shrunk run, too. It is one file, and asks for no other.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl ReplayArgs {
    fn target(&self) -> Result<Target, SimError> {
        match (&self.file, self.seed) {
            (Some(path), _) => Target::read(path),
            (None, seed) => Ok(Target::Seed(seed.unwrap_or_default())),
        }
    }

    fn case(&self, target: &Target, smallest: Option<&Smallest>) -> Case {
        let case = match smallest {
            Some(found) => found.case(self.setting),
            None => target.case(self.setting),
        };
        match (self.html.is_some(), self.story.is_wanted()) {
            (true, _) => case.told().kept(),
            (false, true) => case.told(),
            (false, false) => case,
        }
    }

    /// Prints what is not the story. A diagram that stands alone is to be drawn as it is printed.
    fn say(&self, text: &str) -> Result<(), SimError> {
        match (self.json, self.story.is_only_a_diagram()) {
            (true, _) => Ok(()),
            (false, false) => print(text),
            (false, true) => print(
                &text
                    .lines()
                    .map(|line| format!("%% {line}\n"))
                    .collect::<String>(),
            ),
        }
    }
}

pub(super) fn run(args: &ReplayArgs) -> Result<ExitCode, SimError> {
    let target = args.target()?;
    args.say(&target.head(args.setting))?;
    let shrink = || smallest(&target, args.setting, Budget::default());
    let smallest = args.shrunk.then(shrink).transpose()?;
    let case = args.case(&target, smallest.as_ref());
    let began = Instant::now();
    let run = case.run();
    let pace = Pace::of(&run, began.elapsed());
    let story = args.story.tell(&run)?;
    let verdict = Verdict::of(&target, &run);
    if args.json {
        print(&format!(
            "{}\n",
            as_json(args, &target, &run, &story, &verdict, &pace)
        ))?;
    } else {
        print(&story.text.unwrap_or_default())?;
        print(&story.diagram.unwrap_or_default())?;
        args.say(&idle(&run))?;
        args.say(&format!("{}\n{pace}\n", verdict.text))?;
    }
    // Printed first: it is not lost if the page cannot be written.
    if let Some(path) = &args.html {
        page::write(path, &target, args.setting, &run, smallest)?;
        args.say(&format!("page: {}\n", path.display()))?;
    }
    Ok(exit_code(verdict.well))
}

/// A twist that befell nothing is a mistake in a file, or the file is of other code.
fn idle(run: &Run) -> String {
    match run.idle_twists {
        0 => String::new(),
        idle => {
            format!("{idle} twist(s) befell nothing: nothing of the kind happened at the time\n")
        }
    }
}

/// Whether the run was as it should be.
struct Verdict {
    well: bool,
    text: String,
}

impl Verdict {
    fn of(target: &Target, run: &Run) -> Verdict {
        let found = match &run.violation {
            Some(violation) => violation.to_string(),
            None => "every promise was kept".to_owned(),
        };
        let broken = run.violation.as_ref().map(|violation| violation.promise);
        let expected = match target {
            Target::File(_, scenario) => scenario.expect,
            Target::Seed(_) => Expect::Keeps,
        };
        match expected {
            Expect::Keeps => Verdict {
                well: broken.is_none(),
                text: found,
            },
            Expect::Breaks(promise) if broken == Some(promise) => Verdict {
                well: true,
                text: format!("{found}\nas expected"),
            },
            Expect::Breaks(promise) => Verdict {
                well: false,
                text: format!("{found}\nnot as expected: {promise} should have been broken"),
            },
        }
    }
}

fn as_json(
    args: &ReplayArgs,
    target: &Target,
    run: &Run,
    story: &Story,
    verdict: &Verdict,
    pace: &Pace,
) -> Value {
    let mut fields = target.json(args.setting);
    fields.extend(object(json!({
        "violation": run.violation.as_ref().map(violation_json),
        "as_expected": verdict.well,
        "html": args.html,
    })));
    fields.extend(pace.json());
    fields.extend(story.json());
    Value::Object(fields)
}
