//! `mpcsfaas sim replay`: one run, and its story.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{ArgGroup, Args};
use mpcsfaas_core::id::TaskId;
use mpcsfaas_sim_tests::run::{Case, Run};
use mpcsfaas_sim_tests::scenario_file::Expect;
use mpcsfaas_sim_tests::trace::mermaid::{self, View};
use mpcsfaas_sim_tests::trace::text;
use mpcsfaas_sim_tests::world::trace::{Kind, Line};
use serde_json::{Value, json};

use super::report::{Pace, print, violation_json};
use super::shrink::smallest;
use super::target::{Setting, Target};
use super::{SimError, exit_code};

/// Arguments of `mpcsfaas sim replay`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("run").args(["seed", "file"]).required(true))]
#[command(group = ArgGroup::new("story").args(["trace", "mermaid"]).multiple(true))]
pub(super) struct ReplayArgs {
    /// A scenario file.
    #[arg(value_name = "FILE.toml", conflicts_with = "mode")]
    file: Option<PathBuf>,
    /// A seed.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    #[command(flatten)]
    setting: Setting,
    /// Print every event, one a line.
    #[arg(long)]
    trace: bool,
    /// Print a sequence diagram, of the last 200 events.
    #[arg(long)]
    mermaid: bool,
    /// Tell only of this task, and of what befell nodes: t7 as the story names it, or a UUID.
    #[arg(long, value_name = "TASK", requires = "story")]
    task: Option<String>,
    /// Shrink the failure first.
    #[arg(long)]
    shrunk: bool,
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

    fn case(&self, target: &Target) -> Result<Case, SimError> {
        let case = match self.shrunk {
            true => {
                let (_, shrunk) = smallest(target, self.setting)?;
                Case::of_plan(&shrunk.plan).with(self.setting.tampers())
            }
            false => target.case(self.setting),
        };
        Ok(match self.trace || self.mermaid {
            true => case.told(),
            false => case,
        })
    }

    /// Prints what is not the story. A diagram that stands alone is to be drawn as it is printed.
    fn say(&self, text: &str) -> Result<(), SimError> {
        let comment = self.mermaid && !self.trace;
        match (self.json, comment) {
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
    let case = args.case(&target)?;
    let began = Instant::now();
    let run = case.run();
    let pace = Pace::of(&run, began.elapsed());
    let story = Story::of(args, &run)?;
    let verdict = Verdict::of(&target, &run);
    if args.json {
        print(&format!(
            "{}\n",
            as_json(args, &target, &run, &story, &verdict, &pace)
        ))?;
    } else {
        print(&story.text.unwrap_or_default())?;
        print(&story.diagram.unwrap_or_default())?;
        args.say(&format!("{}\n{pace}\n", verdict.text))?;
    }
    Ok(exit_code(verdict.well))
}

/// What happened, in the forms that were asked for.
struct Story {
    text: Option<String>,
    diagram: Option<String>,
}

impl Story {
    fn of(args: &ReplayArgs, run: &Run) -> Result<Story, SimError> {
        let task = (args.task.as_deref())
            .map(|name| named(name, run).ok_or_else(|| SimError::NoTask(name.to_owned())))
            .transpose()?;
        let view = View {
            task,
            ..View::default()
        };
        Ok(Story {
            text: args.trace.then(|| match task {
                Some(task) => text::render(&about(task, &run.story)),
                None => text::render(&run.story),
            }),
            diagram: args.mermaid.then(|| mermaid::render(&run.story, view)),
        })
    }
}

/// What is about a task, and what befell nodes.
fn about(task: TaskId, story: &[Line]) -> Vec<Line> {
    let shown = |line: &&Line| match line.task {
        Some(about) => about.task == task,
        None => matches!(line.kind, Kind::Fault | Kind::Life),
    };
    story.iter().filter(shown).cloned().collect()
}

/// The task that the story calls so: by the number that it has in the plan, or counted as it
/// appears; or by its UUID.
fn named(name: &str, run: &Run) -> Option<TaskId> {
    let has = |task: &TaskId| run.plan.submits.iter().any(|submit| submit.task == *task);
    let Ok(number) = name.strip_prefix('t').unwrap_or(name).parse::<usize>() else {
        return name.parse().ok().filter(has);
    };
    let mut appeared = Vec::new();
    for task in run.story.iter().filter_map(|line| line.task) {
        if !appeared.contains(&task.task) {
            appeared.push(task.task);
        }
    }
    let own = Some(TaskId(number as u128)).filter(has);
    own.or_else(|| appeared.get(number.checked_sub(1)?).copied())
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
    let mut fields = pace.json();
    let subject = match target {
        Target::Seed(seed) => [
            ("seed", json!(seed)),
            ("mode", json!(args.setting.mode_name())),
        ],
        Target::File(path, scenario) => [("file", json!(path)), ("name", json!(scenario.name))],
    };
    let found = [
        ("bug", json!(args.setting.bug_name())),
        (
            "violation",
            run.violation.as_ref().map(violation_json).into(),
        ),
        ("as_expected", json!(verdict.well)),
    ];
    let told = [
        ("trace", story.text.as_ref()),
        ("mermaid", story.diagram.as_ref()),
    ];
    let told = told
        .into_iter()
        .filter_map(|(key, text)| Some((key, json!(text?))));
    let all = subject.into_iter().chain(found).chain(told);
    fields.extend(all.map(|(key, value)| (key.to_owned(), value)));
    Value::Object(fields)
}
