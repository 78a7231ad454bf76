//! The Python children: deadlines, deaths, replacements (R14).

use super::*;

#[test]
fn a_deadline_is_a_polite_signal_then_a_deadly_one_and_the_task_fails_as_timeout() {
    let mut env = TestEnv::new(1);
    env.give_with(&tasks([1]), timeout(secs(1)));
    env.orders();
    env.said();
    env.wait_beating(ms(999));
    assert_eq!(env.orders(), [""; 0]);
    env.wait(ms(1));
    assert_eq!(env.orders(), ["terminate 0"]);
    env.wait_beating(ms(1_999));
    assert_eq!(env.orders(), [""; 0], "the grace");
    env.wait(ms(1));
    assert_eq!(env.orders(), ["kill 0"]);
    env.exited(0, None, Some(9));
    assert_eq!(env.orders(), ["spawn 0"]);
    let failure = env.failure();
    assert_eq!(failure.kind, FailureKind::Timeout);
    assert!(failure.message.contains("1s"), "{}", failure.message);
}

#[test]
fn a_reply_that_crosses_the_deadlines_signal_counts() {
    let mut env = TestEnv::new(1);
    env.give_with(&tasks([1]), timeout(secs(1)));
    env.said();
    env.wait(secs(1));
    env.reply(task(1));
    assert_eq!(env.results()[0].outcome, outcome_of(task(1)));
    env.exited(0, None, Some(15));
    assert_eq!(env.results(), [], "and nothing after it does");
}

#[test]
fn the_time_a_task_waits_does_not_count_towards_its_deadline() {
    let mut env = TestEnv::new(1);
    env.give_with(&tasks(1..=2), timeout(secs(2)));
    env.wait_beating(ms(150));
    env.reply(task(1));
    env.orders();
    env.wait_beating(ms(1_999));
    assert_eq!(env.orders(), [""; 0]);
    env.wait(ms(1));
    assert_eq!(env.orders(), ["terminate 0"]);
}

#[test]
fn a_child_that_exits_fails_its_task_at_once_and_is_replaced() {
    let mut env = TestEnv::new(2);
    env.give(&tasks(1..=2));
    env.said();
    env.orders();
    env.exited(0, Some(3), None);
    let [result] = &env.results()[..] else {
        panic!("one result")
    };
    assert_eq!(result.outcome.output, "last words");
    let failure = result.outcome.result.clone().expect_err("a failure");
    assert_eq!(
        (failure.kind, failure.exit_code),
        (FailureKind::Exited, Some(3))
    );
    assert_eq!(env.orders(), ["spawn 0"]);
    env.exited(1, None, Some(11));
    let failure = env.failure();
    assert_eq!(
        (failure.kind, failure.signal),
        (FailureKind::Killed, Some(11))
    );
}

#[test]
fn an_idle_child_that_exits_is_replaced_and_fails_nothing() {
    let mut env = TestEnv::new(1);
    env.said();
    env.exited(0, Some(0), None);
    assert_eq!(env.orders(), ["spawn 0"]);
    assert_eq!(env.said(), []);
}

#[test]
fn a_child_that_cannot_start_is_tried_again_after_a_growing_pause() {
    let mut env = TestEnv::starting(1, Flow::Push);
    env.orders();
    let mut tries = 0;
    for _ in 0..60 {
        env.exited(0, Some(1), None);
        assert_eq!(env.orders(), [""; 0], "not at once");
        env.wait(secs(5));
        tries += env.orders().len();
    }
    assert_eq!(tries, 60);
    env.exited(0, Some(1), None);
    env.wait(ms(4_999));
    assert_eq!(env.orders(), [""; 0], "up to five seconds");
    env.wait(ms(1));
    env.ready(0);
    env.exited(0, Some(1), None);
    assert_eq!(
        env.orders(),
        ["spawn 0", "spawn 0"],
        "a start that worked ends it"
    );
}

#[test]
fn a_child_that_never_gets_ready_is_killed() {
    let mut env = TestEnv::starting(1, Flow::Push);
    env.orders();
    env.wait(secs(60));
    assert_eq!(env.orders(), ["kill 0"]);
    env.exited(0, None, Some(9));
    env.wait(ms(200));
    assert_eq!(env.orders(), ["spawn 0"]);
}

#[test]
fn a_child_that_gets_ready_after_its_death_sentence_is_given_nothing() {
    let mut env = TestEnv::new(2);
    env.exited(1, Some(0), None);
    env.wait_beating(secs(60));
    assert_eq!(env.orders(), ["spawn 1", "kill 1"]);
    env.give(&tasks([1]));
    env.ready(1);
    env.give(&tasks([2]));
    assert_eq!(env.orders(), ["run 1.1 in 0"]);
    env.exited(1, None, Some(9));
    env.wait_beating(ms(200));
    env.ready(1);
    env.give(&tasks([3]));
    assert_eq!(env.orders(), ["spawn 1", "run 3.1 in 1"]);
}

#[test]
fn a_reply_for_another_task_than_the_one_that_runs_is_ignored() {
    let mut env = TestEnv::new(1);
    env.give(&tasks([1]));
    env.said();
    env.slots.insert(task(2), (0, Instant::ZERO));
    env.reply(task(2));
    assert_eq!(env.said(), []);
    env.reply(task(1));
    assert_eq!(env.results().len(), 1);
}

#[test]
fn what_waits_is_handed_back_when_no_child_can_be_started() {
    let mut env = TestEnv::new(1);
    env.give(&tasks(1..=2));
    env.exited(0, Some(3), None);
    env.said();
    env.exited(0, Some(1), None);
    let credit = |said: &VecDeque<FromWorker>| match said.front().map(|m| &m.body) {
        Some(ToDispatcher::Beat { credit, .. }) => Some(*credit),
        _ => None,
    };
    assert_eq!(
        credit(&env.said),
        Some(0),
        "first that nothing more is wanted"
    );
    let expected = ToDispatcher::Returned {
        tasks: tasks([2]),
        missing: vec![],
    };
    assert_eq!(env.said(), [expected]);
    env.wait_beating(secs(1));
    assert_eq!(
        env.worker.credit(),
        0,
        "a start that may fail again promises nothing"
    );
    env.ready(0);
    assert!(env.worker.credit() > 0);
}
