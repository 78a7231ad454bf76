//! The pace of the original's client: five submits, a pause, and so on; then the status of each
//! task that has not ended, a pause, and so on.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Method;
use indicatif::ProgressBar;
use mpcsfaas_core::rfc3339;
use serde::Deserialize;

use super::{Ending, Load, Measured, Task, ending, since, submit};
use crate::api::{ApiError, Connection};

/// Submits between two pauses.
const BATCH: usize = 5;

/// The pause after each batch but the last.
const BATCH_PAUSE: Duration = Duration::from_millis(200);

/// The pause between two rounds of polls.
const POLL_PAUSE: Duration = Duration::from_millis(100);

/// A task that has been accepted.
struct Pending {
    number: usize,
    id: String,
}

pub(super) async fn measure(load: &Load, bar: &ProgressBar) -> Result<Measured, ApiError> {
    let mut client = Connection::connect(&load.target).await?;
    let mut pending = Vec::new();
    let mut pauses = Duration::ZERO;
    let start = Instant::now();
    let mut tasks = Vec::with_capacity(load.tasks as usize);
    for number in 0..load.tasks as usize {
        if number > 0 && number % BATCH == 0 {
            tokio::time::sleep(BATCH_PAUSE).await;
            pauses += BATCH_PAUSE;
        }
        let began = since(start);
        match submit(&mut client, &load.body).await? {
            Some(id) => pending.push(Pending { number, id }),
            None => bar.inc(1),
        }
        tasks.push(Task {
            ending: Ending::Refused,
            began,
            ended: since(start),
            inside: None,
        });
    }
    let submitted = since(start);
    let accepted = poll(load, &mut client, start, &mut tasks, pending, bar).await?;
    for Pending { number, id } in accepted {
        tasks[number].inside = inside(&mut client, &id).await?;
    }
    Ok(Measured {
        tasks,
        submitted,
        pauses,
    })
}

/// Polls until all have ended or the time is over. Returns those that have.
async fn poll(
    load: &Load,
    client: &mut Connection,
    start: Instant,
    tasks: &mut [Task],
    mut pending: Vec<Pending>,
    bar: &ProgressBar,
) -> Result<Vec<Pending>, ApiError> {
    let mut ended = Vec::with_capacity(pending.len());
    loop {
        let mut waiting = Vec::new();
        for task in pending {
            let path = format!("/status/{}", task.id);
            match ending(client, &path).await? {
                Some(ending) => {
                    tasks[task.number].ending = ending;
                    tasks[task.number].ended = since(start);
                    bar.inc(1);
                    ended.push(task);
                }
                None => waiting.push(task),
            }
        }
        if waiting.is_empty() {
            return Ok(ended);
        }
        if since(start) >= load.patience {
            for task in waiting {
                tasks[task.number].ending = Ending::Unfinished;
                tasks[task.number].ended = since(start);
                bar.inc(1);
            }
            return Ok(ended);
        }
        pending = waiting;
        tokio::time::sleep(POLL_PAUSE).await;
    }
}

/// What a task took by the store's clock. Asked after the run: polls see an end late.
async fn inside(client: &mut Connection, id: &str) -> Result<Option<Duration>, ApiError> {
    #[derive(Deserialize)]
    struct Times {
        submitted_at: String,
        finished_at: Option<String>,
    }
    let path = format!("/v1/tasks/{id}");
    let answer = client
        .ask::<Times>(Method::GET, &path, Bytes::new())
        .await?;
    Ok(answer.ok().and_then(|times| {
        let submitted = rfc3339::parse(&times.submitted_at)?;
        let finished = rfc3339::parse(&times.finished_at?)?;
        Some(Duration::from_millis(
            finished.0.saturating_sub(submitted.0),
        ))
    }))
}
