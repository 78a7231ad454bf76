//! The three paces against a toy gateway whose tasks end as each test says. What time they take is
//! compared only with times that they cannot go below.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// What the toy does with the task of this number.
#[derive(Clone, Copy)]
enum End {
    /// After so many answers that it has not ended.
    Complete(u64),
    Fail,
    Refuse,
    Never,
}

#[derive(Default)]
struct Seen {
    submits: AtomicU64,
    polls: AtomicU64,
    connections: AtomicU64,
}

struct Toy {
    target: Target,
    seen: Arc<Seen>,
}

impl Toy {
    async fn start(end: fn(u64) -> End) -> Toy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let seen = Arc::new(Seen::default());
        let toy = Toy {
            target: Target::on_loopback(listener.local_addr().unwrap().port()),
            seen: seen.clone(),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                seen.connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream, seen.clone(), end));
            }
        });
        toy
    }

    fn load(&self, pacing: Pacing, tasks: u32) -> Load {
        Load {
            target: self.target.clone(),
            body: Bytes::from_static(b"{}"),
            tasks,
            pacing,
            rate: 1000.0,
            patience: Duration::from_secs(60),
        }
    }

    async fn measure(&self, load: &Load) -> Measured {
        let bar = ProgressBar::hidden();
        let measured = load.measure(&bar).await.unwrap();
        assert_eq!(bar.position(), u64::from(load.tasks));
        assert_eq!(
            self.seen.submits.load(Ordering::Relaxed),
            u64::from(load.tasks)
        );
        measured
    }
}

async fn serve(mut stream: TcpStream, seen: Arc<Seen>, end: fn(u64) -> End) {
    let mut asked = std::collections::BTreeMap::new();
    while let Some(line) = read_request(&mut stream).await {
        let path = line.split(' ').nth(1).unwrap();
        let (status, answer) = if path == "/execute_function" {
            let number = seen.submits.fetch_add(1, Ordering::Relaxed);
            match end(number) {
                End::Refuse => (429, json!({"detail": "full"})),
                _ => (200, json!({"task_id": number.to_string()})),
            }
        } else if let Some(number) = path.strip_prefix("/v1/tasks/") {
            let (from, to) = ("2026-01-01T00:00:00.100Z", "2026-01-01T00:00:00.107Z");
            (
                200,
                json!({"task_id": number, "submitted_at": from, "finished_at": to}),
            )
        } else {
            seen.polls.fetch_add(1, Ordering::Relaxed);
            let id = path
                .trim_start_matches("/status/")
                .trim_start_matches("/result/");
            let number: u64 = id.split('?').next().unwrap().parse().unwrap();
            let before = asked.entry(number).or_insert(0_u64);
            *before += 1;
            let status = match end(number) {
                End::Complete(after) if *before > after => "COMPLETED",
                End::Fail => "FAILED",
                _ => "RUNNING",
            };
            (200, json!({"task_id": id, "status": status}))
        };
        let answer = answer.to_string();
        let head = format!(
            "HTTP/1.1 {status} .\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        stream.write_all((head + &answer).as_bytes()).await.unwrap();
    }
}

/// The first line of one request; `None` when the client has gone.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        seen.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(seen).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    head.lines().next().map(str::to_owned)
}

fn endings(measured: &Measured) -> Vec<Ending> {
    measured.tasks.iter().map(|task| task.ending).collect()
}

#[tokio::test]
async fn the_originals_pace_pauses_between_batches_and_between_polls() {
    let toy = Toy::start(|number| End::Complete(u64::from(number == 0))).await;
    let measured = toy.measure(&toy.load(Pacing::Original, 11)).await;
    assert_eq!(endings(&measured), [Ending::Completed; 11]);
    // 5, 5 and 1: two pauses, and none after the last.
    assert_eq!(measured.pauses, Duration::from_millis(400));
    assert!(measured.submitted >= measured.pauses);
    let began: Vec<Duration> = measured.tasks.iter().map(|task| task.began).collect();
    assert!(began.is_sorted());
    assert!(began[5] >= Duration::from_millis(200) && began[10] >= Duration::from_millis(400));
    // Nothing is seen to have ended before the last submit; the first task was polled twice.
    assert!(
        measured
            .tasks
            .iter()
            .all(|task| task.ended >= measured.submitted)
    );
    assert!(measured.tasks[0].ended >= measured.tasks[1].ended + Duration::from_millis(100));
    assert_eq!(toy.seen.polls.load(Ordering::Relaxed), 12);
    assert_eq!(toy.seen.connections.load(Ordering::Relaxed), 1);
    assert!(
        measured
            .tasks
            .iter()
            .all(|task| task.inside == Some(Duration::from_millis(7)))
    );
}

#[tokio::test]
async fn every_ending_is_told_apart_at_every_pace() {
    let end = |number: u64| match number % 4 {
        0 => End::Complete(0),
        1 => End::Fail,
        2 => End::Refuse,
        _ => End::Never,
    };
    for pacing in [Pacing::Original, Pacing::Open, Pacing::Burst] {
        let toy = Toy::start(end).await;
        let mut load = toy.load(pacing, 4);
        load.patience = Duration::from_millis(1);
        let mut seen = endings(&toy.measure(&load).await);
        seen.sort_by_key(|ending| *ending as u8);
        let all = [
            Ending::Completed,
            Ending::Failed,
            Ending::Refused,
            Ending::Unfinished,
        ];
        assert_eq!(seen, all, "{pacing:?}");
    }
}

#[tokio::test]
async fn open_tasks_are_timed_from_when_they_were_due() {
    let toy = Toy::start(|_| End::Complete(1)).await;
    let mut load = toy.load(Pacing::Open, 20);
    load.rate = 500.0;
    let measured = toy.measure(&load).await;
    assert_eq!(endings(&measured), [Ending::Completed; 20]);
    for (number, task) in (0..).zip(&measured.tasks) {
        assert_eq!(task.began, Duration::from_millis(2) * number);
        assert!(task.ended >= task.began);
    }
    assert!(measured.submitted >= Duration::from_millis(38));
}

#[tokio::test]
async fn a_burst_has_a_connection_for_each_task() {
    let toy = Toy::start(|_| End::Complete(2)).await;
    let measured = toy.measure(&toy.load(Pacing::Burst, 40)).await;
    assert_eq!(endings(&measured), [Ending::Completed; 40]);
    assert_eq!(toy.seen.connections.load(Ordering::Relaxed), 40);
    assert_eq!(measured.pauses, Duration::ZERO);
    assert!(measured.tasks.iter().all(|task| task.ended > task.began));
}

#[tokio::test]
async fn a_gateway_that_is_not_there_is_an_error() {
    let toy = Toy::start(|_| End::Never).await;
    let mut load = toy.load(Pacing::Burst, 1);
    load.target = Target::on_loopback(1);
    let failed = load.measure(&ProgressBar::hidden()).await;
    assert!(
        matches!(failed, Err(ApiError::Connect { .. })),
        "{failed:?}"
    );
}
