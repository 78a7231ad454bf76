//! The push dispatcher.

use super::*;
use crate::seed_model::{DispatcherConfig, IDLE_NAP, PushDispatcher, SCAN};

fn push() -> Bench<PushDispatcher> {
    push_with(DispatcherConfig::default())
}

fn push_with(config: DispatcherConfig) -> Bench<PushDispatcher> {
    Bench::start(PushDispatcher::new(Instant::ZERO, config))
}

/// A dispatcher with workers, whose pusher has noticed them.
fn push_with_workers(workers: &[&str]) -> Bench<PushDispatcher> {
    let mut bench = push();
    for worker in workers {
        bench.hear(worker, &Says::Register);
    }
    bench.run(millis(500));
    bench.sent();
    bench
}

fn to(worker: &str, task: TaskId) -> (String, TaskId) {
    (worker.to_owned(), task)
}

#[test]
fn a_task_is_marked_running_sent_and_completed() {
    let mut bench = push();
    bench.hear("a", &Says::Register);
    assert_eq!(bench.sent(), [("a".to_owned(), Told::Ok)]);
    bench.submit(T1);
    bench.run(millis(500));
    assert_eq!(bench.status(T1), Status::Running);
    assert_eq!(bench.tasks_sent(), [to("a", T1)]);
    bench.hear("a", &completed(T1, "one"));
    bench.settle();
    assert_eq!(
        (bench.status(T1), bench.result(T1)),
        (Status::Completed, &b"one"[..])
    );
    assert!(bench.sent().is_empty(), "results are not answered");
}

#[test]
fn the_one_with_the_fewest_tasks_is_chosen_then_the_earliest() {
    let mut bench = push_with_workers(&["b", "a"]);
    for task in 1..=5 {
        bench.submit(TaskId(task));
    }
    bench.run(IDLE_NAP);
    let got: Vec<String> = bench.tasks_sent().into_iter().map(|(to, _)| to).collect();
    assert_eq!(got, ["b", "a", "b", "a", "b"]);
    bench.hear("a", &completed(TaskId(2), ""));
    bench.hear("a", &completed(TaskId(4), ""));
    bench.submit(TaskId(6));
    bench.run(IDLE_NAP);
    assert_eq!(bench.tasks_sent(), [to("a", TaskId(6))]);
}

#[test]
fn a_beat_waits_until_the_result_before_it_is_written() {
    let mut bench = push_with_workers(&["a"]);
    bench.queue(T1);
    bench.hear("stranger", &completed(T1, "one"));
    bench.hear("a", &Says::Heartbeat);
    assert!(bench.sent().is_empty());
    bench.settle();
    assert_eq!(bench.sent(), [("a".to_owned(), Told::Ok)]);
}

#[test]
fn the_pusher_sleeps_longer_without_workers() {
    let mut bench = push();
    assert_eq!(bench.deadline(), Some(Instant::ZERO + millis(500)));
    bench.hear("a", &Says::Register);
    bench.run(millis(500));
    assert_eq!(bench.deadline(), Some(Instant::ZERO + millis(600)));
}

/// 2
#[test]
fn after_a_restart_nobody_is_registered_whoever_beats() {
    let mut bench = push();
    bench.submit(T1);
    for _ in 0..60 {
        bench.hear("a", &Says::Heartbeat);
        bench.run(seconds(1));
    }
    assert_eq!(bench.sent(), vec![("a".to_owned(), Told::Ok); 60]);
    assert_eq!(bench.status(T1), Status::Queued);
}

/// 4, 7
#[test]
fn one_declared_dead_loses_its_tasks_and_beats_in_vain() {
    let mut bench = push_with_workers(&["a"]);
    bench.submit(T1);
    bench.run(seconds(4));
    assert_eq!(bench.status(T1), Status::Running);
    assert_eq!(bench.tasks_sent(), [to("a", T1)]);
    bench.run(seconds(1));
    assert_eq!(bench.status(T1), Status::Queued);
    bench.hear("a", &Says::Heartbeat);
    bench.run(seconds(60));
    assert_eq!(bench.sent(), [("a".to_owned(), Told::Ok)]);
    assert_eq!(bench.status(T1), Status::Queued);
}

#[test]
fn one_that_beats_is_not_declared_dead() {
    let mut bench = push_with_workers(&["a"]);
    for _ in 0..60 {
        bench.run(seconds(1));
        bench.hear("a", &Says::Heartbeat);
    }
    bench.submit(T1);
    bench.run(IDLE_NAP);
    assert_eq!(bench.tasks_sent(), [to("a", T1)]);
}

/// 6
#[test]
fn a_late_result_is_overwritten_and_its_task_runs_again() {
    let mut bench = push_with_workers(&["a"]);
    bench.submit(T1);
    bench.run(SCAN);
    assert_eq!(bench.tasks_sent(), [to("a", T1)]);
    bench.hear("a", &completed(T1, "first"));
    bench.settle();
    assert_eq!(bench.status(T1), Status::Completed);
    bench.hear("b", &Says::Register);
    bench.run(seconds(1));
    assert_eq!(bench.status(T1), Status::Running);
    assert_eq!(bench.tasks_sent(), [to("b", T1)]);
    bench.hear("b", &completed(T1, "second"));
    bench.settle();
    assert_eq!(bench.result(T1), b"second");
}

