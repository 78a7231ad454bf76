//! The closed loop with batches: each connection submits one, collects all its results and submits
//! the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::task::JoinSet;

use super::client::{self, Client, Halt, Order};
use super::figures::{Began, Figures};
use super::{Config, LoadError, LoadReport};
use crate::api::Connection;

/// Runs `config.tasks` tasks in batches and reports.
///
/// # Errors
/// As [`super::closed_loop`], and [`LoadError::NoBatch`].
pub async fn closed_batches(config: Config, batch: u64) -> Result<LoadReport, LoadError> {
    client::probe(&config).await?;
    let connections = config.connections.max(1);
    let order = Arc::new(Order::new(config, Some(batch)));
    let taken = Arc::new(AtomicU64::new(0));
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(Connection::connect(&order.config().target).await?);
    }
    let started = Instant::now();
    let mut loops = JoinSet::new();
    for connection in open {
        loops.spawn(one_connection(
            connection,
            order.clone(),
            batch,
            taken.clone(),
        ));
    }
    let mut total = Figures::new();
    while let Some(ended) = loops.join_next().await {
        total.add(&ended??);
    }
    Ok(LoadReport {
        completed: total.completed,
        failed: total.failed(),
        seconds: started.elapsed().as_secs_f64(),
        latency_us: total.latency.into_histogram(),
    })
}

async fn one_connection(
    connection: Connection,
    order: Arc<Order>,
    batch: u64,
    taken: Arc<AtomicU64>,
) -> Result<Figures, LoadError> {
    let config = order.config();
    let mut client = Client::over(connection, &order);
    let mut seen = Figures::new();
    let mut ends = Vec::new();
    loop {
        let first = taken.fetch_add(batch, Ordering::Relaxed);
        let tasks = batch.min(config.tasks.saturating_sub(first));
        if tasks == 0 {
            return Ok(seen);
        }
        let now = Instant::now();
        let began = Began {
            due: now,
            started: now,
        };
        ends.clear();
        let work = client.submission(tasks, &mut ends);
        let ended = tokio::time::timeout(config.patience, work).await;
        seen.ended(began, &ends);
        match ended.unwrap_or(Err(Halt::TimedOut)) {
            Ok(()) => {}
            // Refused tasks are counted; whatever else happens gives up the run.
            Err(halt @ Halt::Refused(_)) => {
                let left = tasks.saturating_sub(ends.len() as u64);
                seen.trouble(halt.trouble(), left, now, Instant::now());
            }
            Err(Halt::Api(error)) => return Err(LoadError::Api(error)),
            Err(Halt::TimedOut) => {
                return Err(LoadError::Stuck {
                    task: format!("{} of a batch of {tasks}", ends.len() + 1),
                    status: "under way".to_owned(),
                    patience: config.patience,
                });
            }
        }
    }
}
