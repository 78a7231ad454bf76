//! `mpcsfaas sim scenarios`: the original's failures, played by the original and by ours.

use std::process::ExitCode;

use clap::Args;
use mpcsfaas_sim_tests::run::Case;
use mpcsfaas_sim_tests::scenarios::{self, Scenario, Verdict, report};
use mpcsfaas_sim_tests::seed_model::Mode;
use serde_json::json;

use super::choice::{Choice, one_of};
use super::report::print;
use super::story::{Story, StoryArgs};
use super::{SimError, exit_code};

/// Arguments of `mpcsfaas sim scenarios`.
#[derive(Debug, Args)]
pub(super) struct ScenariosArgs {
    /// Only this one, with what happens in it.
    #[arg(value_name = "NAME", value_parser = one_of(all()))]
    #[arg(required_if_eq_any([("trace", "true"), ("mermaid", "true")]))]
    name: Option<Scenario>,
    /// Only as it happens in this mode of the original. All that have it, if not given.
    #[arg(long, value_parser = one_of(MODES))]
    mode: Option<Mode>,
    #[command(flatten)]
    story: StoryArgs,
    /// Print the page of the documentation, docs/SCENARIOS.md.
    #[arg(long, conflicts_with_all = ["name", "mode", "story", "json"])]
    markdown: bool,
    /// Print one JSON object a line, for each scenario and mode.
    #[arg(long)]
    json: bool,
}

const MODES: [Choice<Mode>; 3] = [
    ("local", "the dispatcher runs tasks itself", Mode::Local),
    ("push", "the dispatcher sends tasks to workers", Mode::Push),
    ("pull", "workers ask for tasks", Mode::Pull),
];

fn all() -> impl Iterator<Item = Choice<Scenario>> {
    let all = scenarios::all().into_iter();
    all.map(|scenario| (scenario.name, scenario.happens, scenario))
}

pub(super) fn run(args: &ScenariosArgs) -> Result<ExitCode, SimError> {
    let plays = args.plays();
    if plays.is_empty() {
        return Err(SimError::NoMode);
    }
    let played = plays
        .into_iter()
        .map(|(scenario, mode)| Played::of(&args.story, scenario, mode))
        .collect::<Result<Vec<_>, _>>()?;
    let well = played.iter().all(|it| it.verdict.complaints().is_empty());
    print(&match (args.json, args.markdown) {
        (true, _) => played.iter().map(Played::json).collect(),
        (_, true) => report::markdown(&verdicts(&played)),
        (false, false) => text(args.name, &played),
    })?;
    Ok(exit_code(well))
}

impl ScenariosArgs {
    /// What is to be played.
    fn plays(&self) -> Vec<(Scenario, Mode)> {
        let scenarios = self.name.map_or_else(scenarios::all, |one| vec![one]);
        let plays = scenarios.into_iter().flat_map(|scenario| {
            let modes = scenario.modes.iter().copied();
            modes.map(move |mode| (scenario, mode))
        });
        plays
            .filter(|(_, mode)| self.mode.is_none_or(|only| only == *mode))
            .collect()
    }
}

/// What came of a scenario in a mode, and how.
struct Played {
    verdict: Verdict,
    original: Story,
    ours: Story,
}

impl Played {
    fn of(args: &StoryArgs, scenario: Scenario, mode: Mode) -> Result<Played, SimError> {
        let setup = scenario.with_fault(mode);
        let tell = |case: Case| match args.is_wanted() {
            true => args.tell(&case.told().run()),
            false => Ok(Story::default()),
        };
        let case = || Case::of_plan(&setup.plan);
        Ok(Played {
            verdict: scenario.play(mode),
            original: tell(case().played_by(Box::new(setup.original())))?,
            ours: tell(case())?,
        })
    }

    fn json(&self) -> String {
        let Verdict {
            number,
            name,
            mode,
            happens,
            without,
            breaks,
            original,
            original_without_fault,
            ours,
            violation,
            swapped,
        } = &self.verdict;
        let mut object = json!({
            "number": number,
            "name": name,
            "mode": mode.to_string(),
            "happens": happens,
            "without": without,
            "breaks": breaks,
            "original": original,
            "original_without_fault": original_without_fault,
            "ours": ours,
            "violation": violation,
            "swapped": swapped,
            "complaints": self.verdict.complaints(),
        });
        for (who, story) in [("original", &self.original), ("ours", &self.ours)] {
            for (form, text) in story.json() {
                object[format!("{form}_of_{who}")] = text;
            }
        }
        format!("{object}\n")
    }

    /// Both stories, each under a heading. A diagram is fenced, for there are two on a page.
    fn stories(&self) -> String {
        let Verdict { name, mode, .. } = &self.verdict;
        let told = |who: &str, story: &Story| {
            let text = story.text.iter().cloned();
            let fenced = |diagram| format!("```mermaid\n{diagram}```\n");
            let forms = text.chain(story.diagram.iter().map(fenced));
            forms
                .map(|form| format!("\n## {name}, {mode}, played by {who}\n\n{form}"))
                .collect::<String>()
        };
        told("the original", &self.original) + &told("ours", &self.ours)
    }
}

fn verdicts(played: &[Played]) -> Vec<Verdict> {
    played.iter().map(|it| it.verdict.clone()).collect()
}

/// What happens if it is one scenario, the table, and stories if they were asked for.
fn text(one: Option<Scenario>, played: &[Played]) -> String {
    let sentence = one.map(|it| {
        let (happens, without) = (it.happens, it.without);
        format!("What happens: {happens}\nWithout the fault: {without}\n\n")
    });
    let well = played
        .iter()
        .filter(|it| it.verdict.complaints().is_empty());
    let (well, all) = (well.count(), played.len());
    let complaints = played.iter().flat_map(|it| {
        let Verdict { name, mode, .. } = &it.verdict;
        let complaints = it.verdict.complaints().into_iter();
        complaints.map(move |what| format!("{name}, {mode}: {what}\n"))
    });
    let mut page = sentence.unwrap_or_default();
    page += &report::text(&verdicts(played));
    page.extend(complaints);
    page += &format!(
        "{well} of {all} as they should be: the original fails, with the fault only; ours does not\n"
    );
    page.extend(played.iter().map(Played::stories));
    page
}
