//! The push and the pull worker.

use super::*;
use crate::seed_model::wire::ToWorker;
use crate::seed_model::{PullWorker, PushWorker, WorkerConfig};

fn config(processes: usize) -> WorkerConfig {
    WorkerConfig {
        processes,
        ..WorkerConfig::default()
    }
}

/// A push worker that is registered.
fn push(config: WorkerConfig) -> Bench<PushWorker> {
    let mut bench = Bench::start(PushWorker::new(Instant::ZERO, "w".to_owned(), config));
    bench.hear_dispatcher(&ok(), false);
    assert_eq!(bench.said(), [Says::Register]);
    bench
}

/// A pull worker that is registered and has asked for a task.
fn pull(processes: usize) -> Bench<PullWorker> {
    let worker = PullWorker::new(Instant::ZERO, "w".to_owned(), config(processes));
    let mut bench = Bench::start(worker);
    bench.hear_dispatcher(&ok(), true);
    assert_eq!(bench.said(), [Says::Register, Says::RequestTask]);
    bench
}

#[test]
fn a_push_worker_runs_what_it_is_sent_and_hands_in_results() {
    let mut bench = push(config(1));
    bench.hear_dispatcher(&task(T1), false);
    bench.hear_dispatcher(&task(T2), false);
    assert_eq!(bench.executed(), [T1]);
    bench.run(millis(5));
    bench.tell(ran(T1));
    assert_eq!(bench.executed(), [T2]);
    assert!(bench.said().is_empty(), "the result sender naps");
    bench.run(millis(5));
    assert_eq!(bench.said(), [completed(T1, "result")]);
    bench.run(seconds(3));
    assert_eq!(bench.said(), vec![Says::Heartbeat; 3]);
}

/// 14
#[test]
fn a_push_worker_without_a_dispatcher_gives_up() {
    let worker = PushWorker::new(Instant::ZERO, "w".to_owned(), config(1));
    let mut bench = Bench::start(worker);
    bench.run(millis(4_999));
    assert!(!bench.has_exited());
    bench.pass(millis(1));
    assert!(bench.has_exited());
}

/// 10
#[test]
fn a_terminated_push_worker_drops_what_it_has_run() {
    let mut bench = push(config(1));
    bench.hear_dispatcher(&task(T1), false);
    bench.tell(ran(T1));
    // Even if the result sender was about to send it.
    bench.now = bench.now + millis(10);
    bench.tell(Fact::Terminated);
    assert!(bench.has_exited());
    assert!(bench.said().is_empty());
}

#[test]
fn a_push_worker_says_goodbye_only_if_set_up_so() {
    let mut bench = push(WorkerConfig {
        goodbye: true,
        ..config(1)
    });
    bench.tell(Fact::Terminated);
    assert_eq!(bench.said(), [Says::Unregister]);
    assert!(bench.has_exited());
}

/// 4
#[test]
fn a_push_worker_never_registers_again() {
    let mut bench = push(config(1));
    bench.run(seconds(60));
    assert_eq!(bench.said(), vec![Says::Heartbeat; 60]);
}

/// 23
#[test]
fn junk_is_nothing_to_a_push_worker() {
    let mut bench = push(config(1));
    bench.tell(Fact::Received {
        peer: wire::other_side(),
        body: Bytes::from_static(b"w2"),
    });
    assert!(bench.executed().is_empty());
    assert!(!bench.has_exited());
}

#[test]
fn a_pull_worker_asks_runs_and_hands_in_results() {
    let mut bench = pull(1);
    bench.hear_dispatcher(&ToWorker::NoTask, true);
    bench.run(millis(500));
    assert_eq!(bench.said(), [Says::RequestTask]);
    bench.hear_dispatcher(&task(T1), true);
    assert_eq!(bench.executed(), [T1]);
    bench.tell(ran(T1));
    assert_eq!(bench.said(), [Says::RequestTask], "one question at a time");
    bench.hear_dispatcher(&ToWorker::NoTask, true);
    assert_eq!(bench.said(), [completed(T1, "result")]);
    bench.hear_dispatcher(&ok(), true);
    bench.pass(millis(500));
    assert_eq!(bench.said(), [Says::RequestTask], "the beat is in line");
    bench.hear_dispatcher(&ToWorker::NoTask, true);
    assert_eq!(bench.said(), [Says::Heartbeat]);
}

/// 9
#[test]
fn a_pull_worker_with_one_process_takes_all_that_there_is() {
    let mut bench = pull(1);
    for number in 1..=8 {
        bench.hear_dispatcher(&task(TaskId(number)), true);
    }
    assert_eq!(bench.said(), vec![Says::RequestTask; 8]);
    assert_eq!(bench.executed(), [TaskId(1)]);
}

/// 8
#[test]
fn a_process_that_ends_itself_leaves_its_place_to_the_next_task_and_nothing_to_say() {
    let mut bench = push(config(1));
    bench.hear_dispatcher(&task(T1), false);
    bench.hear_dispatcher(&task(T2), false);
    bench.tell(Fact::Died(T1));
    assert_eq!(bench.executed(), [T1, T2]);
    bench.pass(millis(100));
    assert!(bench.said().is_empty());

    let mut bench = pull(1);
    bench.hear_dispatcher(&task(T1), true);
    bench.hear_dispatcher(&task(T2), true);
    bench.tell(Fact::Died(T1));
    assert_eq!(bench.executed(), [T1, T2]);
    assert_eq!(bench.said(), vec![Says::RequestTask; 2]);
}

/// 3
#[test]
fn a_pull_worker_whose_question_is_not_answered_says_nothing_more() {
    let mut bench = pull(1);
    bench.run(seconds(600));
    assert!(bench.said().is_empty());
    assert_eq!(bench.deadline(), None);
}

/// 11
#[test]
fn a_terminated_pull_worker_waits_for_the_answer_first() {
    let mut bench = pull(1);
    bench.tell(Fact::Terminated);
    bench.run(seconds(600));
    assert!(!bench.has_exited());
    bench.hear_dispatcher(&ToWorker::NoTask, true);
    assert!(bench.has_exited());
}

#[test]
fn a_terminated_pull_worker_that_naps_exits() {
    let mut bench = pull(1);
    bench.hear_dispatcher(&ToWorker::NoTask, true);
    bench.tell(Fact::Terminated);
    assert!(bench.has_exited());
}
