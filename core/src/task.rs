//! What a task is, which states it passes through, and how it can end.
//!
//! | from | to | by |
//! |---|---|---|
//! | - | QUEUED | Submit |
//! | QUEUED | RUNNING | Claim, Adopt |
//! | RUNNING | QUEUED | Requeue, Reap, Release |
//! | RUNNING, QUEUED | COMPLETED, FAILED | Commit of the current attempt, Cancel, the loss limit |
//!
//! [`Status::may_become`] is this table; promise P5 says that no other move ever happens.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::timing::{ENVELOPE, FRAME_LIMIT, OUTPUT_LIMIT, PAYLOAD_LIMIT, TEXT_LIMIT};

/// The state of a task as every client sees it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Status {
    /// Accepted, waiting to be claimed by a dispatcher.
    Queued,
    /// Claimed by a dispatcher: on its way to a worker, running there, or being committed.
    Running,
    /// Ended with a result.
    Completed,
    /// Ended without one; the failure says why.
    Failed,
}

impl Status {
    /// All states, in the order of a task's life.
    pub const ALL: [Status; 4] = [
        Status::Queued,
        Status::Running,
        Status::Completed,
        Status::Failed,
    ];

    /// Whether the task has ended. An ended task never changes again (P2).
    pub const fn is_terminal(self) -> bool {
        matches!(self, Status::Completed | Status::Failed)
    }

    /// The transition table of this module.
    pub const fn may_become(self, next: Status) -> bool {
        matches!(
            (self, next),
            (
                Status::Queued,
                Status::Running | Status::Completed | Status::Failed
            ) | (
                Status::Running,
                Status::Queued | Status::Completed | Status::Failed
            )
        )
    }

    /// The name on the wire, as the original spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Queued => "QUEUED",
            Status::Running => "RUNNING",
            Status::Completed => "COMPLETED",
            Status::Failed => "FAILED",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the submitter asked for beyond function and parameters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Options {
    /// Kill the task when it has run for this many milliseconds. `None`: no deadline.
    pub timeout_ms: Option<u64>,
    /// Rather fail the task than risk that it runs twice (R16).
    pub at_most_once: bool,
}

impl Options {
    /// The execution deadline as a duration.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout_ms.map(Duration::from_millis)
    }
}

/// Versions of the side that pickled a function, if it told. Only ever shown, never decided on.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Versions {
    /// Python, such as `3.11.7`.
    pub python: Option<String>,
    /// dill, such as `0.4.0`.
    pub dill: Option<String>,
}

/// A registered function.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Function {
    /// The name its author gave it; not unique.
    pub name: String,
    /// The pickle. Nothing on this side of the worker's Python child ever executes it.
    pub body: Bytes,
    /// Options that every task of this function has unless it brings its own.
    pub options: Options,
    /// Who pickled it.
    pub pickled_by: Versions,
}

/// How an attempt ended, in the worker's own words.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// The pickled result, or why there is none.
    pub result: Result<Bytes, Failure>,
    /// What the function printed, standard output and error in one, cut at the capture limit.
    pub output: Bytes,
}

impl Outcome {
    /// An outcome with nothing printed.
    pub fn completed(result: impl Into<Bytes>) -> Outcome {
        Outcome {
            result: Ok(result.into()),
            output: Bytes::new(),
        }
    }

    /// A failure with nothing printed.
    pub fn failed(kind: FailureKind, message: impl Into<String>) -> Outcome {
        Outcome {
            result: Err(Failure::new(kind, message)),
            output: Bytes::new(),
        }
    }

    /// The same, cut so that it fits a frame whoever made it: a result over [`PAYLOAD_LIMIT`]
    /// becomes a failure, and texts and output lose their end.
    pub fn limited(mut self) -> Outcome {
        if let Ok(result) = &self.result
            && result.len() > PAYLOAD_LIMIT
        {
            let size = result.len();
            let message = format!("result too large: {size} bytes, limit {PAYLOAD_LIMIT}");
            self.result = Err(Failure::new(FailureKind::ResultTooLarge, message));
        }
        let room = match &mut self.result {
            Ok(result) => FRAME_LIMIT - ENVELOPE - result.len(),
            Err(failure) => {
                failure.limit();
                OUTPUT_LIMIT
            }
        };
        self.output.truncate(room.min(OUTPUT_LIMIT));
        self
    }

    /// How many bytes of a message it takes, less some small change.
    pub fn size(&self) -> usize {
        let result = match &self.result {
            Ok(result) => result.len(),
            Err(failure) => failure.size(),
        };
        result + self.output.len()
    }

    /// The state that committing this outcome leads to.
    pub const fn status(&self) -> Status {
        match self.result {
            Ok(_) => Status::Completed,
            Err(_) => Status::Failed,
        }
    }
}

/// Why a task failed.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// The class of failure.
    pub kind: FailureKind,
    /// The exception's type for [`FailureKind::Raised`] and the pickling kinds, else empty.
    pub exception: String,
    /// `str(e)` of the exception, or a sentence that names the reason.
    pub message: String,
    /// The pickle of `str(e)` as the original's clients expect it; empty: made from `message`.
    pub pickled_message: Bytes,
    /// Python's traceback as text, or empty.
    pub traceback: String,
    /// The exit code of a child that exited.
    pub exit_code: Option<i32>,
    /// The signal that ended a child.
    pub signal: Option<i32>,
}

