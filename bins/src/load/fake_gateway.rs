//! A gateway in a few lines, for the tests of the load generator: its tasks end as each test says,
//! and it can stand still once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::RwLock;
use uuid::Uuid;

use super::tests::read_request;
use super::{Config, NOOP_PARAMS, NOOP_RESULTS};
use crate::api::Target;

/// What becomes of a task.
#[derive(Clone, Copy)]
pub(super) enum End {
    Right,
    Wrong,
    Failed,
    /// It is refused, of a batch as of its own.
    Refused,
    Never,
    /// The connection breaks when its result is asked for.
    HangUp,
}

/// How the gateway behaves.
#[derive(Clone, Copy)]
pub(super) struct Behaviour {
    /// What becomes of the task of this number; they count from 0 in the order of submission.
    pub(super) end: fn(u64) -> End,
    /// Whether it knows batches.
    pub(super) batches: bool,
    /// At which task it stands still, for all connections, and for how long.
    pub(super) stall: Option<(u64, Duration)>,
}

impl Default for Behaviour {
    fn default() -> Behaviour {
        Behaviour {
            end: |_| End::Right,
            batches: true,
            stall: None,
        }
    }
}

/// A gateway on a port of its own. It ends with the test's runtime.
pub(super) struct FakeGateway {
    pub(super) target: Target,
    shared: Arc<Shared>,
}

struct Shared {
    behaviour: Behaviour,
    submitted: AtomicU64,
    requests: AtomicU64,
    /// Held for writing while the gateway stands still.
    moving: RwLock<()>,
}

/// So many ended tasks are told in one answer at most.
const TOLD_AT_ONCE: usize = 3;

impl FakeGateway {
    pub(super) async fn start(behaviour: Behaviour) -> FakeGateway {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target::on_loopback(listener.local_addr().unwrap().port());
        let shared = Arc::new(Shared {
            behaviour,
            submitted: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            moving: RwLock::new(()),
        });
        let serving = shared.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, serving.clone()));
            }
        });
        FakeGateway { target, shared }
    }

    pub(super) fn config(&self, connections: usize) -> Config {
        Config {
            target: self.target.clone(),
            function_id: "f".to_owned(),
            params: NOOP_PARAMS.to_owned(),
            expected: NOOP_RESULTS.map(str::to_owned).to_vec(),
            connections,
            keep_alive: true,
            tasks: 0,
            wait_s: 1,
            patience: Duration::from_secs(60),
        }
    }

    /// How many tasks it was sent.
    pub(super) fn submitted(&self) -> u64 {
        self.shared.submitted.load(Ordering::SeqCst)
    }

    /// How many requests it was sent.
    pub(super) fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    while let Some((line, body)) = read_request(&mut stream).await {
        shared.requests.fetch_add(1, Ordering::SeqCst);
        drop(shared.moving.read().await);
        let Some((status, answer)) = shared.answer(&line, &body).await else {
            return;
        };
        let answer = answer.to_string();
        let length = answer.len();
        let head = format!("HTTP/1.1 {status} Whatever\r\ncontent-length: {length}\r\n\r\n");
        // Whoever gave up has gone.
        if stream.write_all((head + &answer).as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Does nothing for a while: how long is what is tested, and nothing is waited for in this way.
async fn still(length: Duration) {
    let _ = tokio::time::timeout(length, std::future::pending::<()>()).await;
}

impl Shared {
    /// The answer, or `None` to hang up.
    async fn answer(&self, line: &str, body: &Value) -> Option<(u16, Value)> {
        if line.starts_with("POST /execute_function ") {
            let submitted = self.submit(body).await;
            let refused = submitted.get("status").is_some();
            return Some((if refused { 429 } else { 200 }, submitted));
        }
        if let Some(asked) = line.strip_prefix("GET /result/") {
            let (id, _) = asked.split_once("?wait=1 ").unwrap();
            let state = match self.state(id.parse().unwrap())? {
                Some(state) => state,
                None => {
                    still(Duration::from_secs(1)).await;
                    json!({"status": "RUNNING", "result": ""})
                }
            };
            return Some((200, state));
        }
        if !self.behaviour.batches {
            return Some((404, json!({"detail": "Not Found"})));
        }
        if line.starts_with("POST /v1/tasks:batch ") {
            let mut tasks = Vec::new();
            for task in body["tasks"].as_array().unwrap() {
                tasks.push(self.submit(task).await);
            }
            return Some((200, json!({"tasks": tasks})));
        }
        assert!(line.starts_with("POST /v1/results "), "{line}");
        assert_eq!(body["wait"], 1);
        let mut results = Vec::new();
        for id in body["task_ids"].as_array().unwrap() {
            let ended = self.state(id.as_str().unwrap().parse().unwrap())?;
            results.extend(ended);
        }
        results.truncate(TOLD_AT_ONCE);
        Some((200, json!({"results": results})))
    }

    async fn submit(&self, task: &Value) -> Value {
        assert_eq!(task, &json!({"function_id": "f", "payload": NOOP_PARAMS}));
        let number = self.submitted.fetch_add(1, Ordering::SeqCst);
        if let Some((at, length)) = self.behaviour.stall
            && number == at
        {
            let _still = self.moving.write().await;
            still(length).await;
        }
        let id = Uuid::from_u128(u128::from(number));
        match (self.behaviour.end)(number) {
            End::Refused => json!({"task_id": id, "status": 404, "detail": "no function"}),
            _ => json!({"task_id": id}),
        }
    }

    /// The answer of a task that has ended; no answer at all to hang up.
    fn state(&self, id: Uuid) -> Option<Option<Value>> {
        let number = u64::try_from(id.as_u128()).unwrap();
        let (status, result) = match (self.behaviour.end)(number) {
            End::Right => ("COMPLETED", "gARLAC4=\n"),
            End::Wrong => ("COMPLETED", "gARLAS4=\n"),
            End::Failed => ("FAILED", ""),
            End::Refused | End::Never => return Some(None),
            End::HangUp => return None,
        };
        Some(Some(
            json!({"task_id": id, "status": status, "result": result}),
        ))
    }
}
