//! Open pacing and bursts: each task waits for its result by long polls, on a keep-alive connection
//! that it has for itself meanwhile.
//!
//! In open pacing a task's time begins when it was due, so a platform or a client that falls behind
//! is not measured as if it had not.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Ending, Load, Measured, Task, ending, since, submit};
use crate::api::{ApiError, Connection};

/// The most connections at a time; a gateway has 900. Tasks beyond it wait for one.
const MOST_CONNECTIONS: usize = 512;

/// The `wait` of one long poll, in seconds.
const WAIT_S: u64 = 30;

/// Idle for longer than this, a connection may have been closed by the gateway.
const FRESH: Duration = Duration::from_secs(10);

/// What all tasks of a run share.
struct Shared {
    load: Load,
    start: Instant,
    room: Semaphore,
    idle: Mutex<Vec<(Connection, Instant)>>,
}

pub(super) async fn measure(
    load: &Load,
    rate: Option<f64>,
    bar: &ProgressBar,
) -> Result<Measured, ApiError> {
    let ahead = (load.tasks as usize).min(match rate {
        Some(_) => 1,
        None => MOST_CONNECTIONS,
    });
    let mut idle = Vec::with_capacity(ahead);
    for _ in 0..ahead {
        idle.push((Connection::connect(&load.target).await?, Instant::now()));
    }
    let shared = Arc::new(Shared {
        load: load.clone(),
        start: Instant::now(),
        room: Semaphore::new(MOST_CONNECTIONS),
        idle: Mutex::new(idle),
    });
    let mut running = JoinSet::new();
    for number in 0..load.tasks {
        let due = rate.map(|rate| Duration::from_secs_f64(f64::from(number) / rate));
        if let Some(due) = due {
            tokio::time::sleep_until((shared.start + due).into()).await;
        }
        let (shared, bar) = (shared.clone(), bar.clone());
        running.spawn(async move {
            let ended = one_task(&shared, due).await;
            bar.inc(1);
            ended.map(|(task, submitted)| (number, task, submitted))
        });
    }
    let mut ended = Vec::with_capacity(load.tasks as usize);
    while let Some(task) = running.join_next().await {
        match task {
            Ok(task) => ended.push(task?),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
    ended.sort_by_key(|(number, ..)| *number);
    let submitted = ended.iter().map(|(.., submitted)| *submitted).max();
    Ok(Measured {
        tasks: ended.into_iter().map(|(_, task, _)| task).collect(),
        submitted: submitted.unwrap_or_default(),
        pauses: Duration::ZERO,
    })
}

/// One task, and when its submit was answered.
async fn one_task(shared: &Shared, due: Option<Duration>) -> Result<(Task, Duration), ApiError> {
    let _room = shared.room.acquire().await;
    let mut client = shared.connection().await?;
    let began = due.unwrap_or_else(|| since(shared.start));
    let id = submit(&mut client, &shared.load.body).await?;
    let submitted = since(shared.start);
    let ending = match id {
        None => Ending::Refused,
        Some(id) => shared.wait(&mut client, &id).await?,
    };
    let ended = since(shared.start);
    shared.put_back(client);
    let task = Task {
        ending,
        began,
        ended,
        inside: None,
    };
    Ok((task, submitted))
}

impl Shared {
    /// The connection that was used last, or a new one.
    async fn connection(&self) -> Result<Connection, ApiError> {
        let last = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        match last {
            Some((connection, used)) if used.elapsed() < FRESH => Ok(connection),
            _ => Connection::connect(&self.load.target).await,
        }
    }

    fn put_back(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push((connection, Instant::now()));
    }

    async fn wait(&self, client: &mut Connection, id: &str) -> Result<Ending, ApiError> {
        loop {
            let left = self.load.patience.saturating_sub(since(self.start));
            let path = format!("/result/{id}?wait={}", WAIT_S.min(left.as_secs() + 1));
            match ending(client, &path).await? {
                Some(ending) => return Ok(ending),
                None if left.is_zero() => return Ok(Ending::Unfinished),
                None => {}
            }
        }
    }
}
