//! How long a store takes to hand tasks out and to take results in, with few and with many tasks
//! queued behind them: `cargo bench -p mpcsfaas-core`.
//!
//! What is taken out is put back before the next turn, outside of the time that counts, so each turn
//! meets the same store.

use std::cell::RefCell;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use mpcsfaas_core::id::{FunctionId, Incarnation, TaskId};
use mpcsfaas_core::store::op::{Claim, Claimed, Commit, Reply, Submission};
use mpcsfaas_core::store::{Config, Op, Store};
use mpcsfaas_core::task::{Function, Options, Outcome, Versions};
use mpcsfaas_core::time::WallTime;
use mpcsfaas_core::timing::BATCH_ITEMS;

const QUEUED: [usize; 2] = [1_000, 100_000];

const PAYLOAD: usize = 200;

const FUNCTION: FunctionId = FunctionId(0xf);

const OWNER: Incarnation = Incarnation { boot: 1, epoch: 0 };

/// The time never moves: a lease that is open stays open.
const NOW: WallTime = WallTime(1_700_000_000_000);

/// A store, and how far its tasks and claims are numbered.
struct Bench {
    store: Store,
    tasks: u64,
    claims: u64,
}

impl Bench {
    fn new(queued: usize) -> Bench {
        let config = Config {
            // What has ended can be forgotten at once.
            retention: Duration::ZERO,
            ..Config::default()
        };
        let mut bench = Bench {
            store: Store::new(config),
            tasks: 0,
            claims: 0,
        };
        let function = Function {
            name: "f".to_owned(),
            body: Bytes::from_static(b"body"),
            options: Options::default(),
            pickled_by: Versions::default(),
        };
        let id = FUNCTION;
        bench.ask(Op::PutFunction { id, function });
        bench.ask(Op::OpenLease { incarnation: OWNER });
        bench.submit(queued);
        bench
    }

    fn ask(&mut self, op: Op) -> Reply {
        let reply = self.store.apply(NOW, op);
        // As a home of the store does after each operation.
        drop(self.store.take_changes());
        while self.store.poll_notice().is_some() {}
        reply
    }

    fn submit(&mut self, tasks: usize) {
        let submission = |number: u64| Submission {
            // Spread over the whole range, as drawn ones are.
            task: TaskId(u128::from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64),
            function: FUNCTION,
            params: Bytes::from(vec![3; PAYLOAD]),
            options: Options::default(),
        };
        let batch = (self.tasks..self.tasks + tasks as u64).map(submission);
        let batch = batch.collect();
        self.tasks += tasks as u64;
        self.ask(Op::Submit(batch));
    }

    fn next_claim(&mut self) -> Op {
        self.claims += 1;
        Op::Claim(Claim {
            incarnation: OWNER,
            number: self.claims,
            max: BATCH_ITEMS as u32,
            suspects: 0,
            places: 0,
            except: Vec::new(),
        })
    }

    /// Results of what was claimed.
    fn results(claimed: Reply) -> Op {
        let Reply::Claimed(claimed) = claimed else {
            panic!("the lease is open: {claimed:?}");
        };
        let commit = |Claimed { task, attempt, .. }| Commit {
            task,
            attempt,
            worker: None,
            outcome: Outcome::completed(vec![7; PAYLOAD]),
        };
        Op::Commit(claimed.into_iter().map(commit).collect())
    }

    /// As many are queued as before, and nothing else is there.
    fn refill(&mut self, queued: usize) {
        self.ask(Op::Expire);
        let missing = queued - self.store.queued() as usize;
        self.submit(missing);
    }
}

fn claim(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("claim");
    group.throughput(Throughput::Elements(BATCH_ITEMS as u64));
    for queued in QUEUED {
        let bench = RefCell::new(Bench::new(queued));
        // What the last turn claimed, which has to end before the next.
        let claimed = RefCell::new(None);
        let before = || {
            let mut bench = bench.borrow_mut();
            if let Some(claimed) = claimed.take() {
                bench.ask(Bench::results(claimed));
            }
            bench.refill(queued);
            bench.next_claim()
        };
        let turn = |op| {
            let reply = bench.borrow_mut().ask(op);
            claimed.replace(Some(reply));
        };
        group.bench_function(BenchmarkId::from_parameter(queued), |bencher| {
            bencher.iter_batched(before, turn, BatchSize::PerIteration);
        });
    }
    group.finish();
}

fn commit(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("commit");
    group.throughput(Throughput::Elements(BATCH_ITEMS as u64));
    for queued in QUEUED {
        let bench = RefCell::new(Bench::new(queued));
        let before = || {
            let mut bench = bench.borrow_mut();
            bench.refill(queued);
            let claim = bench.next_claim();
            Bench::results(bench.ask(claim))
        };
        let turn = |op| bench.borrow_mut().ask(op);
        group.bench_function(BenchmarkId::from_parameter(queued), |bencher| {
            bencher.iter_batched(before, turn, BatchSize::PerIteration);
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    claim(&mut criterion);
    commit(&mut criterion);
    criterion.final_summary();
}
