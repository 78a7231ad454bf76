//! What can be read off a history, whoever made it. Each answer is a symptom in words, or nothing.

use std::time::Duration;

use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::task::Status;
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::Place;
use mpcsfaas_transport_sim::history::{Seen, What};

use crate::run::Run;

/// Those of several symptoms that there are.
pub(super) fn any_of<const N: usize>(symptoms: [Option<String>; N]) -> Option<String> {
    let shown: Vec<String> = symptoms.into_iter().flatten().collect();
    (!shown.is_empty()).then(|| shown.join("; "))
}

/// The task stays in this state.
pub(super) fn stays(run: &Run, task: TaskId, status: Status) -> Option<String> {
    is_left(run, task, status).then(|| format!("T{} is {status} for ever", task.0))
}

/// Some of the tasks stay RUNNING.
pub(super) fn some_stay_running(run: &Run) -> Option<String> {
    let tasks = run.plan.submits.iter().map(|submit| submit.task);
    let stuck = tasks.filter(|task| is_left(run, *task, Status::Running));
    let (stuck, all) = (stuck.count(), run.plan.submits.len());
    (stuck > 0).then(|| format!("{stuck} of {all} tasks are RUNNING for ever"))
}

/// The task had ended, and its row became one of these after that.
pub(super) fn becomes_again(run: &Run, task: TaskId, which: &[Status]) -> Option<String> {
    let mut rows = rows(run, task).map(|(_, status)| status);
    let ended = rows.find(|status| status.is_terminal())?;
    let after = rows.next().filter(|status| which.contains(status))?;
    let again = match starts(run, task).count() {
        0 | 1 => "",
        _ => ", and it runs again",
    };
    Some(format!(
        "T{} becomes {after} after it was {ended}{again}",
        task.0
    ))
}

/// The task was started more than once.
pub(super) fn runs_again(run: &Run, task: TaskId) -> Option<String> {
    let mut starts = starts(run, task);
    let (_, first) = starts.next()?;
    let (again, second) = starts.next()?;
    let so_far = match ran(run, task).is_some_and(|ran| ran < again) {
        true => "has run",
        false => "runs",
    };
    Some(format!(
        "T{} {so_far} at {first} when it is run at {second}",
        task.0
    ))
}

/// The task had a result before any process had run it to its end.
pub(super) fn ends_unrun(run: &Run, task: TaskId) -> Option<String> {
    let mut rows = rows(run, task);
    let (ended, status) = rows.find(|(_, status)| status.is_terminal())?;
    let unrun = ran(run, task).is_none_or(|ran| ran > ended);
    unrun.then(|| format!("T{} is {status} while it runs", task.0))
}

/// After this process had died, the task it had was RUNNING for longer than it should be.
pub(super) fn is_missed_late(
    run: &Run,
    task: TaskId,
    died: Place,
    bound: Duration,
) -> Option<String> {
    let dead = time_of(
        run,
        |what| matches!(what, What::Ended { node, .. } if *node == died),
    )?;
    let next = rows(run, task).find(|(at, _)| *at > dead);
    let late = next.map_or(run.ended_at, |(at, _)| at).since(dead);
    (late > bound).then(|| {
        format!(
            "T{} is RUNNING for {late:.1?} after {died} was killed",
            task.0
        )
    })
}

/// Since this worker came, others started several tasks that had waited, and it started none.
pub(super) fn idles(run: &Run, newcomer: Place) -> Option<String> {
    let came = arrived(run, newcomer)?;
    // It needs a moment to get acquainted.
    let later = came + Duration::from_secs(1);
    let waited = run
        .history
        .iter()
        .filter_map(started)
        .filter(|it| it.0 > later);
    let places: Vec<Place> = waited.map(|(_, place, _)| place).collect();
    let idle = places.len() > 1 && !places.contains(&newcomer);
    idle.then(|| {
        format!(
            "{newcomer} idles while {} tasks wait for {}",
            places.len(),
            places[0]
        )
    })
}

/// It was told to leave, and did not within this time.
pub(super) fn does_not_leave(run: &Run, node: Place, within: Duration) -> Option<String> {
    let told = time_of(
        run,
        |what| matches!(what, What::Leaving { node: asked, .. } if *asked == node),
    );
    let told = told?;
    let ended = time_of(
        run,
        |what| matches!(what, What::Ended { node: ended, .. } if *ended == node),
    );
    let took = ended.unwrap_or(run.ended_at).since(told);
    (took > within).then(|| format!("{node} is still there {within:?} after SIGTERM"))
}

/// It ended by itself, and nobody had asked it to.
pub(super) fn gives_up(run: &Run, node: Place) -> Option<String> {
    let ended = time_of(
        run,
        |what| matches!(what, What::Ended { node: ended, by_itself: true } if *ended == node),
    )?;
    let after = ended.since(arrived(run, node)?);
    Some(format!("{node} gives up after {after:?}"))
}

/// A run ends when all is done, and otherwise goes on for a minute after healing, or until nothing is
/// left that could happen.
fn is_left(run: &Run, task: TaskId, status: Status) -> bool {
    let over = run.done_at.is_none() && run.violation.is_none();
    over && rows(run, task)
        .last()
        .is_some_and(|(_, last)| last == status)
}

fn rows(run: &Run, task: TaskId) -> impl Iterator<Item = (Instant, Status)> {
    run.history.iter().filter_map(move |seen| match &seen.what {
        What::Row(row) if row.task == task => Some((seen.at, row.status)),
        _ => None,
    })
}

pub(super) fn starts(run: &Run, task: TaskId) -> impl Iterator<Item = (Instant, Place)> {
    let all = run.history.iter().filter_map(started);
    all.filter(move |(_, _, which)| *which == task)
        .map(|(at, place, _)| (at, place))
}

/// When a process had run it to its end.
fn ran(run: &Run, task: TaskId) -> Option<Instant> {
    let is_it = |what: &What| match what {
        What::Stopped {
            task: stopped,
            by_itself,
            ..
        } => stopped.task == task && *by_itself,
        _ => false,
    };
    time_of(run, is_it)
}

fn started(seen: &Seen) -> Option<(Instant, Place, TaskId)> {
    match &seen.what {
        What::Started { at, task } => Some((seen.at, *at, task.task)),
        _ => None,
    }
}

fn arrived(run: &Run, node: Place) -> Option<Instant> {
    time_of(
        run,
        |what| matches!(what, What::Arrived(place) if *place == node),
    )
}

fn time_of(run: &Run, is_it: impl Fn(&What) -> bool) -> Option<Instant> {
    let seen = run.history.iter().find(|seen| is_it(&seen.what))?;
    Some(seen.at)
}
