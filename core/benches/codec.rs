//! How long the native format takes for the messages that carry tasks: `cargo bench -p mpcsfaas-core`.
//!
//! Batches of 1, 16 and 256 tasks, each with 200 bytes of parameters or of a result; 256 is what a
//! message holds at most. Next to it the same for one task in the original's JSON, in which each
//! message carries the function, too.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput};
use mpcsfaas_core::id::{FunctionId, TaskId, WorkerId};
use mpcsfaas_core::mime_base64::encode_mime;
use mpcsfaas_core::task::{Options, Outcome};
use mpcsfaas_core::timing::BATCH_ITEMS;
use mpcsfaas_core::wire::message::{
    Finished, FromDispatcher, FromWorker, Run, TaskRef, ToDispatcher, ToWorker,
};
use mpcsfaas_core::wire::{json, native};
use serde::Serialize;
use serde::de::DeserializeOwned;

const BATCHES: [usize; 3] = [1, 16, BATCH_ITEMS];

const PAYLOAD: usize = 200;

/// Of a small function, as dill writes it.
const FUNCTION: usize = 500;

fn attempt(index: usize) -> TaskRef {
    TaskRef {
        task: TaskId((index as u128 + 1) * 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835),
        attempt: 1,
    }
}

fn run(tasks: usize) -> FromDispatcher {
    let run = |index| Run {
        task: attempt(index),
        function: FunctionId(u128::MAX / 3),
        params: Bytes::from(vec![7; PAYLOAD]),
        options: Options::default(),
    };
    FromDispatcher {
        session: 3,
        number: 1_000,
        body: ToWorker::Run((0..tasks).map(run).collect()),
    }
}

fn finished(tasks: usize) -> FromWorker {
    let finished = |index| Finished {
        task: attempt(index),
        outcome: Outcome::completed(vec![7; PAYLOAD]),
    };
    FromWorker {
        worker: WorkerId(u64::MAX / 3),
        session: 3,
        number: 1_000,
        body: ToDispatcher::Finished((0..tasks).map(finished).collect()),
    }
}

/// Writing and reading of one kind of message, in batches.
fn both_ways<M: Serialize + DeserializeOwned>(
    criterion: &mut Criterion,
    name: &str,
    message: impl Fn(usize) -> M,
) {
    let mut group = criterion.benchmark_group(name);
    for tasks in BATCHES {
        let message = message(tasks);
        let bytes = native::encode(&message);
        group.throughput(Throughput::Elements(tasks as u64));
        group.bench_function(BenchmarkId::new("encode", tasks), |bencher| {
            bencher.iter(|| native::encode(black_box(&message)));
        });
        group.bench_function(BenchmarkId::new("decode", tasks), |bencher| {
            bencher.iter(|| native::decode::<M>(black_box(&bytes)).expect("it was just written"));
        });
    }
    group.finish();
}

/// What the dispatcher writes and reads of a task whose worker is the original's.
fn original(criterion: &mut Criterion) {
    let task = json::ToWorker::Task {
        task: attempt(0).task,
        function: Bytes::from(vec![7; FUNCTION]),
        params: Bytes::from(vec![7; PAYLOAD]),
    };
    let result = serde_json::json!({
        "type": "task_result",
        "worker_id": "0b5ee5a4-6b0d-4a29-9d52-3a2a7b6f3c1f",
        "task_id": attempt(0).task.to_string(),
        "status": "COMPLETED",
        "result": encode_mime(&[7; PAYLOAD]),
    });
    let result = result.to_string();
    let mut group = criterion.benchmark_group("original");
    group.throughput(Throughput::Elements(1));
    group.bench_function("encode task", |bencher| {
        bencher.iter(|| json::encode(black_box(&task), false));
    });
    group.bench_function("decode result", |bencher| {
        bencher.iter(|| json::decode(black_box(result.as_bytes())).expect("it is a result"));
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    both_ways(&mut criterion, "run", run);
    both_ways(&mut criterion, "finished", finished);
    original(&mut criterion);
    criterion.final_summary();
}
