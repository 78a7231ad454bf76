//! The original's failures as scenarios: one plan each, played by the original and by ours.
//!
//! A scenario is a plan with a fault, the same without it, and a symptom that is read off the
//! history, whoever made it. [`table`] plays them all. Each row says four things: the original shows
//! the symptom; without the fault it does not; ours does not show it, with the fault; and ours keeps
//! every promise meanwhile. So it is the machines that make the difference, and nothing else.
//!
//! Numbers are those of [`crate::seed_model`]. What cannot be played here needs real processes: 13,
//! the children of a killed dispatcher run on, and 24, the gateway unpickles what users send.
//!
//! [`setup`] makes the worlds, `evidence` reads histories, [`report`] writes the table, and
//! the scenarios are in a file for each kind of culprit.

mod dispatchers;
mod evidence;
mod redis;
pub mod report;
pub mod setup;
mod strangers;
#[cfg(test)]
mod tests;
mod workers;

use crate::run::Run;
use crate::seed_model::Mode;

pub use self::setup::Setup;

const ALL: &[Mode] = &[Mode::Local, Mode::Push, Mode::Pull];
const REMOTE: &[Mode] = &[Mode::Push, Mode::Pull];
const LOCAL: &[Mode] = &[Mode::Local];
const PUSH: &[Mode] = &[Mode::Push];
const PULL: &[Mode] = &[Mode::Pull];

/// A failure of the original, to be played.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its number among the original's failures.
    pub number: u32,
    /// What people call it.
    pub name: &'static str,
    /// The original's modes that have it.
    pub modes: &'static [Mode],
    /// What happens, in a sentence.
    pub happens: &'static str,
    /// What is different without the fault.
    pub without: &'static str,
    /// The promises that the original's symptom breaks.
    pub breaks: &'static [&'static str],
    setup: fn(Mode) -> Setup,
    remedy: fn(&mut Setup),
    symptom: fn(&Run) -> Option<String>,
}

impl Scenario {
    /// The world with its fault.
    pub fn with_fault(&self, mode: Mode) -> Setup {
        (self.setup)(mode)
    }

    /// The same world without it.
    pub fn without_fault(&self, mode: Mode) -> Setup {
        let mut setup = self.with_fault(mode);
        (self.remedy)(&mut setup);
        setup
    }

    /// The symptom, if a run shows it. The run must have kept its history.
    pub fn symptom(&self, run: &Run) -> Option<String> {
        (self.symptom)(run)
    }

    /// Plays it in a mode.
    pub fn play(&self, mode: Mode) -> Verdict {
        let world = self.with_fault(mode);
        let original = self.symptom(&world.played_by_the_original());
        let calm = self.without_fault(mode).played_by_the_original();
        let run = world.played_by_ours();
        let ours = self.symptom(&run);
        Verdict {
            number: self.number,
            name: self.name,
            mode,
            happens: self.happens,
            without: self.without,
            breaks: self.breaks,
            swapped: original.is_some() && ours.is_none(),
            original,
            original_without_fault: self.symptom(&calm),
            ours,
            violation: run.violation.map(|violation| violation.to_string()),
        }
    }
}

/// What came of a scenario in a mode.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// The scenario's number.
    pub number: u32,
    /// The scenario's name.
    pub name: &'static str,
    /// The mode.
    pub mode: Mode,
    /// What happens.
    pub happens: &'static str,
    /// What is different without the fault.
    pub without: &'static str,
    /// The promises that the symptom breaks.
    pub breaks: &'static [&'static str],
    /// The symptom that the original shows.
    pub original: Option<String>,
    /// The symptom that the original shows without the fault.
    pub original_without_fault: Option<String>,
    /// The symptom that ours show.
    pub ours: Option<String>,
    /// The promise that ours break.
    pub violation: Option<String>,
    /// Whether other machines in the same world turn the verdict round.
    pub swapped: bool,
}

impl Verdict {
    /// What is not as it should be.
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        if self.original.is_none() {
            complaints.push("the original does not show it".to_owned());
        }
        if let Some(symptom) = &self.original_without_fault {
            complaints.push(format!(
                "the original shows it without the fault: {symptom}"
            ));
        }
        if let Some(symptom) = &self.ours {
            complaints.push(format!("ours show it: {symptom}"));
        }
        if let Some(violation) = &self.violation {
            complaints.push(format!("ours: {violation}"));
        }
        complaints
    }
}

/// All scenarios, by their numbers.
pub fn all() -> Vec<Scenario> {
    let mut all = [
        &dispatchers::SCENARIOS[..],
        &workers::SCENARIOS,
        &redis::SCENARIOS,
        &strangers::SCENARIOS,
    ]
    .concat();
    all.sort_by_key(|scenario| scenario.number);
    all
}

/// Plays each scenario in each of its modes.
pub fn table() -> Vec<Verdict> {
    let all = all();
    let plays = all
        .iter()
        .flat_map(|scenario| scenario.modes.iter().map(move |mode| scenario.play(*mode)));
    plays.collect()
}
