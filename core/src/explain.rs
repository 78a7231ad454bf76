//! One sentence that says why a task waits, where it runs, or how it ended.
//!
//! Pure functions of what the store knows. The sentence is for people and may change; programs
//! read the fields beside it.

use std::fmt::Write;
use std::time::Duration;

use crate::id::WorkerKey;
use crate::rfc3339::utc;
use crate::store::op::{EndReason, Holder, Overview, PastAttempt, Report, TaskView};
use crate::task::{Failure, FailureKind, Status};
use crate::time::WallTime;

/// What a task's state is to be seen against.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The queue and the dispatchers with a live lease.
    pub overview: &'a Overview,
    /// The store's time.
    pub now: WallTime,
    /// How many losses fail a task (R14).
    pub max_losses: u32,
}

/// Why a task is in the state that it is in.
pub fn explain(task: &TaskView, around: Surroundings<'_>) -> String {
    match (task.status, &task.outcome) {
        (Status::Queued, _) => queued(task, around),
        (Status::Running, _) => running(task, around.now),
        (Status::Failed, Some(outcome)) => match &outcome.result {
            Err(failure) => format!("failed: {}", why_failed(task, failure)),
            Ok(_) => "failed".to_owned(),
        },
        (Status::Failed, None) => "failed".to_owned(),
        (Status::Completed, _) => completed(task),
    }
}

/// What a number of a signal is called, where Linux and other systems agree.
pub const fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        _ => return None,
    })
}

fn queued(task: &TaskView, around: Surroundings<'_>) -> String {
    let mut sentence = match task.past.last() {
        Some(past) => format!("queued: {}; ", given_back(task, past, around.max_losses)),
        None => "queued: ".to_owned(),
    };
    sentence.push_str(&what_it_waits_for(task, around.overview));
    sentence
}

fn given_back(task: &TaskView, past: &PastAttempt, max_losses: u32) -> String {
    let at = utc(past.ended_at);
    let attempt = past.attempt;
    let cause = match past.reason {
        EndReason::NotPlaced => "no worker had room for it".to_owned(),
        EndReason::HandedBack => format!("{} gave it back unstarted", worker(&past.holder)),
        EndReason::NotHeld => format!("{} did not have it", worker(&past.holder)),
        EndReason::WorkerLost => format!("{} was lost", worker(&past.holder)),
        EndReason::DispatcherLost => format!("dispatcher {} was lost", past.holder.dispatcher),
        EndReason::Released => format!("dispatcher {} left", past.holder.dispatcher),
        EndReason::Unaccounted => format!("dispatcher {} lost track of it", past.holder.dispatcher),
    };
    let mut sentence = format!("attempt {attempt} was given back at {at} because {cause}");
    // A loss is charged only when the task is claimed again; until then it is already told.
    let losses = task.losses + u32::from(past.reason.is_loss());
    if losses > 0 {
        let _ = write!(sentence, " ({losses} of {max_losses} losses)");
    }
    sentence
}

fn what_it_waits_for(task: &TaskView, overview: &Overview) -> String {
    if overview.dispatchers.is_empty() {
        return "no dispatcher is running".to_owned();
    }
    let reports: Vec<Report> = overview
        .dispatchers
        .iter()
        .filter_map(|(_, r)| *r)
        .collect();
    if reports.is_empty() {
        return "a dispatcher has just started".to_owned();
    }
    let serving: Vec<&Report> = reports.iter().filter(|report| !report.draining).collect();
    if serving.is_empty() {
        return "every dispatcher is shutting down".to_owned();
    }
    let sum = |part: fn(&Report) -> u32| serving.iter().map(|r| u64::from(part(r))).sum::<u64>();
    let (processes, held, free) = (sum(|r| r.processes), sum(|r| r.held), sum(|r| r.free));
    if sum(|report| report.workers) == 0 {
        return "no dispatcher has a worker".to_owned();
    }
    let ahead = match task.ahead.unwrap_or(0) {
        0 => "it is next in the queue".to_owned(),
        1 => "1 task is ahead".to_owned(),
        ahead => format!("{ahead} tasks are ahead"),
    };
    if free > 0 {
        return format!("about to be claimed, {ahead}");
    }
    match held >= processes {
        true => format!("{}, and {ahead}", busy(processes)),
        false => format!("the workers take no more tasks now, and {ahead}"),
    }
}

fn busy(processes: u64) -> String {
    match processes {
        1 => "the only process is busy".to_owned(),
        2 => "both processes are busy".to_owned(),
        _ => format!("all {processes} processes are busy"),
    }
}

fn running(task: &TaskView, now: WallTime) -> String {
    let Some(holder) = &task.holder else {
        return "running".to_owned();
    };
    let since = utc(holder.claimed_at);
    let so_far = span(now.millis_since(holder.claimed_at));
    let attempt = match task.attempt {
        0 | 1 => String::new(),
        attempt => format!(", attempt {attempt}"),
    };
    match &holder.worker {
        Some(worker) => format!("running at {worker} since {since} ({so_far}{attempt})"),
        // Only tasks that have run for a while are told to the store with their worker.
        None => format!(
            "running since {since} ({so_far}{attempt}), claimed by dispatcher {}",
            holder.dispatcher
        ),
    }
}