impl Failure {
    /// A failure that is told in one sentence.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Failure {
        Failure {
            kind,
            exception: String::new(),
            message: message.into(),
            pickled_message: Bytes::new(),
            traceback: String::new(),
            exit_code: None,
            signal: None,
        }
    }

    fn limit(&mut self) {
        for text in [&mut self.exception, &mut self.message, &mut self.traceback] {
            let end = (0..=TEXT_LIMIT.min(text.len()))
                .rev()
                .find(|end| text.is_char_boundary(*end));
            text.truncate(end.unwrap_or_default());
        }
        // A pickle cannot be cut; without it, one is made from the message. Twice the limit
        // leaves room for the pickle of a text that is itself within it.
        if self.pickled_message.len() > 2 * TEXT_LIMIT {
            self.pickled_message = Bytes::new();
        }
    }

    fn size(&self) -> usize {
        let texts = [&self.exception, &self.message, &self.traceback];
        texts.map(String::len).iter().sum::<usize>() + self.pickled_message.len()
    }
}

/// The classes of failure.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The function raised an exception.
    Raised,
    /// The function called `sys.exit`.
    Exit,
    /// The Python process ended by itself (`os._exit`).
    Exited,
    /// A signal ended the Python process (segmentation fault, out of memory, `kill`).
    Killed,
    /// The task ran past its deadline.
    Timeout,
    /// The function's body cannot be unpickled by the worker.
    UnpickleFunction,
    /// The parameters cannot be unpickled by the worker.
    UnpickleParams,
    /// What was registered is not callable.
    NotCallable,
    /// The result cannot be pickled.
    PickleResult,
    /// The result is over the size limit.
    ResultTooLarge,
    /// The function's body is no longer in the store.
    FunctionMissing,
    /// Workers were lost under this task as often as the limit allows (R14).
    WorkerLost,
    /// An at-most-once task whose attempt may have started was lost (R16).
    Lost,
    /// A user cancelled it.
    Cancelled,
}

impl FailureKind {
    /// All kinds, in the order of declaration.
    pub const ALL: [FailureKind; 14] = [
        FailureKind::Raised,
        FailureKind::Exit,
        FailureKind::Exited,
        FailureKind::Killed,
        FailureKind::Timeout,
        FailureKind::UnpickleFunction,
        FailureKind::UnpickleParams,
        FailureKind::NotCallable,
        FailureKind::PickleResult,
        FailureKind::ResultTooLarge,
        FailureKind::FunctionMissing,
        FailureKind::WorkerLost,
        FailureKind::Lost,
        FailureKind::Cancelled,
    ];

    /// The name in JSON and in the runner's frames.
    pub const fn as_str(self) -> &'static str {
        match self {
            FailureKind::Raised => "raised",
            FailureKind::Exit => "exit",
            FailureKind::Exited => "exited",
            FailureKind::Killed => "killed",
            FailureKind::Timeout => "timeout",
            FailureKind::UnpickleFunction => "unpickle_function",
            FailureKind::UnpickleParams => "unpickle_params",
            FailureKind::NotCallable => "not_callable",
            FailureKind::PickleResult => "pickle_result",
            FailureKind::ResultTooLarge => "result_too_large",
            FailureKind::FunctionMissing => "function_missing",
            FailureKind::WorkerLost => "worker_lost",
            FailureKind::Lost => "lost",
            FailureKind::Cancelled => "cancelled",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<FailureKind> {
        FailureKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transition_table_is_the_one_in_the_docs() {
        let moves: Vec<String> = Status::ALL
            .into_iter()
            .flat_map(|from| Status::ALL.map(|to| (from, to)))
            .filter(|(from, to)| from.may_become(*to))
            .map(|(from, to)| format!("{from}>{to}"))
            .collect();
        assert_eq!(
            moves.join(" "),
            "QUEUED>RUNNING QUEUED>COMPLETED QUEUED>FAILED \
             RUNNING>QUEUED RUNNING>COMPLETED RUNNING>FAILED"
        );
    }

    #[test]
    fn an_outcome_is_cut_to_what_a_frame_can_carry() {
        let large = Outcome {
            result: Ok(Bytes::from(vec![0; PAYLOAD_LIMIT])),
            output: Bytes::from(vec![0; 10 * OUTPUT_LIMIT]),
        };
        let cut = large.limited();
        assert_eq!(cut.size(), FRAME_LIMIT - ENVELOPE);
        assert_eq!(cut.clone().limited(), cut);

        let larger = Outcome::completed(vec![0; PAYLOAD_LIMIT + 1]).limited();
        let failure = larger.result.expect_err("too large");
        assert_eq!(failure.kind, FailureKind::ResultTooLarge);

        let mut wordy = Failure::new(FailureKind::Raised, "ä".repeat(TEXT_LIMIT));
        wordy.traceback = format!("a{}", "ä".repeat(TEXT_LIMIT));
        wordy.pickled_message = Bytes::from(vec![0; 1 << 20]);
        let cut = Outcome {
            result: Err(wordy),
            output: Bytes::new(),
        };
        let failure = cut.limited().result.expect_err("a failure");
        assert_eq!(failure.message.len(), TEXT_LIMIT);
        assert_eq!(
            failure.traceback.len(),
            TEXT_LIMIT - 1,
            "no half characters"
        );
        assert!(failure.pickled_message.is_empty());
    }

    #[test]
    fn every_failure_kind_has_a_name_of_its_own() {
        for kind in FailureKind::ALL {
            assert_eq!(FailureKind::from_name(kind.as_str()), Some(kind));
        }
    }
}
