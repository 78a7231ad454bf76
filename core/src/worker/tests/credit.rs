//! Credit: how much work is asked for, in push and in pull mode.

use super::*;

/// Runs one task that takes a while.
fn run_one(env: &mut TestEnv, number: u128, time: Duration) {
    env.give(&tasks([number]));
    env.wait_beating(time);
    env.reply(task(number));
    env.ack(&tasks([number]));
}

fn pulls(env: &mut TestEnv) -> Vec<u32> {
    let credit = |body| match body {
        ToDispatcher::Pull { credit } => Some(credit),
        _ => None,
    };
    env.said().into_iter().filter_map(credit).collect()
}

#[test]
fn at_first_a_worker_asks_for_its_processes_and_one_more() {
    let mut env = TestEnv::new(4);
    assert_eq!(env.hello().credit, 5);
}

#[test]
fn short_tasks_raise_the_credit_and_long_ones_lower_it() {
    let mut env = TestEnv::new(2);
    for number in 1..=40 {
        run_one(&mut env, number, ms(1));
    }
    let fast = env.worker.credit();
    assert!(fast > 20, "{fast}");
    for number in 41..=80 {
        run_one(&mut env, number, secs(1));
    }
    assert_eq!(env.worker.credit(), 2, "its processes, and nothing ahead");
}

#[test]
fn a_task_that_waits_behind_a_long_one_is_handed_on() {
    let mut env = TestEnv::new(1);
    env.give(&tasks(1..=2));
    env.said();
    env.wait_beating(ms(199));
    assert_eq!(env.said(), []);
    env.wait_beating(ms(1));
    let returned = ToDispatcher::Returned {
        tasks: tasks([2]),
        missing: vec![],
    };
    assert_eq!(env.said(), [returned]);
    assert_eq!(env.worker.credit(), 1, "and no other is asked for ahead");
}

#[test]
fn the_credit_has_a_limit() {
    let mut env = TestEnv::new(2);
    for number in 1..=40 {
        run_one(&mut env, number, Duration::from_nanos(10));
    }
    assert_eq!(env.worker.credit(), 2 + 2 * 128);
}

#[test]
fn a_large_change_of_credit_is_told_at_once_and_a_small_one_with_the_next_beat() {
    let mut env = TestEnv::new(1);
    env.beats();
    env.give(&tasks([1]));
    env.wait(ms(1));
    env.reply(task(1));
    assert_eq!(env.beats().len(), 1, "from 2 to 21");
    env.ack(&tasks([1]));
    env.give(&tasks([2]));
    env.wait(ms(2));
    env.reply(task(2));
    assert_eq!(env.beats(), [0u32; 0]);
    env.wait_beating(secs(1));
    assert_eq!(env.beats(), [env.worker.credit()]);
}

#[test]
fn a_pull_worker_asks_as_soon_as_it_is_welcome() {
    let mut env = TestEnv::pulling(2);
    assert_eq!(pulls(&mut env), [3]);
}

#[test]
fn one_question_is_open_at_a_time() {
    let mut env = TestEnv::pulling(2);
    pulls(&mut env);
    env.wait_beating(secs(10));
    assert_eq!(pulls(&mut env), [0u32; 0]);
    env.give(&tasks([1]));
    assert_eq!(pulls(&mut env), [3], "it asks again while there is room");
    env.give(&tasks(2..=3));
    assert_eq!(pulls(&mut env), [0u32; 0], "and not when there is none");
    env.wait_beating(secs(1));
    env.reply(task(1));
    assert_eq!(pulls(&mut env), [0u32; 0], "a result still uses its credit");
    env.ack(&tasks([1]));
    assert_eq!(pulls(&mut env).len(), 1);
}

#[test]
fn a_dropped_task_makes_room_for_a_question() {
    let mut env = TestEnv::pulling(1);
    env.give(&tasks(1..=2));
    pulls(&mut env);
    env.drop(&tasks([2]));
    assert_eq!(pulls(&mut env), [2]);
}

#[test]
fn the_question_is_asked_anew_in_each_session() {
    let mut env = TestEnv::pulling(1);
    env.tell(ToWorker::SayHello);
    pulls(&mut env);
    env.welcome();
    assert_eq!(pulls(&mut env), [2]);
}

#[test]
fn a_pull_worker_whose_children_were_down_asks_when_one_is_up_again() {
    let mut env = TestEnv::starting(1, Flow::Pull);
    env.ready(0);
    env.exited(0, Some(1), None);
    env.exited(0, Some(1), None);
    env.welcome();
    assert_eq!(pulls(&mut env), [0u32; 0], "nothing could run it");
    env.wait_beating(ms(200));
    env.ready(0);
    assert_eq!(pulls(&mut env), [2]);
}

#[test]
fn a_batch_in_several_messages_is_taken_whole() {
    let mut env = TestEnv::pulling(4);
    env.give(&tasks(1..=2));
    env.run(F, &tasks(3..=5), Options::default());
    assert_eq!(env.worker.held(), 5);
}
