//! What is to be run: a seed in a mode, or a scenario file; with a bug planted, or none.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use mpcsfaas_sim_tests::bugs::{self, Bug};
use mpcsfaas_sim_tests::code::{Seed, SeedError};
use mpcsfaas_sim_tests::run::Case;
use mpcsfaas_sim_tests::scenario_file::{self, Scenario};
use mpcsfaas_sim_tests::world::{Knobs, Mode, Tampers};
use serde_json::{Map, Value, json};

use super::SimError;
use super::choice::{Choice, one_of};
use super::report::object;

/// What a seed is run in.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Setting {
    /// How much trouble there is.
    #[arg(long, default_value = "swarm", value_parser = one_of(MODES))]
    pub(super) mode: Mode,
    /// Plant a bug, to see that it is found.
    #[arg(long, value_name = "NAME", value_parser = one_of(bugs()))]
    pub(super) bug: Option<Bug>,
}

const MODES: [Choice<Mode>; 4] = [
    ("lite", "a small world with one fault", Mode::Lite),
    (
        "swarm",
        "each seed its own subset and strength of all troubles",
        Mode::Swarm,
    ),
    (
        "performance",
        "8 workers, 1,000 tasks, all faults at a moderate strength",
        Mode::Performance,
    ),
    (
        "large",
        "1,000 workers, 100,000 tasks: as long as thousands of seeds of the swarm",
        Mode::Large,
    ),
];

/// Planted bugs, for an argument.
pub(super) fn bugs() -> impl Iterator<Item = Choice<Bug>> {
    bugs::ALL.into_iter().map(|bug| (bug.name, bug.what, bug))
}

/// A seed as it was printed: `94@3f2a` is refused by any other version of the code.
pub(super) fn seed(text: &str) -> Result<u64, SeedError> {
    text.parse().map(|Seed(seed)| seed)
}

impl Setting {
    pub(super) fn tampers(self) -> Tampers {
        self.bug.map(|bug| bug.tampers).unwrap_or_default()
    }

    pub(super) fn case(self, seed: u64) -> Case {
        Case::of_seed(self.mode, seed).with(self.tampers())
    }

    pub(super) fn mode_name(self) -> &'static str {
        let known = MODES.iter().find(|(.., mode)| *mode == self.mode);
        known.map_or("", |(name, ..)| name)
    }

    pub(super) fn bug_name(self) -> Option<&'static str> {
        self.bug.map(|bug| bug.name)
    }

    /// The one command that runs a seed again.
    pub(super) fn replay(self, seed: u64) -> String {
        let (mode, bug) = (self.mode_name(), self.bug_flag());
        format!(
            "mpcsfaas sim replay --seed {} --mode {mode}{bug}",
            Seed(seed)
        )
    }

    /// ` --bug NAME`, or nothing.
    pub(super) fn bug_flag(self) -> String {
        let flag = |name| format!(" --bug {name}");
        self.bug_name().map(flag).unwrap_or_default()
    }

    /// What else there is to know of a run, or nothing.
    fn bug_words(self) -> String {
        let words = |bug: Bug| format!(", with a bug: {} ({})", bug.name, bug.what);
        self.bug.map(words).unwrap_or_default()
    }
}

/// `swarm`, and the bug with what it does.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.mode_name(), self.bug_words())
    }
}

/// One run.
#[derive(Debug)]
pub(super) enum Target {
    Seed(u64),
    File(PathBuf, Box<Scenario>),
}

impl Target {
    /// Reads a scenario file.
    pub(super) fn read(path: &Path) -> Result<Target, SimError> {
        let text = std::fs::read_to_string(path).map_err(|source| SimError::Read {
            path: path.to_owned(),
            source,
        })?;
        let scenario = scenario_file::read(&text)
            .map_err(|error| error.in_file(&path.display().to_string()))?;
        Ok(Target::File(path.to_owned(), Box::new(scenario)))
    }

    pub(super) fn case(&self, setting: Setting) -> Case {
        match self {
            Target::Seed(seed) => setting.case(*seed),
            Target::File(_, scenario) => Case::of_plan(&scenario.plan).with(setting.tampers()),
        }
    }

    /// The one command that runs it again.
    pub(super) fn replay(&self, setting: Setting) -> String {
        match self {
            Target::Seed(seed) => setting.replay(*seed),
            Target::File(path, _) => {
                format!(
                    "mpcsfaas sim replay {}{}",
                    path.display(),
                    setting.bug_flag()
                )
            }
        }
    }

    /// In a few words.
    pub(super) fn name(&self) -> String {
        match self {
            Target::Seed(seed) => format!("seed {seed}"),
            Target::File(path, _) => path.display().to_string(),
        }
    }

    /// What is said before the run: all that it depends on.
    pub(super) fn head(&self, setting: Setting) -> String {
        let name = self.name();
        match self {
            Target::Seed(seed) => {
                let knobs = Knobs::of(setting.mode, *seed);
                format!("{name}, {setting}\n{knobs}\n")
            }
            Target::File(_, scenario) => {
                format!("{name}: {}{}\n", scenario.name, setting.bug_words())
            }
        }
    }

    /// The same, for a machine: fields of a JSON object.
    pub(super) fn json(&self, setting: Setting) -> Map<String, Value> {
        let bug = setting.bug_name();
        object(match self {
            Target::Seed(seed) => json!({
                "seed": seed,
                "mode": setting.mode_name(),
                "bug": bug,
                "knobs": Knobs::of(setting.mode, *seed).to_string(),
            }),
            Target::File(path, scenario) => json!({
                "file": path,
                "name": scenario.name,
                "bug": bug,
            }),
        })
    }
}
