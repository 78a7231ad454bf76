//! How fast the embedded store is on this machine's disk: `embedded_rates DIRECTORY`.
//!
//! Each row carries 300 bytes of parameters. The directory must not exist; it is left behind.

use std::io::{Write, stdout};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mpcsfaas_core::id::{FunctionId, Incarnation, TaskId};
use mpcsfaas_core::store::op::{Claim, Claimed, Commit, Submission};
use mpcsfaas_core::store::{Config, Op, Reply};
use mpcsfaas_core::task::{Options, Outcome};
use mpcsfaas_transport_real::embedded::{Durability, EmbeddedConfig, in_memory, open};
use mpcsfaas_transport_real::store::StoreHandle;

const DISPATCHER: Incarnation = Incarnation { boot: 1, epoch: 0 };
const MEASURE: Duration = Duration::from_secs(3);

/// A store, and numbers for tasks and claims that nobody had before.
#[derive(Clone)]
struct Bench {
    store: StoreHandle,
    next_task: Arc<AtomicU64>,
    next_claim: Arc<AtomicU64>,
}

impl Bench {
    fn new(store: StoreHandle) -> Bench {
        Bench {
            store,
            next_task: Arc::default(),
            next_claim: Arc::new(AtomicU64::new(1)),
        }
    }

    async fn ask(&self, op: Op) -> Reply {
        self.store.call(op).await.expect("the store is up")
    }

    async fn submit(&self, count: u64) {
        let first = self.next_task.fetch_add(count, Ordering::Relaxed);
        let submission = |number: u64| Submission {
            // Spread like the random ids of real tasks.
            task: TaskId(u128::from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64),
            function: FunctionId(1),
            params: Bytes::from_static(&[7; 300]),
            options: Options::default(),
        };
        let tasks = (first..first + count).map(submission).collect();
        self.ask(Op::Submit(tasks)).await;
    }

    async fn claim(&self, max: u32) -> Vec<Claimed> {
        let claim = Claim {
            incarnation: DISPATCHER,
            number: self.next_claim.fetch_add(1, Ordering::Relaxed),
            max,
            suspects: max,
            places: 0,
            except: Vec::new(),
        };
        match self.ask(Op::Claim(claim)).await {
            Reply::Claimed(tasks) => tasks,
            other => panic!("{other:?}"),
        }
    }

    async fn commit(&self, tasks: Vec<Claimed>) {
        let commit = |claimed: Claimed| Commit {
            task: claimed.task,
            attempt: claimed.attempt,
            worker: None,
            outcome: Outcome::completed(vec![1; 50]),
        };
        self.ask(Op::Commit(tasks.into_iter().map(commit).collect()))
            .await;
    }

    /// So many callers, each of which submits one task after the other.
    async fn submits(&self, callers: usize) -> f64 {
        let start = Instant::now();
        let before = self.next_task.load(Ordering::Relaxed);
        let caller = || {
            let bench = self.clone();
            tokio::spawn(async move {
                while start.elapsed() < MEASURE {
                    bench.submit(1).await;
                }
            })
        };
        let callers: Vec<_> = (0..callers).map(|_| caller()).collect();
        for caller in callers {
            caller.await.expect("a caller ends well");
        }
        let done = self.next_task.load(Ordering::Relaxed) - before;
        done as f64 / start.elapsed().as_secs_f64()
    }

    /// One caller takes batches through their whole life, one operation after the other.
    async fn cycles(&self, batch: u32) -> f64 {
        while !self.claim(1_000).await.is_empty() {}
        let start = Instant::now();
        let mut done = 0;
        while start.elapsed() < MEASURE {
            self.submit(u64::from(batch)).await;
            let tasks = self.claim(batch).await;
            done += tasks.len();
            self.commit(tasks).await;
        }
        done as f64 / start.elapsed().as_secs_f64()
    }

    async fn run(&self, name: &str) {
        self.ask(Op::OpenLease {
            incarnation: DISPATCHER,
        })
        .await;
        for callers in [1, 16, 256] {
            let rate = self.submits(callers).await;
            say(format_args!(
                "{name}: {callers} callers: {rate:.0} submits/s"
            ));
            self.ask(Op::OpenLease {
                incarnation: DISPATCHER,
            })
            .await;
        }
        for batch in [1, 16, 100] {
            let rate = self.cycles(batch).await;
            say(format_args!(
                "{name}: batches of {batch}: {rate:.0} tasks/s submitted, claimed and committed"
            ));
        }
    }
}

fn say(what: std::fmt::Arguments<'_>) {
    writeln!(stdout(), "{what}").expect("somebody reads this");
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let path = PathBuf::from(
        std::env::args()
            .nth(1)
            .expect("a directory that does not exist"),
    );
    assert!(!path.exists(), "the directory exists");
    let store = Config {
        queue_limit: u64::MAX,
        lease: Duration::from_secs(3_600),
        ..Config::default()
    };
    Bench::new(in_memory(store)).run("memory").await;
    let config = EmbeddedConfig {
        path,
        store,
        durability: Durability::Disk,
    };
    let bench = Bench::new(open(config.clone()).expect("the store opens"));
    bench.run("disk").await;

    let tasks = bench.next_task.load(Ordering::Relaxed);
    let mut link = bench.store.link();
    drop(bench);
    while link.changed().await.is_ok() {}
    let start = Instant::now();
    let reopened = open(config);
    let took = start.elapsed();
    reopened.expect("the store opens again");
    say(format_args!("disk: opened with {tasks} tasks in {took:?}"));
}
