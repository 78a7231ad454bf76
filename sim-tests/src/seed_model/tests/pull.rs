//! The pull dispatcher.

use super::*;
use crate::seed_model::{DispatcherConfig, PullDispatcher, SCAN};

fn pull() -> Bench<PullDispatcher> {
    let config = DispatcherConfig::default();
    Bench::start(PullDispatcher::new(Instant::ZERO, config))
}

fn told(worker: &str, told: Told) -> (String, Told) {
    (worker.to_owned(), told)
}

#[test]
fn a_worker_asks_gets_a_task_and_hands_in_its_result() {
    let mut bench = pull();
    bench.hear("a", &Says::Register);
    bench.hear("a", &Says::RequestTask);
    assert_eq!(bench.sent(), [told("a", Told::Ok), told("a", Told::NoTask)]);
    bench.submit(T1);
    bench.hear("a", &Says::RequestTask);
    bench.settle();
    assert_eq!(bench.status(T1), Status::Running);
    bench.hear("a", &completed(T1, "one"));
    bench.settle();
    assert_eq!(
        bench.sent(),
        [told("a", Told::Task(T1)), told("a", Told::Ok)]
    );
    assert_eq!(
        (bench.status(T1), bench.result(T1)),
        (Status::Completed, &b"one"[..])
    );
}

#[test]
fn a_question_is_answered_before_the_next_is_read() {
    let mut bench = pull();
    bench.submit(T1);
    bench.hear("a", &Says::RequestTask);
    bench.hear("b", &Says::Heartbeat);
    assert!(bench.sent().is_empty(), "Redis has not answered");
    bench.settle();
    assert_eq!(
        bench.sent(),
        [told("a", Told::Task(T1)), told("b", Told::Ok)]
    );
}

#[test]
fn junk_is_answered_with_an_error() {
    let mut bench = pull();
    bench.tell(Fact::Received {
        peer: peer("a"),
        body: Bytes::from_static(b"junk"),
    });
    assert_eq!(bench.sent(), [told("a", Told::Error)]);
}

#[test]
fn the_tasks_of_a_silent_worker_are_handed_out_again() {
    let mut bench = pull();
    bench.hear("a", &Says::Register);
    bench.submit(T1);
    bench.hear("a", &Says::RequestTask);
    bench.run(SCAN);
    assert_eq!(bench.status(T1), Status::Queued);
    bench.sent();
    bench.hear("b", &Says::RequestTask);
    bench.settle();
    assert_eq!(bench.sent(), [told("b", Told::Task(T1))]);
}

/// 5
#[test]
fn a_removed_worker_is_served_but_no_scan_looks_after_its_tasks() {
    let mut bench = pull();
    bench.hear("a", &Says::Register);
    bench.run(SCAN);
    bench.submit(T1);
    bench.hear("a", &Says::Heartbeat);
    bench.hear("a", &Says::RequestTask);
    bench.settle();
    bench.sent();
    bench.run(seconds(60));
    assert_eq!(bench.status(T1), Status::Running);
}

/// 17, 18
#[test]
fn strangers_may_end_tasks_and_beats_keep_them() {
    let mut bench = pull();
    bench.hear("a", &Says::Register);
    bench.submit(T1);
    bench.hear("a", &Says::RequestTask);
    for _ in 0..60 {
        bench.run(seconds(1));
        bench.hear("a", &Says::Heartbeat);
    }
    assert_eq!(bench.status(T1), Status::Running);
    let forged = Bytes::from_static(b"forged");
    bench.hear("stranger", &Says::TaskResult(T1, Status::Queued, forged));
    bench.settle();
    assert_eq!(bench.status(T1), Status::Queued);
}

/// 21
#[test]
fn a_task_that_was_taken_off_the_queue_without_redis_is_lost() {
    let mut bench = pull();
    bench.submit(T1);
    bench.away = true;
    bench.hear("a", &Says::RequestTask);
    bench.settle();
    bench.away = false;
    bench.hear("a", &Says::RequestTask);
    bench.settle();
    assert_eq!(
        bench.sent(),
        [told("a", Told::Error), told("a", Told::NoTask)]
    );
    assert_eq!(bench.status(T1), Status::Queued);
}
