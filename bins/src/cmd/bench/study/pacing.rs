//! Submits the tasks of one run, at one of the paces, and notes when each is seen to have ended.
//!
//! ```text
//!   original   s s s s s · 0.2 s · s s s s s · 0.2 s · s s   p p p p ... · 0.1 s · p p ...
//!   open       s     s     s     s     s       each waits for its result on a connection of its own
//!   burst      s s s s s s s s s s             likewise
//! ```

mod original;
mod scheduled;

use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Method;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::plan::{Pacing, Plan};
use crate::api::{ApiError, Connection, Target};

/// How a task ended, as the client saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// With a result.
    Completed,
    /// With a failure.
    Failed,
    /// It was not accepted.
    Refused,
    /// Not in time.
    Unfinished,
}

/// One task.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Task {
    /// How it ended.
    pub ending: Ending,
    /// When its time began: before its own submit, or when that was due. From the run's start.
    pub began: Duration,
    /// When its end was seen, from the run's start.
    pub ended: Duration,
    /// From its acceptance to its result in the store, by the store's own clock, if it was asked.
    pub inside: Option<Duration>,
}

impl Task {
    /// What the client waited, in milliseconds.
    pub fn latency_ms(&self) -> f64 {
        self.ended.saturating_sub(self.began).as_secs_f64() * 1e3
    }
}

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// In the order of submission.
    pub tasks: Vec<Task>,
    /// When the last submit was answered, from the start.
    pub submitted: Duration,
    /// How long the client paused on purpose between submits.
    pub pauses: Duration,
}

/// What is submitted, and how.
#[derive(Clone, Debug)]
pub struct Load {
    /// The gateway.
    pub target: Target,
    /// The body of each submit.
    body: Bytes,
    /// How many.
    pub tasks: u32,
    /// The pace.
    pub pacing: Pacing,
    /// Submissions a second, of open pacing.
    pub rate: f64,
    /// How long the run may take.
    pub patience: Duration,
}

impl Load {
    /// So many tasks of a registered function at the plan's pace.
    pub fn new(target: &Target, function_id: &str, params: &str, tasks: u32, plan: &Plan) -> Load {
        let body = json!({"function_id": function_id, "payload": params});
        Load {
            target: target.clone(),
            body: Bytes::from(body.to_string()),
            tasks,
            pacing: plan.pacing,
            rate: plan.rate,
            patience: plan.patience,
        }
    }

    /// Does it. The bar is moved for each task that has ended.
    ///
    /// # Errors
    /// A connection broke. What the platform says of tasks is no error.
    pub async fn measure(&self, bar: &ProgressBar) -> Result<Measured, ApiError> {
        match self.pacing {
            Pacing::Original => original::measure(self, bar).await,
            Pacing::Open => scheduled::measure(self, Some(self.rate), bar).await,
            Pacing::Burst => scheduled::measure(self, None, bar).await,
        }
    }
}

/// Submits one task: its id, or `None` if it was refused.
async fn submit(client: &mut Connection, body: &Bytes) -> Result<Option<String>, ApiError> {
    #[derive(Deserialize)]
    struct Submitted {
        task_id: String,
    }
    let answer = client.ask::<Submitted>(Method::POST, "/execute_function", body.clone());
    Ok(answer.await?.ok().map(|submitted| submitted.task_id))
}

/// How a task has ended, or `None` if it has not. `path` answers with its status.
async fn ending(client: &mut Connection, path: &str) -> Result<Option<Ending>, ApiError> {
    #[derive(Deserialize)]
    struct Answer {
        status: String,
    }
    let answer = client
        .ask::<Answer>(Method::GET, path, Bytes::new())
        .await?;
    Ok(answer.ok().and_then(|answer| match answer.status.as_str() {
        "COMPLETED" => Some(Ending::Completed),
        "FAILED" => Some(Ending::Failed),
        _ => None,
    }))
}

/// The time since the start of a run.
fn since(start: Instant) -> Duration {
    start.elapsed()
}

#[cfg(test)]
mod tests;
