//! The history oracle: what a client could see must be explainable.
//!
//! It keeps what is known of each task from the outside: what the client asked and was answered,
//! which attempts ran and how they stopped, and what the store shows. Every new state must follow
//! from that. An answer that never came explains nothing and forbids nothing.

use std::sync::Arc;

use mpcsfaas_core::id::{Attempt, TaskId};
use mpcsfaas_core::store::op::Submitted;
use mpcsfaas_core::task::{FailureKind, Status};
use mpcsfaas_transport_sim::by_task::ByTask;
use mpcsfaas_transport_sim::history::{Ended, Row, Seen, What};
use mpcsfaas_transport_sim::plan::{Bend, Ending, Occasion, Submit};

use crate::checkers::{Checker, Setting};

/// The losses that fail a task (R14).
const MAX_LOSSES: u32 = 3;

/// Explains, or fails to.
#[derive(Clone, Debug)]
pub struct Oracle {
    submits: Arc<ByTask<Submit>>,
    tasks: ByTask<Known>,
    /// Whether the client may have got one answer twice, so that answers cannot be counted.
    answers_repeat: bool,
    explained: u64,
}

/// What is known of a task.
#[derive(Clone, Debug, Default)]
struct Known {
    /// How often the client has sent it.
    sent: u32,
    /// How many of these were answered that the queue is full.
    refused: u32,
    at_most_once: bool,
    cancel_asked: bool,
    has_row: bool,
    ended: Option<Ended>,
    /// Its attempts, in the order in which they started.
    attempts: Vec<(Attempt, Run)>,
}

/// How far an attempt is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Run {
    Runs,
    EndedByItself,
    WasEnded,
}

/// Whether an outcome says something that only a worker can know of the row's attempt.
pub(crate) fn is_a_workers_word(row: &Row) -> bool {
    let Some(ended) = row.outcome.filter(|_| row.attempt > 0) else {
        return false;
    };
    match ended.failure {
        None => true,
        Some(kind) => !matches!(
            kind,
            FailureKind::FunctionMissing
                | FailureKind::WorkerLost
                | FailureKind::Lost
                | FailureKind::Cancelled
        ),
    }
}

impl Oracle {
    /// An oracle that knows what was planned.
    pub fn new(setting: &Setting) -> Oracle {
        Oracle {
            submits: setting.submits.clone(),
            tasks: ByTask::default(),
            answers_repeat: false,
            explained: 0,
        }
    }

    fn see_row(&mut self, row: &Row) -> Result<(), String> {
        let known = self.tasks.entry(row.task).or_default();
        if !known.has_row {
            known.has_row = true;
            known.explain_row(self.answers_repeat)?;
        }
        if row.outcome.is_some() && row.outcome != known.ended {
            known.ended = row.outcome;
            self.explained += 1;
            known.explain_end(row, self.submits.get(&row.task))?;
        }
        Ok(())
    }
}

impl Checker for Oracle {
    fn promise(&self) -> &'static str {
        "history"
    }

    fn observe(&mut self, seen: &Seen) -> Result<(), String> {
        let told = |task: &TaskId, story: Result<(), String>| {
            story.map_err(|what| format!("{task}: {what}"))
        };
        match &seen.what {
            What::Row(row) => return told(&row.task, self.see_row(row)),
            What::RowGone(task) => self.tasks.entry(*task).or_default().has_row = false,
            What::Submitted { task, at_most_once } => {
                let known = self.tasks.entry(*task).or_default();
                known.sent += 1;
                known.at_most_once = *at_most_once;
            }
            What::Answered {
                task,
                answer: Submitted::QueueFull,
            } => {
                let known = self.tasks.entry(*task).or_default();
                known.refused += 1;
                if known.has_row {
                    return told(task, known.explain_row(self.answers_repeat));
                }
            }
            What::Twisted {
                on: Occasion::Answer,
                bend: Bend::Twice(_),
            } => self.answers_repeat = true,
            What::CancelAsked(task) => self.tasks.entry(*task).or_default().cancel_asked = true,
            What::Cancelled(task) => {
                let known = self.tasks.entry(*task).or_default();
                let failure = known.ended.and_then(|ended| ended.failure);
                if failure != Some(FailureKind::Cancelled) {
                    let what = "its user was told that it is cancelled, and it is not".to_owned();
                    return told(task, Err(what));
                }
            }
            What::Started { task, .. } => {
                let known = self.tasks.entry(task.task).or_default();
                known.attempts.push((task.attempt, Run::Runs));
            }
            What::Stopped {
                task, by_itself, ..
            } => {
                let known = self.tasks.entry(task.task).or_default();
                known.stop(task.attempt, *by_itself);
            }
            _ => {}
        }
        Ok(())
    }

    fn premises(&self) -> u64 {
        self.explained
    }
}

