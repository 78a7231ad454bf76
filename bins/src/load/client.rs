//! One connection of the load generator: submits tasks, one at a time or in batches, and collects
//! their results.
//!
//! ```text
//!   one at a time   POST /execute_function ─▶ ◀─ id ──    GET /result/id?wait= ─▶ ◀─ result ──
//!   in batches      POST /v1/tasks:batch   ─▶ ◀─ ids ──   POST /v1/results     ─▶ ◀─ results ─ ↺
//! ```
//!
//! What can be made once is made once: the submit is the same bytes each time, paths and lists of
//! ids are written into buffers that are used again, and answers are read in place.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use hyper::{Method, StatusCode, Uri};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::figures::{End, Trouble};
use super::{Config, LoadError};
use crate::api::{ApiError, Connection, Refusal};

/// Where batches are submitted.
const BATCH_PATH: &str = "/v1/tasks:batch";

/// Where the results of many tasks are collected.
const RESULTS_PATH: &str = "/v1/results";

/// The most tasks of one batch.
pub const MAX_BATCH: u64 = 1_000;

/// What all connections submit.
#[derive(Debug)]
pub struct Order {
    config: Config,
    /// Tasks of one submission; `None` submits them one at a time, without a list around each.
    batch: Option<u64>,
    submit_to: Uri,
    results_at: Uri,
    /// A whole submission.
    body: Bytes,
}

impl Order {
    /// Makes what can be made before the run.
    pub fn new(config: Config, batch: Option<u64>) -> Order {
        let path = match batch {
            Some(_) => BATCH_PATH,
            None => "/execute_function",
        };
        Order {
            submit_to: Uri::from_static(path),
            results_at: Uri::from_static(RESULTS_PATH),
            body: body(&config, batch),
            batch,
            config,
        }
    }

    /// What was asked for.
    pub fn config(&self) -> &Config {
        &self.config
    }

    fn body(&self, tasks: u64) -> Bytes {
        match self.batch {
            Some(batch) if batch != tasks => body(&self.config, Some(tasks)),
            _ => self.body.clone(),
        }
    }

    /// What became of a task that has ended.
    fn outcome(&self, status: &str, result: &str) -> Result<(), Trouble> {
        if status != "COMPLETED" {
            return Err(Trouble::Failed);
        }
        let expected = &self.config.expected;
        match expected.is_empty() || expected.iter().any(|right| right == result.trim()) {
            true => Ok(()),
            false => Err(Trouble::Wrong),
        }
    }
}

fn body(config: &Config, batch: Option<u64>) -> Bytes {
    let task = json!({"function_id": config.function_id, "payload": config.params});
    let body = match batch {
        Some(tasks) => json!({"tasks": vec![task; usize::try_from(tasks).unwrap_or(0)]}),
        None => task,
    };
    Bytes::from(body.to_string())
}

/// Why a submission was given up, its tasks that had not ended with it.
#[derive(Debug)]
pub enum Halt {
    /// The connection is of no more use.
    Api(ApiError),
    /// The gateway said no; the connection goes on.
    Refused(Refusal),
    /// Whether it is of use is not known.
    TimedOut,
}

impl Halt {
    /// What that is to each of the tasks.
    pub fn trouble(&self) -> Trouble {
        match self {
            Halt::Api(error) => Trouble::of(error),
            Halt::Refused(refusal) => Trouble::Refused(refusal.status.as_u16()),
            Halt::TimedOut => Trouble::Unfinished,
        }
    }
}

impl From<ApiError> for Halt {
    fn from(error: ApiError) -> Halt {
        Halt::Api(error)
    }
}

/// A connection with its buffers.
pub struct Client<'a> {
    order: &'a Order,
    connection: Connection,
    /// Paths and lists of ids.
    buffer: BytesMut,
}

#[derive(Deserialize)]
struct Accepted<'a> {
    #[serde(borrow)]
    task_id: Cow<'a, str>,
}

/// A task's state, when it is asked for by itself.
#[derive(Deserialize)]
struct State<'a> {
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow)]
    result: Cow<'a, str>,
}

#[derive(Deserialize)]
struct BatchAccepted {
    tasks: Vec<Item>,
}

/// One of a batch: accepted, or refused with a status.
#[derive(Deserialize)]
struct Item {
    task_id: Uuid,
    status: Option<u16>,
}

#[derive(Deserialize)]
struct BatchResults<'a> {
    #[serde(borrow)]
    results: Vec<Ended<'a>>,
}

/// A task of several that has ended.
#[derive(Deserialize)]
struct Ended<'a> {
    task_id: Uuid,
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow)]
    result: Cow<'a, str>,
}