fn completed(task: &TaskView) -> String {
    let place = match task
        .holder
        .as_ref()
        .and_then(|holder| holder.worker.as_ref())
    {
        Some(worker) => format!(" at {worker}"),
        None => String::new(),
    };
    let since_submit = task
        .finished_at
        .map(|at| at.millis_since(task.submitted_at));
    match since_submit {
        Some(millis) => format!("completed{place}, {} after it was submitted", span(millis)),
        None => format!("completed{place}"),
    }
}

fn why_failed(task: &TaskView, failure: &Failure) -> String {
    match failure.kind {
        FailureKind::Raised => match failure.exception.is_empty() {
            true => failure.message.clone(),
            false => format!("{}: {}", failure.exception, failure.message),
        },
        FailureKind::Killed => match failure.signal {
            Some(signal) => killed(signal),
            None => failure.message.clone(),
        },
        FailureKind::Exited => match failure.exit_code {
            Some(code) => format!("its process exited with code {code}"),
            None => failure.message.clone(),
        },
        FailureKind::Timeout => match task.options.timeout() {
            Some(timeout) => format!("ran past its deadline of {}", duration(timeout)),
            None => failure.message.clone(),
        },
        FailureKind::Cancelled => "cancelled by a user".to_owned(),
        FailureKind::Exit
        | FailureKind::UnpickleFunction
        | FailureKind::UnpickleParams
        | FailureKind::NotCallable
        | FailureKind::PickleResult
        | FailureKind::ResultTooLarge
        | FailureKind::FunctionMissing
        | FailureKind::WorkerLost
        | FailureKind::Lost => failure.message.clone(),
    }
}

fn killed(signal: i32) -> String {
    match signal_name(signal) {
        Some(name) => format!("killed by signal {signal} ({name})"),
        None => format!("killed by signal {signal}"),
    }
}

fn worker(holder: &Holder) -> String {
    match &holder.worker {
        Some(WorkerKey::Native(id)) => format!("worker {id}"),
        Some(WorkerKey::Legacy(name)) => format!("worker {name}"),
        None => "its worker".to_owned(),
    }
}

