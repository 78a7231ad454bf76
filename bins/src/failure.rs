//! How a task failed, as the API and the Python client tell it, and as people are shown it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a task failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The class of failure, such as `raised`, `timeout` or `killed`.
    pub kind: String,
    /// The exception's type, if Python raised one.
    #[serde(rename = "type")]
    pub exception: String,
    /// The exception's text, or a sentence that names the reason.
    pub message: String,
    /// Python's traceback, or nothing.
    pub traceback: String,
    /// The exit code of a process that exited.
    pub exit_code: Option<i32>,
    /// The signal that ended a process.
    pub signal: Option<i32>,
}

/// One line, and the traceback if there is one.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure {
            kind,
            exception,
            message,
            ..
        } = self;
        // Where no exception was raised, the kind may stand in its place.
        if !exception.is_empty() && exception != kind {
            write!(f, "{exception}: ")?;
        }
        f.write_str(message)?;
        if message != kind {
            write!(f, " ({kind})")?;
        }
        match self.traceback.trim_end() {
            "" => Ok(()),
            traceback => write!(f, "\n{traceback}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_with_what_is_known_of_it() {
        let raised = Failure {
            kind: "raised".to_owned(),
            exception: "ValueError".to_owned(),
            message: "no more".to_owned(),
            traceback: "Traceback:\n  here\n".to_owned(),
            ..Failure::default()
        };
        assert_eq!(
            raised.to_string(),
            "ValueError: no more (raised)\nTraceback:\n  here"
        );
        let of_a_process = |kind: &str, message: &str| Failure {
            kind: kind.to_owned(),
            exception: kind.to_owned(),
            message: message.to_owned(),
            ..Failure::default()
        };
        let exited = of_a_process("exited", "the Python process ended with code 7");
        assert_eq!(
            exited.to_string(),
            "the Python process ended with code 7 (exited)"
        );
        let cancelled = of_a_process("cancelled", "cancelled");
        assert_eq!(cancelled.to_string(), "cancelled");
    }
}
