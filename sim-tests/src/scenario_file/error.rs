//! What can be wrong with a scenario file, and where.

use std::fmt;

use mpcsfaas_transport_sim::place::{Place, PlaceError};
use thiserror::Error;

use super::VERSION;
use super::time::TimeError;

/// Why a scenario file cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub struct ScenarioError {
    /// The file's name, for people.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// What is wrong there.
    pub mistake: Box<Mistake>,
}

impl ScenarioError {
    /// The same, with the name of the file.
    pub fn in_file(self, file: &str) -> ScenarioError {
        ScenarioError {
            file: Some(file.to_owned()),
            ..self
        }
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}:")?;
        }
        write!(f, "{}:{}: {}", self.line, self.column, self.mistake)
    }
}

/// What is wrong.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Mistake {
    /// It is not TOML, in the words of the parser.
    #[error("not TOML: {0}")]
    Syntax(String),
    /// The format has another version.
    #[error("version {0} is unknown: this program reads version {VERSION}")]
    Version(u32),
    /// A key is missing.
    #[error("{table} needs `{key}`")]
    Missing {
        /// Of which table.
        table: &'static str,
        /// Which.
        key: &'static str,
    },
    /// A key does not belong here.
    #[error("{table} has no `{key}`; it may have {}", list(.known))]
    UnknownKey {
        /// In which table.
        table: &'static str,
        /// Which.
        key: String,
        /// What may stand there.
        known: Vec<&'static str>,
    },
    /// Two keys that exclude each other.
    #[error("write `{0}` or `{1}`, not both")]
    Both(&'static str, &'static str),
    /// A value of another type.
    #[error("expected {expected}, found {found}")]
    WrongType {
        /// What should stand there.
        expected: &'static str,
        /// What does.
        found: &'static str,
    },
    /// A word that means nothing here.
    #[error("`{found}` means nothing here; write {}", list(.known))]
    UnknownWord {
        /// The word.
        found: String,
        /// Those that do.
        known: Vec<&'static str>,
    },
    /// A number that is too large or too small.
    #[error("{found} is out of range: {from} to {to}")]
    OutOfRange {
        /// The number.
        found: String,
        /// The least.
        from: i128,
        /// The most.
        to: i128,
    },
    /// A text that is no duration.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// A text that is no node.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A node that this world does not have.
    #[error("there is no {place}: the world has {count} {kind}, counted from 0")]
    NoSuchNode {
        /// The node.
        place: Place,
        /// How many there are.
        count: usize,
        /// Of what.
        kind: &'static str,
    },
    /// It cannot befall this node.
    #[error("`{what}` cannot befall {place}: write {needs}")]
    WrongNode {
        /// What.
        what: String,
        /// Whom it was to befall.
        place: Place,
        /// Whom it can befall.
        needs: &'static str,
    },
    /// A text that is no task's name.
    #[error("`{0}` names no task: write a number or a UUID")]
    TaskName(String),
    /// A cancel of a task that nobody submits.
    #[error("no [[submit]] has the task `{0}`")]
    UnknownTask(String),
    /// A task that is submitted again.
    #[error("the task `{0}` is submitted twice")]
    TaskTwice(String),
    /// A bend that this occasion does not know.
    #[error("`{bend}` bends only {only}")]
    WrongBend {
        /// The bend.
        bend: String,
        /// What it can befall.
        only: &'static str,
    },
}

/// `a, b or c`.
fn list(words: &[&str]) -> String {
    match words {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => words.concat(),
    }
}