fn duration(time: Duration) -> String {
    span(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// A span of time at the precision that a person cares for.
fn span(millis: u64) -> String {
    let seconds = millis / 1_000;
    match seconds {
        0..60 => format!("{seconds}.{} s", millis % 1_000 / 100),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::id::{FunctionId, Incarnation, WorkerId};
    use crate::store::op::Mode;
    use crate::task::{Options, Outcome};

    const NOW: WallTime = WallTime(1_709_210_100_000);
    const DISPATCHER: Incarnation = Incarnation { boot: 1, epoch: 0 };

    fn task() -> TaskView {
        TaskView {
            function: FunctionId(1),
            options: Options::default(),
            status: Status::Queued,
            attempt: 0,
            losses: 0,
            submitted_at: WallTime(NOW.0 - 10_000),
            finished_at: None,
            holder: None,
            past: vec![],
            outcome: None,
            ahead: Some(17),
        }
    }

    fn holder(worker: Option<u64>) -> Holder {
        Holder {
            dispatcher: DISPATCHER,
            worker: worker.map(|id| WorkerId(id).into()),
            claimed_at: WallTime(NOW.0 - 3_211),
        }
    }

    fn report(workers: u32, processes: u32, held: u32, free: u32) -> Report {
        Report {
            mode: Mode::Push,
            workers,
            processes,
            held,
            free,
            draining: false,
        }
    }

    fn overview(reports: impl IntoIterator<Item = Option<Report>>) -> Overview {
        Overview {
            queued: 20,
            dispatchers: reports.into_iter().map(|r| (DISPATCHER, r)).collect(),
        }
    }

    fn told(task: &TaskView, overview: &Overview) -> String {
        explain(
            task,
            Surroundings {
                overview,
                now: NOW,
                max_losses: 3,
            },
        )
    }

    fn given_back(reason: EndReason, losses: u32) -> TaskView {
        TaskView {
            attempt: 2,
            losses,
            ahead: Some(0),
            past: vec![PastAttempt {
                attempt: 2,
                holder: holder(Some(5)),
                ended_at: NOW,
                reason,
            }],
            ..task()
        }
    }

    fn failed(failure: Failure) -> TaskView {
        TaskView {
            status: Status::Failed,
            finished_at: Some(NOW),
            outcome: Some(Outcome {
                result: Err(failure),
                output: bytes::Bytes::new(),
            }),
            ..task()
        }
    }

    #[test]
    fn a_queued_task_waits_for_the_first_thing_that_is_missing() {
        let rows = [
            (overview([]), "queued: no dispatcher is running"),
            (overview([None]), "queued: a dispatcher has just started"),
            (
                overview([Some(Report {
                    draining: true,
                    ..report(1, 4, 1, 0)
                })]),
                "queued: every dispatcher is shutting down",
            ),
            (
                overview([Some(report(0, 0, 0, 0))]),
                "queued: no dispatcher has a worker",
            ),
            (
                overview([Some(report(1, 1, 1, 0)), Some(report(1, 3, 3, 0))]),
                "queued: all 4 processes are busy, and 17 tasks are ahead",
            ),
            (
                overview([Some(report(1, 4, 1, 0))]),
                "queued: the workers take no more tasks now, and 17 tasks are ahead",
            ),
            (
                overview([Some(report(1, 4, 1, 3))]),
                "queued: about to be claimed, 17 tasks are ahead",
            ),
        ];
        for (overview, sentence) in rows {
            assert_eq!(told(&task(), &overview), sentence);
        }
    }

    #[test]
    fn a_task_that_was_given_back_says_why_and_how_often_it_may_be_tried() {
        let busy = overview([Some(report(1, 1, 1, 0))]);
        assert_eq!(
            told(&given_back(EndReason::WorkerLost, 0), &busy),
            "queued: attempt 2 was given back at 2024-02-29T12:35:00.000Z because worker \
             w-0000000000000005 was lost (1 of 3 losses); the only process is busy, and it is \
             next in the queue"
        );
        assert_eq!(
            told(&given_back(EndReason::HandedBack, 0), &busy),
            "queued: attempt 2 was given back at 2024-02-29T12:35:00.000Z because worker \
             w-0000000000000005 gave it back unstarted; the only process is busy, and it is \
             next in the queue"
        );
    }

    #[test]
    fn every_reason_to_give_back_is_a_sentence_of_its_own() {
        let busy = overview([Some(report(1, 1, 1, 0))]);
        let mut sentences: Vec<String> = EndReason::ALL
            .into_iter()
            .map(|reason| told(&given_back(reason, 0), &busy))
            .collect();
        sentences.sort();
        sentences.dedup();
        assert_eq!(sentences.len(), EndReason::ALL.len());
    }

    #[test]
    fn a_running_task_says_where_and_since_when() {
        let at_a_worker = TaskView {
            status: Status::Running,
            attempt: 2,
            holder: Some(holder(Some(5))),
            ..task()
        };
        assert_eq!(
            told(&at_a_worker, &overview([])),
            "running at w-0000000000000005 since 2024-02-29T12:34:56.789Z (3.2 s, attempt 2)"
        );
        let claimed = TaskView {
            attempt: 1,
            holder: Some(holder(None)),
            ..at_a_worker
        };
        assert_eq!(
            told(&claimed, &overview([])),
            "running since 2024-02-29T12:34:56.789Z (3.2 s), claimed by dispatcher \
             d-0000000000000001.0"
        );
    }

    #[test]
    fn an_ended_task_says_how() {
        let completed = TaskView {
            status: Status::Completed,
            finished_at: Some(NOW),
            holder: Some(holder(Some(5))),
            ..task()
        };
        assert_eq!(
            told(&completed, &overview([])),
            "completed at w-0000000000000005, 10.0 s after it was submitted"
        );
        let raised = Failure {
            exception: "ValueError".to_owned(),
            ..Failure::new(FailureKind::Raised, "no")
        };
        let segfault = Failure {
            signal: Some(11),
            ..Failure::new(FailureKind::Killed, "killed")
        };
        let exited = Failure {
            exit_code: Some(3),
            ..Failure::new(FailureKind::Exited, "exited")
        };
        let rows = [
            (raised, "failed: ValueError: no"),
            (segfault, "failed: killed by signal 11 (SIGSEGV)"),
            (exited, "failed: its process exited with code 3"),
            (
                Failure::new(FailureKind::Cancelled, "cancelled"),
                "failed: cancelled by a user",
            ),
            (
                Failure::new(FailureKind::ResultTooLarge, "result too large"),
                "failed: result too large",
            ),
        ];
        for (failure, sentence) in rows {
            assert_eq!(told(&failed(failure), &overview([])), sentence);
        }
    }

    #[test]
    fn a_deadline_is_told_as_it_was_set() {
        let mut late = failed(Failure::new(FailureKind::Timeout, "timeout"));
        late.options.timeout_ms = Some(90_500);
        assert_eq!(
            told(&late, &overview([])),
            "failed: ran past its deadline of 1 min 30 s"
        );
    }

    #[test]
    fn every_failure_has_a_sentence() {
        for kind in FailureKind::ALL {
            let sentence = told(&failed(Failure::new(kind, "the message")), &overview([]));
            assert!(sentence.len() > "failed: ".len(), "{kind:?}: {sentence}");
        }
    }
}
