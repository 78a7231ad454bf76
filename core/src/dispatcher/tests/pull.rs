//! Pull mode: a question is parked until there is work, and open until every process has some.

use super::*;

fn pull(env: &mut TestEnv, worker: u64, credit: u32) {
    env.guest_mut(worker).credit = credit;
    env.say(worker, ToDispatcher::Pull { credit });
}

#[test]
fn a_question_is_parked_until_there_is_work() {
    let mut env = TestEnv::new();
    env.hello(1, Greeting::pull(2));
    env.heard(1);
    pull(&mut env, 1, 2);
    env.wait_beating(secs(10));
    assert_eq!(env.heard(1), []);
    env.submit(1);
    assert_eq!(env.given(1), tasks([1]));
}

#[test]
fn who_has_not_asked_gets_nothing() {
    let mut env = TestEnv::new();
    env.hello(1, Greeting::pull(2));
    env.submit(1);
    env.wait_beating(secs(1));
    assert_eq!(env.status(1), Status::Queued);
}

#[test]
fn a_question_is_open_until_its_credit_is_used() {
    let mut env = TestEnv::new();
    env.hello(1, Greeting::pull(3));
    pull(&mut env, 1, 3);
    env.submit_all(1..=2);
    assert_eq!(env.given(1), tasks([1, 2]));
    env.submit_all(3..=4);
    assert_eq!(env.given(1), tasks([3]), "one for each process");
    env.finish(1, tasks([1])[0]);
    assert_eq!(env.given(1), [], "there is room, but no question");
    pull(&mut env, 1, 3);
    assert_eq!(env.given(1), tasks([4]));
}

#[test]
fn nobody_is_given_tasks_ahead_while_one_that_was_given_some_has_idle_processes() {
    let mut env = TestEnv::new();
    for worker in 1..=2 {
        env.hello(worker, Greeting::pull(2));
        pull(&mut env, worker, 3);
    }
    env.submit(1);
    env.submit_all(2..=4);
    let given = [1, 2].map(|worker| env.given(worker).len());
    assert_eq!(given, [2, 2]);
}

#[test]
fn a_new_session_has_no_open_question() {
    let mut env = TestEnv::new();
    env.hello(1, Greeting::pull(1));
    pull(&mut env, 1, 1);
    env.hello(1, Greeting::pull(1));
    env.submit(1);
    assert_eq!(env.given(1), []);
    pull(&mut env, 1, 1);
    assert_eq!(env.given(1), tasks([1]));
}

#[test]
fn a_parked_question_follows_the_credit_of_the_beats() {
    let mut env = TestEnv::new();
    env.hello(1, Greeting::pull(2));
    pull(&mut env, 1, 2);
    env.give_credit(1, 0);
    env.submit(1);
    assert_eq!(env.given(1), []);
    env.give_credit(1, 1);
    assert_eq!(env.given(1), tasks([1]));
}

#[test]
fn several_questions_are_answered_by_one_claim() {
    let mut env = TestEnv::new();
    for worker in 1..=3 {
        env.hello(worker, Greeting::pull(1));
        pull(&mut env, worker, 1);
    }
    env.take_asked();
    env.submit_all(1..=3);
    assert_eq!(env.claims_asked(), [3]);
}
