//! The page of a run, for a browser: the run itself, and what is left of it if it fails.

use std::fs;
use std::path::Path;

use mpcsfaas_sim_tests::code::Seed;
use mpcsfaas_sim_tests::run::{Case, Run};
use mpcsfaas_sim_tests::scenario_file::{self, Expect, Scenario};
use mpcsfaas_sim_tests::shrink::Budget;
use mpcsfaas_sim_tests::trace::html::{self, Caption, Page, Picture};
use mpcsfaas_sim_tests::world::Knobs;

use super::SimError;
use super::shrink::{Smallest, smallest};
use super::target::{Setting, Target};

/// How many events shrinking for a page may take, in all its runs: some ten seconds in a release build.
const EVENTS: u64 = 10_000_000;

/// However large a run is, it is tried to shrink it at least so many times.
const LEAST: u32 = 20;

/// Writes the page of a run that was told and kept: of the target, or of the smallest that was
/// made of it.
pub(super) fn write(
    path: &Path,
    target: &Target,
    setting: Setting,
    run: &Run,
    found: Option<Smallest>,
) -> Result<(), SimError> {
    let told = |case: Case| case.told().kept().run();
    let runs = match (found, &run.violation) {
        (Some(found), _) => {
            let whole = told(target.case(setting));
            vec![
                whole_picture(&whole, target, setting),
                small_picture(run, &found, target, setting),
            ]
        }
        (None, Some(_)) => {
            let found = smallest(target, setting, budget(run))?;
            let small = told(found.case(setting));
            vec![
                whole_picture(run, target, setting),
                small_picture(&small, &found, target, setting),
            ]
        }
        (None, None) => vec![whole_picture(run, target, setting)],
    };
    let page = Page {
        name: name(target),
        facts: facts(target, setting),
        runs,
    };
    let written = html::render(&page)
        .map_err(Into::into)
        .and_then(|page| fs::write(path, page));
    written.map_err(|source| SimError::Write {
        path: path.to_owned(),
        source,
    })
}

/// As many runs as `sim shrink` takes, or as few as a large run allows.
fn budget(run: &Run) -> Budget {
    let usual = Budget::default().runs;
    let runs = EVENTS / run.events.max(1);
    Budget {
        runs: u32::try_from(runs).map_or(usual, |runs| runs.clamp(LEAST, usual)),
    }
}

fn whole_picture(run: &Run, target: &Target, setting: Setting) -> Picture {
    let (label, note) = match &run.violation {
        Some(_) => ("failing run", ""),
        None => ("run", "Nothing is broken, so there is nothing to shrink."),
    };
    let caption = Caption {
        label: label.to_owned(),
        note: note.to_owned(),
        replay: target.replay(setting),
        scenario: None,
    };
    Picture::of(run, caption)
}

fn small_picture(run: &Run, found: &Smallest, target: &Target, setting: Setting) -> Picture {
    let scenario = Scenario {
        name: name(target),
        plan: found.shrunk.plan.clone(),
        expect: Expect::Breaks(found.first.promise),
    };
    let caption = Caption {
        label: "shrunk run".to_owned(),
        note: note(found),
        replay: format!("{} --shrunk", target.replay(setting)),
        scenario: Some(scenario_file::write(&scenario)),
    };
    Picture::of(run, caption)
}

fn note(found: &Smallest) -> String {
    let shrunk = &found.shrunk;
    format!(
        "Shrunk from {} to {} submits, faults and twists, in {} runs.",
        shrunk.units_before, shrunk.units_after, shrunk.runs
    )
}

fn name(target: &Target) -> String {
    match target {
        Target::Seed(seed) => format!("seed {}", Seed(*seed)),
        Target::File(..) => target.name(),
    }
}

fn facts(target: &Target, setting: Setting) -> Vec<(&'static str, String)> {
    let mut facts = match target {
        Target::Seed(seed) => vec![
            ("mode", setting.mode_name().to_owned()),
            ("knobs", Knobs::of(setting.mode, *seed).to_string()),
        ],
        Target::File(_, scenario) => vec![
            ("scenario", scenario.name.clone()),
            (
                "expects",
                match scenario.expect {
                    Expect::Keeps => "every promise is kept".to_owned(),
                    Expect::Breaks(promise) => format!("{promise} is broken"),
                },
            ),
        ],
    };
    let bug = setting.bug.map(|bug| format!("{}: {}", bug.name, bug.what));
    facts.extend(bug.map(|bug| ("planted bug", bug)));
    facts
}
