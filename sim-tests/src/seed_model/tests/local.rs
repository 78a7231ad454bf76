//! The local dispatcher.

use super::*;
use crate::seed_model::LocalDispatcher;

fn local(processes: usize) -> Bench<LocalDispatcher> {
    Bench::start(LocalDispatcher::new(Instant::ZERO, processes))
}

#[test]
fn a_task_runs_in_the_pool_and_its_result_is_written() {
    let mut bench = local(1);
    bench.submit(T1);
    bench.submit(T2);
    bench.settle();
    assert_eq!(bench.executed(), [T1]);
    assert_eq!(bench.status(T2), Status::Running);
    bench.tell(ran(T1));
    bench.tell(Fact::Ran {
        task: T2,
        result: Err(Bytes::from_static(b"error")),
    });
    bench.settle();
    assert_eq!(bench.executed(), [T2]);
    assert_eq!(
        (bench.status(T1), bench.result(T1)),
        (Status::Completed, &b"result"[..])
    );
    assert_eq!(
        (bench.status(T2), bench.result(T2)),
        (Status::Failed, &b"error"[..])
    );
}

/// 12
#[test]
fn what_runs_when_it_is_terminated_stays_running_after_a_restart() {
    let mut bench = local(1);
    bench.submit(T1);
    bench.settle();
    bench.tell(Fact::Terminated);
    assert!(bench.has_exited());

    let mut again = local(1);
    again.rows = bench.rows;
    again.run(seconds(60));
    assert_eq!(again.status(T1), Status::Running);
    assert!(again.executed().is_empty());
}

/// 8
#[test]
fn a_function_that_ends_its_process_leaves_its_task_running() {
    let mut bench = local(1);
    bench.submit(T1);
    bench.submit(T2);
    bench.settle();
    assert_eq!(bench.executed(), [T1]);
    bench.tell(Fact::Died(T1));
    assert_eq!(bench.executed(), [T2], "a new process has taken its place");
    bench.tell(ran(T2));
    bench.run(seconds(60));
    assert_eq!(bench.status(T1), Status::Running);
    assert_eq!(bench.status(T2), Status::Completed);
}

/// 21
#[test]
fn a_task_that_was_taken_off_the_queue_without_redis_is_lost() {
    let mut bench = local(1);
    bench.submit(T1);
    bench.away = true;
    bench.settle();
    bench.away = false;
    bench.submit(T2);
    bench.run(seconds(60));
    assert_eq!(bench.executed(), [T2]);
    assert_eq!(bench.status(T1), Status::Queued);
}