impl<'a> Client<'a> {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens there.
    pub async fn connect(order: &'a Order) -> Result<Client<'a>, ApiError> {
        let connection = Connection::connect(&order.config.target).await?;
        Ok(Client::over(connection, order))
    }

    /// Uses a connection that is there.
    pub fn over(connection: Connection, order: &'a Order) -> Client<'a> {
        Client {
            order,
            connection,
            buffer: BytesMut::new(),
        }
    }

    /// Waits until the gateway closes the connection. May be given up.
    pub async fn closed(&mut self) {
        self.connection.closed().await;
    }

    /// Submits one task, waits for its end and adds it to `ends`, or does so with a batch.
    ///
    /// # Errors
    /// See [`Halt`]. Tasks that had ended before are in `ends`.
    pub async fn submission(&mut self, tasks: u64, ends: &mut Vec<End>) -> Result<(), Halt> {
        let body = self.order.body(tasks);
        let path = self.order.submit_to.clone();
        let answer = self.ask(Method::POST, path, body).await?;
        if self.order.batch.is_none() {
            let Accepted { task_id } = read(&answer)?;
            return self.one_result(&task_id, ends).await;
        }
        let BatchAccepted { tasks: items } = read(&answer)?;
        let at = Instant::now();
        let mut waiting = HashSet::with_capacity(items.len());
        for Item { task_id, status } in items {
            match status {
                Some(status) => ends.push(End {
                    outcome: Err(Trouble::Refused(status)),
                    at,
                }),
                None => _ = waiting.insert(task_id),
            }
        }
        self.results(waiting, ends).await
    }

    async fn one_result(&mut self, task_id: &str, ends: &mut Vec<End>) -> Result<(), Halt> {
        loop {
            let wait = self.order.config.wait_s;
            let path = self.written(|path| write!(path, "/result/{task_id}?wait={wait}"));
            let path =
                Uri::from_maybe_shared(path).map_err(|error| ApiError::Request(error.into()))?;
            let answer = self.ask(Method::GET, path, Bytes::new()).await?;
            let State { status, result } = read(&answer)?;
            if matches!(&*status, "COMPLETED" | "FAILED") {
                ends.push(self.end(&status, &result));
                return Ok(());
            }
        }
    }

    async fn results(
        &mut self,
        mut waiting: HashSet<Uuid>,
        ends: &mut Vec<End>,
    ) -> Result<(), Halt> {
        while !waiting.is_empty() {
            let wait = self.order.config.wait_s;
            let body = self.written(|body| question(body, &waiting, wait));
            let path = self.order.results_at.clone();
            let answer = self.ask(Method::POST, path, body).await?;
            let BatchResults { results } = read(&answer)?;
            for ended in results {
                if waiting.remove(&ended.task_id) {
                    ends.push(self.end(&ended.status, &ended.result));
                }
            }
        }
        Ok(())
    }

    fn end(&self, status: &str, result: &str) -> End {
        End {
            outcome: self.order.outcome(status, result),
            at: Instant::now(),
        }
    }

    /// What `write` writes, in the buffer: its memory is free again once it has been sent.
    fn written(&mut self, write: impl Fn(&mut BytesMut) -> std::fmt::Result) -> Bytes {
        // A buffer that grows as needed takes all.
        let _ = write(&mut self.buffer);
        self.buffer.split().freeze()
    }

    async fn ask(&mut self, method: Method, path: Uri, body: Bytes) -> Result<Bytes, Halt> {
        let (status, body) = self.connection.exchange(method, path, body).await?;
        if status.is_success() {
            return Ok(body);
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        Err(Halt::Refused(Refusal { status, body }))
    }
}

fn question(body: &mut BytesMut, waiting: &HashSet<Uuid>, wait: u64) -> std::fmt::Result {
    body.write_str(r#"{"task_ids":["#)?;
    for (position, id) in waiting.iter().enumerate() {
        let comma = if position == 0 { "" } else { "," };
        write!(body, "{comma}\"{id}\"")?;
    }
    write!(body, r#"],"wait":{wait}}}"#)
}

fn read<'a, T: Deserialize<'a>>(answer: &'a [u8]) -> Result<T, Halt> {
    serde_json::from_slice(answer).map_err(|error| Halt::Api(ApiError::Body(error)))
}

/// Runs one batch of one task, so that a gateway without the endpoints is noticed before the run.
///
/// # Errors
/// [`LoadError::NoBatch`] and, if the gateway says no for another reason, [`LoadError::Refused`].
pub async fn probe(config: &Config) -> Result<(), LoadError> {
    let order = Order::new(config.clone(), Some(1));
    let mut client = Client::connect(&order).await?;
    let mut ends = Vec::new();
    let probed = client.submission(1, &mut ends);
    let probed = match tokio::time::timeout(config.patience, probed).await {
        Ok(probed) => probed,
        Err(_) => Err(Halt::TimedOut),
    };
    match probed {
        Ok(()) => Ok(()),
        Err(Halt::Api(error)) => Err(LoadError::Api(error)),
        Err(Halt::Refused(Refusal {
            status: StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED,
            ..
        })) => Err(LoadError::NoBatch),
        Err(Halt::Refused(refusal)) => Err(LoadError::Refused(refusal)),
        Err(Halt::TimedOut) => Err(LoadError::Stuck {
            task: "of one batch".to_owned(),
            status: "on its way".to_owned(),
            patience: config.patience,
        }),
    }
}