/// 22
#[test]
fn a_requeue_overwrites_a_result_that_came_in_between() {
    let mut bench = push_with_workers(&["a"]);
    bench.submit(T1);
    bench.run(seconds(4));
    bench.pass(millis(500));
    assert_eq!(bench.asked.len(), 1);
    assert_eq!(bench.asked[0].1, RedisOp::Get(T1), "the scanner reads");
    bench.answer();
    assert!(matches!(bench.asked[0].1, RedisOp::Set(..)));
    // Its SET is on its way, when the result is written.
    let late = bench.asked.pop_front().expect("a request");
    bench.hear("a", &completed(T1, "one"));
    bench.settle();
    assert_eq!(bench.status(T1), Status::Completed);
    bench.asked.push_back(late);
    bench.settle();
    assert_eq!(bench.status(T1), Status::Queued);
    assert_eq!(bench.result(T1), b"");
}

/// 17
#[test]
fn anybody_may_end_a_task_in_any_status() {
    let mut bench = push_with_workers(&["a"]);
    bench.submit(T1);
    bench.run(IDLE_NAP);
    bench.hear("a", &completed(T1, "one"));
    bench.settle();
    for status in [Status::Running, Status::Queued, Status::Failed] {
        let forged = Bytes::from_static(b"forged");
        bench.hear("stranger", &Says::TaskResult(T1, status, forged));
        bench.settle();
        assert_eq!(
            (bench.status(T1), bench.result(T1)),
            (status, &b"forged"[..])
        );
    }
}

/// 18
#[test]
fn one_that_only_beats_keeps_its_tasks() {
    let mut bench = push_with_workers(&["a", "b"]);
    bench.submit(T1);
    for _ in 0..60 {
        bench.run(seconds(1));
        bench.hear("a", &Says::Heartbeat);
    }
    assert_eq!(bench.status(T1), Status::Running);
    assert_eq!(bench.tasks_sent(), [to("a", T1)]);
}

/// 19
#[test]
fn a_name_that_registers_again_has_its_tasks_forgotten() {
    let mut bench = push_with_workers(&["a"]);
    bench.submit(T1);
    bench.run(IDLE_NAP);
    bench.hear("a", &Says::Register);
    bench.run(seconds(60));
    assert_eq!(bench.status(T1), Status::Running, "no scan has found it");
}

/// 20
#[test]
fn a_worker_that_is_removed_between_choice_and_send_takes_the_task_with_it() {
    let mut bench = push_with_workers(&["a"]);
    bench.run(millis(4_350));
    bench.submit(T1);
    // The pusher has chosen, and Redis takes its time; the scanner removes whom it has chosen.
    bench.pass(millis(200));
    assert_eq!(bench.asked.len(), 1);
    bench.run(seconds(60));
    assert_eq!(bench.status(T1), Status::Running);
    assert!(bench.tasks_sent().is_empty());
    bench.hear("b", &Says::Register);
    bench.run(seconds(60));
    assert!(bench.tasks_sent().is_empty());
}

/// 21
#[test]
fn a_task_that_was_taken_off_the_queue_without_redis_is_lost() {
    let mut bench = push_with_workers(&["a"]);
    bench.submit(T1);
    bench.away = true;
    bench.run(IDLE_NAP);
    bench.away = false;
    bench.submit(T2);
    bench.run(seconds(1));
    assert_eq!(bench.tasks_sent(), [to("a", T2)]);
    assert_eq!(bench.status(T1), Status::Queued);
}

/// 16
#[test]
fn of_two_dispatchers_each_sends_the_task() {
    for worker in ["a", "b"] {
        let mut bench = push_with_workers(&[worker]);
        bench.submit(T1);
        bench.run(IDLE_NAP);
        assert_eq!(bench.tasks_sent(), [to(worker, T1)]);
    }
}

/// 23
#[test]
fn frames_of_two_threads_interleave_if_something_comes_between() {
    let sent_with = |gap: Option<Duration>| {
        let mut bench = push_with(DispatcherConfig {
            frame_gap: gap,
            ..DispatcherConfig::default()
        });
        bench.hear("a", &Says::Register);
        bench.run(millis(500));
        bench.hear("b", &Says::Register);
        bench.submit(T1);
        bench.run(millis(50));
        bench.orders.clear();
        // The pusher wakes at this very instant, and so comes b's beat.
        bench.pass(millis(50));
        bench.settle();
        bench.hear("b", &Says::Heartbeat);
        bench.run(millis(50));
        bench.orders
    };
    let whole = sent_with(None);
    assert_eq!(whole.len(), 2);
    let mixed = sent_with(Some(Duration::from_micros(20)));
    let expected = Order::Send {
        peer: peer("a"),
        body: Bytes::from_static(b"b"),
    };
    assert_eq!(mixed, [expected]);
}

#[test]
fn frames_of_one_thread_never_interleave() {
    let gap = Some(millis(1));
    let mut bench = push_with(DispatcherConfig {
        frame_gap: gap,
        ..DispatcherConfig::default()
    });
    bench.hear("a", &Says::Heartbeat);
    bench.hear("b", &Says::Heartbeat);
    bench.run(millis(1));
    let heard = ["a", "b"].map(|name| (name.to_owned(), Told::Ok));
    assert_eq!(bench.sent(), heard);
}

#[test]
fn a_goodbye_is_understood_only_if_set_up_so() {
    for goodbye in [false, true] {
        let mut bench = push_with(DispatcherConfig {
            goodbye,
            ..DispatcherConfig::default()
        });
        bench.hear("a", &Says::Register);
        bench.submit(T1);
        bench.run(millis(600));
        bench.hear("b", &Says::Register);
        bench.sent();
        bench.hear("a", &Says::Unregister);
        bench.run(millis(600));
        let handed_on: &[(String, TaskId)] = if goodbye { &[to("b", T1)] } else { &[] };
        assert_eq!(bench.tasks_sent(), handed_on);
    }
}
