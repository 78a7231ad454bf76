//! The load generator against a toy gateway whose tasks end as each test says.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// A gateway in a few lines: every task is RUNNING for its first poll, then as `end` says.
struct ToyGateway {
    target: Target,
    submitted: Arc<AtomicU64>,
    connections: Arc<AtomicU64>,
}

/// What the toy does with the task of this number.
type End = fn(u64) -> ToyEnd;

enum ToyEnd {
    Result(&'static str),
    Fail,
    Refuse,
    Never,
    HangUp,
}

impl ToyGateway {
    async fn start(end: End) -> ToyGateway {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let toy = ToyGateway {
            target: Target::from_url(&url).unwrap(),
            submitted: Arc::default(),
            connections: Arc::default(),
        };
        let (submitted, connections) = (toy.submitted.clone(), toy.connections.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream, submitted.clone(), end));
            }
        });
        toy
    }

    fn config(&self, tasks: u64) -> Config {
        Config {
            target: self.target.clone(),
            function_id: "f".to_owned(),
            params: NOOP_PARAMS.to_owned(),
            expected: NOOP_RESULTS.map(str::to_owned).to_vec(),
            connections: 4,
            keep_alive: true,
            tasks,
            wait_s: 1,
            patience: Duration::from_secs(30),
        }
    }
}

async fn serve(mut stream: TcpStream, submitted: Arc<AtomicU64>, end: End) {
    let mut polls = 0;
    while let Some((line, body)) = read_request(&mut stream).await {
        let (status, answer) = if line.starts_with("POST /register_function ") {
            match body["payload"].as_str() {
                Some(NOOP_FUNCTION) => ("200 OK", json!({"function_id": "f"})),
                _ => ("400 Bad Request", json!({"detail": "not a pickle"})),
            }
        } else if line.starts_with("POST /execute_function?wait=1 ") {
            assert_eq!(body, json!({"function_id": "f", "payload": NOOP_PARAMS}));
            polls = 0;
            let number = submitted.fetch_add(1, Ordering::Relaxed);
            match end(number) {
                ToyEnd::Refuse => ("429 Too Many Requests", json!({"detail": "full"})),
                _ => (
                    "200 OK",
                    json!({"task_id": number.to_string(), "status": "QUEUED", "result": ""}),
                ),
            }
        } else {
            let number = line.strip_prefix("GET /result/").unwrap();
            let number: u64 = number.split_once("?wait=1 ").unwrap().0.parse().unwrap();
            polls += 1;
            let (state, result) = match end(number) {
                ToyEnd::HangUp => return,
                ToyEnd::Result(result) if polls > 1 => ("COMPLETED", result),
                ToyEnd::Fail if polls > 1 => ("FAILED", ""),
                _ => ("RUNNING", ""),
            };
            (
                "200 OK",
                json!({"task_id": number.to_string(), "status": state, "result": result}),
            )
        };
        let answer = answer.to_string();
        let length = answer.len();
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all((head + &answer).as_bytes()).await.unwrap();
    }
}

/// The first line and the JSON body of one request; `None` when the client has gone.
pub(super) async fn read_request(stream: &mut TcpStream) -> Option<(String, serde_json::Value)> {
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        seen.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(seen).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let body = serde_json::from_slice(&body).unwrap_or_default();
    Some((head.lines().next().unwrap().to_owned(), body))
}

#[tokio::test]
async fn every_task_is_submitted_once_and_measured() {
    let toy = ToyGateway::start(|_| ToyEnd::Result("gARLAC4=\n")).await;
    let function_id = register(&toy.target, "noop", NOOP_FUNCTION).await.unwrap();
    assert_eq!(function_id, "f");
    let report = closed_loop(toy.config(100)).await.unwrap();
    assert_eq!((report.completed, report.failed), (100, 0));
    assert_eq!(toy.submitted.load(Ordering::Relaxed), 100);
    assert_eq!(toy.connections.load(Ordering::Relaxed), 1 + 4);
    assert!(report.tasks_per_second() > 0.0);
    assert!(report.latency_ms(0.5) > 0.0);
    assert!(report.latency_ms(0.5) <= report.latency_ms(0.99));
    assert!(report.latency_ms(1.0) / 1e3 <= report.seconds * 1.001);
}

#[tokio::test]
async fn without_keep_alive_each_task_has_a_connection() {
    let toy = ToyGateway::start(|_| ToyEnd::Result("gARLAC4=")).await;
    let config = Config {
        keep_alive: false,
        ..toy.config(100)
    };
    let report = closed_loop(config).await.unwrap();
    assert_eq!((report.completed, report.failed), (100, 0));
    // Those that were made at the start have served nobody.
    assert_eq!(toy.connections.load(Ordering::Relaxed), 4 + 100);
}

#[tokio::test]
async fn wrong_failed_and_refused_tasks_count_as_failed_and_not_as_latency() {
    let toy = ToyGateway::start(|number| match number % 4 {
        0 => ToyEnd::Result("gAVLAC4="),
        1 => ToyEnd::Result("gARLAS4="),
        2 => ToyEnd::Fail,
        _ => ToyEnd::Refuse,
    })
    .await;
    let report = closed_loop(toy.config(40)).await.unwrap();
    assert_eq!((report.completed, report.failed), (10, 30));
    assert_eq!(report.latency_us.len(), 10);
}

#[tokio::test]
async fn a_task_that_never_ends_gives_up_the_run() {
    let toy = ToyGateway::start(|_| ToyEnd::Never).await;
    let config = Config {
        patience: Duration::from_millis(20),
        ..toy.config(1)
    };
    let error = closed_loop(config).await.unwrap_err();
    assert_eq!(error.to_string(), "task 0 was still RUNNING after 20ms");
}

#[tokio::test]
async fn a_broken_connection_gives_up_the_run() {
    let toy = ToyGateway::start(|_| ToyEnd::HangUp).await;
    let error = closed_loop(toy.config(4)).await.unwrap_err();
    assert!(
        matches!(error, LoadError::Api(ApiError::Http(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_refused_function_is_an_error_with_the_gateways_words() {
    let toy = ToyGateway::start(|_| ToyEnd::Never).await;
    let error = register(&toy.target, "noop", "junk").await.unwrap_err();
    assert!(error.to_string().contains("not a pickle"), "{error}");
}
