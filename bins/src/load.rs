//! A closed-loop load generator: how many tasks a second the platform does, and how long one takes.
//!
//! Each connection submits a task, waits for its result by long-polling, checks the result and
//! submits the next, over one keep-alive connection. So there are never more tasks on their way
//! than connections, and the latency is what a client sees: from before the submit is written
//! until the result has been read.
//!
//! ```text
//!   connection 1  ── POST /execute_function ─▶  ◀─ id ──  GET /result/id?wait= ─▶  ◀─ result ── ↺
//!   ...
//!   connection n
//! ```

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// `builtins.len`, pickled by reference: the cheapest callable that any Python can load.
pub const NOOP_FUNCTION: &str = "gASVFAAAAAAAAACMCGJ1aWx0aW5zlIwDbGVulJOULg==\n";

/// `(("",), {})`, pickled: the parameters of [`NOOP_FUNCTION`].
pub const NOOP_PARAMS: &str = "gASVCgAAAAAAAACMAJSFlH2UhpQu\n";

/// The results that count as right: `0`, pickled with protocol 4 or 5.
pub const NOOP_RESULTS: [&str; 2] = ["gARLAC4=", "gAVLAC4="];

/// The longest latency that the histogram tells apart, in microseconds: ten minutes.
const LONGEST_US: u64 = 600_000_000;

/// What to submit, how often, and over how many connections.
#[derive(Clone, Debug)]
pub struct Config {
    /// The gateway.
    pub target: Target,
    /// The function, as [`register`] named it.
    pub function_id: String,
    /// The pickled parameters in base64, the same for each task.
    pub params: String,
    /// The results in base64, trimmed, that count as right.
    pub expected: Vec<String>,
    /// How many keep-alive connections, each with one task on its way. At least 1.
    pub connections: usize,
    /// How many tasks in all.
    pub tasks: u64,
    /// The `wait` of one long poll, in seconds. A task that is not done by then is asked for again.
    pub wait_s: u64,
    /// How long one task may take before the run is given up.
    pub patience: Duration,
}

/// What a run measured.
#[derive(Clone, Debug)]
pub struct LoadReport {
    /// Tasks that ended COMPLETED with a right result.
    pub completed: u64,
    /// Tasks that were refused, ended FAILED or gave a wrong result.
    pub failed: u64,
    /// From the first submit to the last result, in seconds.
    pub seconds: f64,
    /// Submit to result of the completed tasks, in microseconds.
    pub latency_us: Histogram<u64>,
}

impl LoadReport {
    /// Completed tasks a second.
    pub fn tasks_per_second(&self) -> f64 {
        self.completed as f64 / self.seconds.max(f64::EPSILON)
    }

    /// The latency in milliseconds that the fraction `quantile` (0 to 1) of the tasks stayed below.
    pub fn latency_ms(&self, quantile: f64) -> f64 {
        self.latency_us.value_at_quantile(quantile) as f64 / 1e3
    }
}