impl Known {
    fn stop(&mut self, attempt: Attempt, by_itself: bool) {
        let running = |(number, run): &&mut (Attempt, Run)| *number == attempt && *run == Run::Runs;
        if let Some((_, run)) = self.attempts.iter_mut().find(running) {
            *run = match by_itself {
                true => Run::EndedByItself,
                false => Run::WasEnded,
            };
        }
    }

    /// Why there is a row: it was asked for, and not every time refused.
    fn explain_row(&self, answers_repeat: bool) -> Result<(), String> {
        match self.sent {
            0 => Err("has a row, and nobody has submitted it".to_owned()),
            sent if sent <= self.refused && !answers_repeat => {
                Err("has a row, and the queue was full each time".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn explain_end(&self, row: &Row, submit: Option<&Submit>) -> Result<(), String> {
        let Some(ended) = row.outcome else {
            return Ok(());
        };
        let terminal = match ended.failure {
            None => Status::Completed,
            Some(_) => Status::Failed,
        };
        if row.status != terminal {
            return Err(format!("is {} with {ended:?}", row.status));
        }
        match ended.failure {
            None => self.explain_result(row, ended)?,
            Some(kind) => self.explain_failure(row, kind)?,
        }
        match submit.filter(|_| is_a_workers_word(row)) {
            Some(submit) if !may_end(submit, ended.failure) => Err(format!(
                "ends as planned ({:?}) only, not as {ended:?}",
                submit.ends
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// A result is that of an attempt that has run to its end.
    fn explain_result(&self, row: &Row, ended: Ended) -> Result<(), String> {
        let run_of = |attempt: Attempt| self.attempts.iter().find(|(number, _)| *number == attempt);
        match ended.result_of {
            // The original's rows know no attempts.
            _ if row.attempt == 0 && !self.attempts.is_empty() => Ok(()),
            Some(attempt) => match run_of(attempt) {
                Some((_, Run::EndedByItself)) => Ok(()),
                Some((_, run)) => Err(format!("has a result of attempt {attempt}: {run:?}")),
                None => Err(format!("has a result of attempt {attempt}: never started")),
            },
            None => Err("has a result of no attempt".to_owned()),
        }
    }

    fn explain_failure(&self, row: &Row, kind: FailureKind) -> Result<(), String> {
        let started = self
            .attempts
            .iter()
            .any(|(n, _)| *n == row.attempt || row.attempt == 0);
        let (explained, reason) = match kind {
            FailureKind::Cancelled => (self.cancel_asked, "nobody asked for that"),
            FailureKind::Lost => (self.at_most_once, "it may run more than once"),
            FailureKind::WorkerLost => (row.losses >= MAX_LOSSES, "it has fewer losses"),
            FailureKind::FunctionMissing => (false, "nobody took its function away"),
            FailureKind::Raised
            | FailureKind::Exit
            | FailureKind::Exited
            | FailureKind::Killed
            | FailureKind::Timeout
            | FailureKind::UnpickleFunction
            | FailureKind::UnpickleParams
            | FailureKind::NotCallable
            | FailureKind::PickleResult
            | FailureKind::ResultTooLarge => (started, "its attempt never started"),
        };
        match explained {
            true => Ok(()),
            false => Err(format!("failed as {kind:?}, but {reason}")),
        }
    }
}

/// Whether a task's attempt may end so, by its script.
fn may_end(submit: &Submit, failure: Option<FailureKind>) -> bool {
    match failure {
        None => submit.ends == Ending::Returns,
        Some(FailureKind::Raised) => submit.ends == Ending::Raises,
        Some(FailureKind::Exit | FailureKind::Exited) => submit.ends == Ending::Exits,
        Some(FailureKind::Killed) => submit.ends == Ending::Crashes,
        Some(FailureKind::ResultTooLarge) => submit.ends == Ending::ReturnsTooMuch,
        Some(FailureKind::Timeout) => submit.timeout.is_some(),
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::testing::*;

    fn begun() -> History {
        History::new()
            .submitted(task(7))
            .row(queued(attempt(7, 0)))
            .row(running(attempt(7, 1)))
    }

    fn judge(history: History) -> Result<u64, String> {
        history.judge(&mut Oracle::new(&setting()))
    }

    #[test]
    fn a_result_of_an_attempt_that_ran_is_explained() {
        let history = begun()
            .started(W0, attempt(7, 1))
            .stopped(W0, attempt(7, 1))
            .row(completed(attempt(7, 1)));
        assert_eq!(judge(history), Ok(1));
    }

    #[test]
    fn a_result_of_an_attempt_that_did_not_run_to_its_end_is_not() {
        let never = begun().row(completed(attempt(7, 1)));
        assert_broken(judge(never), &[&task(7).to_string(), "never started"]);
        let early = begun()
            .started(W0, attempt(7, 1))
            .row(completed(attempt(7, 1)));
        assert_broken(judge(early), &[&task(7).to_string(), "Runs"]);
    }

    #[test]
    fn a_row_needs_a_submit_that_was_not_refused() {
        let nobody = History::new().row(queued(attempt(7, 0)));
        assert_broken(judge(nobody), &[&task(7).to_string(), "nobody"]);
        let refused = History::new()
            .submitted(task(7))
            .answered(task(7), Submitted::QueueFull);
        let verdict = judge(refused.clone().row(queued(attempt(7, 0))));
        assert_broken(verdict, &[&task(7).to_string(), "full"]);
        let again = refused.submitted(task(7)).row(queued(attempt(7, 0)));
        assert_eq!(judge(again), Ok(0));
    }

    #[test]
    fn each_failure_needs_its_reason() {
        let kinds = [
            FailureKind::Cancelled,
            FailureKind::Lost,
            FailureKind::WorkerLost,
            FailureKind::FunctionMissing,
            FailureKind::Raised,
            FailureKind::Timeout,
        ];
        for kind in kinds {
            let verdict = judge(begun().row(failed(attempt(7, 1), kind)));
            assert_broken(verdict, &[&task(7).to_string(), &format!("{kind:?}")]);
        }
        let cancelled = begun()
            .see(What::CancelAsked(task(7)))
            .row(failed(attempt(7, 1), FailureKind::Cancelled));
        assert_eq!(judge(cancelled), Ok(1));
        let raised = begun()
            .started(W0, attempt(7, 1))
            .row(failed(attempt(7, 1), FailureKind::Raised));
        assert_eq!(judge(raised), Ok(1));
    }

    #[test]
    fn who_is_told_that_a_task_is_cancelled_may_believe_it() {
        let asked = begun().see(What::CancelAsked(task(7)));
        let told = What::Cancelled(task(7));
        let verdict = judge(asked.clone().see(told.clone()));
        assert_broken(verdict, &[&task(7).to_string(), "cancelled"]);
        let ended = asked.row(failed(attempt(7, 1), FailureKind::Cancelled));
        assert_eq!(judge(ended.see(told)), Ok(1));
    }

    #[test]
    fn a_task_ends_as_its_script_says() {
        let mut setting = setting();
        let submit = Submit {
            at: at(0),
            task: task(7),
            runs: std::time::Duration::ZERO,
            ends: Ending::Raises,
            timeout: None,
            at_most_once: false,
        };
        Arc::make_mut(&mut setting.submits).insert(task(7), submit);
        let history = begun()
            .started(W0, attempt(7, 1))
            .stopped(W0, attempt(7, 1))
            .row(completed(attempt(7, 1)));
        let verdict = history.judge(&mut Oracle::new(&setting));
        assert_broken(verdict, &[&task(7).to_string(), "Raises"]);
    }
}
