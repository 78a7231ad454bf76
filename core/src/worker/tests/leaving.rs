//! A worker that leaves (R11, R16).

use super::*;

#[test]
fn goodbye_hands_back_running_tasks_finish_and_an_empty_hello_is_the_last_word() {
    let mut env = TestEnv::new(1);
    env.give(&tasks(1..=2));
    env.said();
    env.leave();
    let goodbye = ToDispatcher::Goodbye {
        returned: tasks([2]),
    };
    assert_eq!(env.said(), [goodbye]);
    env.wait_beating(secs(5));
    env.reply(task(1));
    assert_eq!(env.results().len(), 1);
    assert_eq!(env.exits, 0);
    env.ack(&tasks([1]));
    let hello = env.hello();
    assert!(hello.draining && hello.running.is_empty() && hello.finished.is_empty());
    assert_eq!((hello.credit, env.exits), (0, 0));
    env.welcome();
    assert_eq!(env.exits, 1);
}

#[test]
fn an_idle_worker_leaves_at_once() {
    let mut env = TestEnv::new(1);
    env.leave();
    assert!(env.hello().draining);
    env.welcome();
    assert_eq!(env.exits, 1);
}

#[test]
fn without_an_answer_it_exits_after_the_timeout() {
    let mut env = TestEnv::new(1);
    env.leave();
    env.wait(ms(2_999));
    assert_eq!(env.exits, 0);
    env.wait(ms(1));
    assert_eq!(env.exits, 1);
}

#[test]
fn without_a_connection_nobody_needs_to_be_told() {
    let mut env = TestEnv::new(1);
    env.close();
    env.leave();
    assert_eq!(env.exits, 1);
    let mut env = TestEnv::starting(1, Flow::Push);
    env.leave();
    assert_eq!(env.exits, 1);
}

#[test]
fn a_run_that_crosses_the_goodbye_is_handed_back() {
    let mut env = TestEnv::new(1);
    env.give(&tasks([1]));
    env.leave();
    env.said();
    env.run(F, &tasks([2]), Options::default());
    let expected = ToDispatcher::Returned {
        tasks: tasks([2]),
        missing: vec![],
    };
    assert_eq!(env.said(), [expected]);
}

#[test]
fn at_the_drain_deadline_what_runs_is_ended_and_not_listed_any_more() {
    let mut env = TestEnv::new(1);
    env.give(&tasks([1]));
    env.leave();
    env.orders();
    env.said();
    env.wait_beating(secs(30));
    assert_eq!(env.orders(), ["terminate 0"]);
    let hello = env.hello();
    assert!(hello.draining && hello.running.is_empty());
    env.welcome();
    assert_eq!(env.exits, 1);
}

#[test]
fn an_at_most_once_task_fails_as_lost_at_the_drain_deadline() {
    let mut env = TestEnv::new(1);
    env.give_with(&tasks([1]), once());
    env.leave();
    env.said();
    env.wait_beating(secs(30));
    assert_eq!(env.failure().kind, FailureKind::Lost);
    assert_eq!(env.exits, 0);
    env.ack(&tasks([1]));
    env.welcome();
    assert_eq!(env.exits, 1);
}

#[test]
fn results_that_nobody_acknowledges_do_not_hold_a_leaving_worker_for_ever() {
    let mut env = TestEnv::new(1);
    env.give(&tasks([1]));
    env.reply(task(1));
    env.leave();
    env.wait_beating(secs(30));
    assert_eq!(env.exits, 0);
    env.wait_beating(secs(3));
    assert_eq!(env.exits, 1);
}

#[test]
fn a_leaving_worker_that_loses_its_dispatcher_still_delivers() {
    let mut env = TestEnv::new(1);
    env.give(&tasks([1]));
    env.leave();
    env.close();
    env.wait(ms(100));
    let hello = env.hello();
    assert!(hello.draining);
    assert_eq!(hello.running, tasks([1]));
    env.welcome();
    env.reply(task(1));
    env.ack(&tasks([1]));
    env.welcome();
    assert_eq!(env.exits, 1);
}

#[test]
fn children_that_end_while_it_leaves_are_not_replaced() {
    let mut env = TestEnv::new(2);
    env.give(&tasks(1..=2));
    env.leave();
    env.orders();
    env.exited(0, Some(1), None);
    env.wait_beating(secs(5));
    assert_eq!(env.orders(), [""; 0]);
}

#[test]
fn a_leaving_worker_gives_no_credit() {
    let mut env = TestEnv::pulling(2);
    env.give(&tasks([1]));
    env.leave();
    env.beats();
    env.wait_beating(secs(2));
    assert_eq!(env.beats(), [0, 0]);
}

#[test]
fn leaving_twice_is_leaving_once() {
    let mut env = TestEnv::new(1);
    env.give(&tasks([1]));
    env.leave();
    env.wait_beating(secs(20));
    env.leave();
    env.said();
    env.wait_beating(secs(10));
    assert!(env.hello().draining, "the first deadline holds");
}