/// Why a run was given up.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The URL is not `http://HOST[:PORT]`.
    #[error("`{0}` is not a URL such as http://127.0.0.1:8000")]
    Url(String),
    /// No connection, or it broke.
    #[error("no connection to {target}")]
    Connect {
        /// Where to.
        target: String,
        /// Why.
        source: std::io::Error,
    },
    /// The gateway closed the connection or did not speak HTTP.
    #[error("the HTTP connection failed")]
    Http(#[from] hyper::Error),
    /// An identifier of the gateway's cannot stand in a path.
    #[error("the request cannot be built")]
    Request(#[from] hyper::http::Error),
    /// The body of a success was not what the API says.
    #[error("an answer is not the JSON that the API documents")]
    Body(#[from] serde_json::Error),
    /// Registration was refused.
    #[error("the gateway refused the function: {status} {body}")]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// The body of the answer.
        body: String,
    },
    /// A task did not end in time.
    #[error("task {task} was still {status} after {patience:?}")]
    Stuck {
        /// Which one.
        task: String,
        /// Its last status.
        status: String,
        /// The bound.
        patience: Duration,
    },
    /// A connection's task panicked.
    #[error("a connection ended abnormally")]
    Panicked(#[from] tokio::task::JoinError),
}

/// Where the gateway listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `HOST:PORT`.
    authority: String,
}

impl Target {
    /// The gateway at `http://HOST[:PORT]`; the port is 80 if none is given.
    ///
    /// # Errors
    /// [`LoadError::Url`] for anything else, `https` included.
    pub fn from_url(url: &str) -> Result<Target, LoadError> {
        let wrong = || LoadError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let authority = uri.authority().ok_or_else(wrong)?;
        if uri.scheme_str() != Some("http") || uri.path() != "/" {
            return Err(wrong());
        }
        let port = authority.port_u16().unwrap_or(80);
        Ok(Target {
            authority: format!("{}:{port}", authority.host()),
        })
    }
}

/// Registers a pickled function, in base64, and returns its id.
///
/// # Errors
/// [`LoadError::Refused`] if the gateway does not take it, and what [`closed_loop`] says of
/// connections.
pub async fn register(target: &Target, name: &str, payload: &str) -> Result<String, LoadError> {
    #[derive(Deserialize)]
    struct Registered {
        function_id: String,
    }
    let mut client = Client::connect(target).await?;
    let body = Bytes::from(json!({"name": name, "payload": payload}).to_string());
    let registered: Result<Registered, Refusal> =
        client.ask(Method::POST, "/register_function", body).await?;
    match registered {
        Ok(registered) => Ok(registered.function_id),
        Err(Refusal { status, body }) => Err(LoadError::Refused { status, body }),
    }
}

/// Runs `config.tasks` tasks and reports.
///
/// # Errors
/// The first connection that breaks, or the first task that outlasts the patience, gives up the
/// whole run: a figure with holes in it would be no figure. Refused and failed tasks are counted.
pub async fn closed_loop(config: Config) -> Result<LoadReport, LoadError> {
    let config = Arc::new(config);
    let taken = Arc::new(AtomicU64::new(0));
    let mut clients = Vec::with_capacity(config.connections);
    for _ in 0..config.connections.max(1) {
        clients.push(Client::connect(&config.target).await?);
    }
    let started = Instant::now();
    let mut loops: JoinSet<Result<Tally, LoadError>> = JoinSet::new();
    for client in clients {
        loops.spawn(one_connection(client, config.clone(), taken.clone()));
    }
    let mut total = Tally::new();
    while let Some(ended) = loops.join_next().await {
        total.add(&ended??);
    }
    Ok(LoadReport {
        completed: total.latency_us.len(),
        failed: total.failed,
        seconds: started.elapsed().as_secs_f64(),
        latency_us: total.latency_us,
    })
}

/// What one connection has seen so far.
struct Tally {
    failed: u64,
    latency_us: Histogram<u64>,
}

impl Tally {
    fn new() -> Tally {
        Tally {
            failed: 0,
            latency_us: Histogram::new_with_max(LONGEST_US, 3)
                .expect("the bounds are constants that the histogram allows"),
        }
    }

    fn add(&mut self, other: &Tally) {
        self.failed += other.failed;
        self.latency_us
            .add(&other.latency_us)
            .expect("both histograms have the same bounds");
    }
}

async fn one_connection(
    mut client: Client,
    config: Arc<Config>,
    taken: Arc<AtomicU64>,
) -> Result<Tally, LoadError> {
    let submission =
        json!({"function_id": config.function_id, "payload": config.params}).to_string();
    let submission = Bytes::from(submission);
    let mut tally = Tally::new();
    while taken.fetch_add(1, Ordering::Relaxed) < config.tasks {
        let started = Instant::now();
        if one_task(&mut client, &config, submission.clone()).await? {
            let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
            tally.latency_us.saturating_record(micros);
        } else {
            tally.failed += 1;
        }
    }
    Ok(tally)
}

/// Submits one task and waits for its end: whether it gave a right result.
async fn one_task(
    client: &mut Client,
    config: &Config,
    submission: Bytes,
) -> Result<bool, LoadError> {
    #[derive(Deserialize)]
    struct Submitted {
        task_id: String,
    }
    #[derive(Deserialize)]
    struct Answer {
        status: String,
        result: String,
    }
    let deadline = Instant::now() + config.patience;
    let submitted: Result<Submitted, Refusal> = client
        .ask(Method::POST, "/execute_function", submission)
        .await?;
    let Ok(Submitted { task_id }) = submitted else {
        return Ok(false);
    };
    let path = format!("/result/{task_id}?wait={}", config.wait_s);
    loop {
        let answer: Result<Answer, Refusal> = client.ask(Method::GET, &path, Bytes::new()).await?;
        let Ok(answer) = answer else {
            return Ok(false);
        };
        match answer.status.as_str() {
            "COMPLETED" => {
                let result = answer.result.trim();
                return Ok(config.expected.iter().any(|right| right == result));
            }
            "FAILED" => return Ok(false),
            _ if Instant::now() >= deadline => {
                return Err(LoadError::Stuck {
                    task: task_id,
                    status: answer.status,
                    patience: config.patience,
                });
            }
            _ => {}
        }
    }
}

/// An answer other than 2xx.
struct Refusal {
    status: StatusCode,
    body: String,
}

/// One keep-alive connection. It is driven by whoever asks, not by a task of its own, which would
/// cost two wake-ups for each request.
struct Client {
    host: HeaderValue,
    requests: SendRequest<Full<Bytes>>,
    /// `None` once the gateway has closed it.
    connection: Option<Connection<TokioIo<TcpStream>, Full<Bytes>>>,
}

impl Client {
    async fn connect(target: &Target) -> Result<Client, LoadError> {
        let refused = |source| LoadError::Connect {
            target: target.authority.clone(),
            source,
        };
        let stream = TcpStream::connect(&target.authority)
            .await
            .map_err(refused)?;
        stream.set_nodelay(true).map_err(refused)?;
        let (requests, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let host = HeaderValue::from_str(&target.authority).map_err(hyper::http::Error::from)?;
        Ok(Client {
            host,
            requests,
            connection: Some(connection),
        })
    }

    /// One request and its whole answer.
    async fn ask<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Result<T, Refusal>, LoadError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.host.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(Full::new(body))?;
        let requests = &mut self.requests;
        let whole = async move {
            requests.ready().await?;
            let answer = requests.send_request(request).await?;
            let status = answer.status();
            let body = answer.into_body().collect().await?.to_bytes();
            Ok::<_, hyper::Error>((status, body))
        };
        let (status, body) = tokio::select! {
            biased;
            answered = whole => answered?,
            never = drive(&mut self.connection) => match never {},
        };
        if status.is_success() {
            Ok(Ok(serde_json::from_slice(&body)?))
        } else {
            let body = String::from_utf8_lossy(&body).into_owned();
            Ok(Err(Refusal { status, body }))
        }
    }
}

/// Moves bytes for as long as it is polled. It never ends: that the connection has, the request
/// that waits on it is told by hyper.
async fn drive(connection: &mut Option<Connection<TokioIo<TcpStream>, Full<Bytes>>>) -> Infallible {
    if let Some(open) = connection {
        let _told_to_the_request = open.await;
        *connection = None;
    }
    std::future::pending().await
}

#[cfg(test)]
mod tests;
