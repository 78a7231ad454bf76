//! Pull mode: a question is parked until there is work, and answered by one batch.

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
fn one_question_gets_one_batch() {
    let mut env = TestEnv::new();
    env.hello(1, Greeting::pull(3));
    pull(&mut env, 1, 3);
    env.submit_all(1..=2);
    assert_eq!(env.given(1), tasks([1, 2]));
    env.submit(3);
    assert_eq!(env.given(1), [], "there is room, but no question");
    pull(&mut env, 1, 3);
    assert_eq!(env.given(1), tasks([3]));
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

#[test]
fn all_that_was_claimed_together_answers_a_question_together() {
    let mut env = TestEnv::with(|config| config.claim_limit = 2);
    env.hello(1, Greeting::pull(6));
    env.hold_store();
    for number in 1..=6 {
        env.submit_quietly(number, F, Options::default());
    }
    env.say(1, ToDispatcher::Pull { credit: 6 });
    for _ in 0..3 {
        env.feed(Input::DoorbellRang);
    }
    env.take_asked();
    let is_claim = |op: &Op| matches!(op, Op::Claim(_));
    env.release_one(is_claim);
    env.release_one(|op| matches!(op, Op::GetFunction { .. }));
    env.release_one(is_claim);
    assert_eq!(
        env.given(1),
        [],
        "one Run is one answer, and more is coming"
    );
    env.release_one(is_claim);
    assert_eq!(env.given(1), tasks(1..=6));
}

#[test]
fn a_claim_that_failed_is_not_waited_for() {
    let mut env = TestEnv::with(|config| config.claim_limit = 2);
    env.hello(1, Greeting::pull(6));
    env.hold_store();
    for number in 1..=6 {
        env.submit_quietly(number, F, Options::default());
    }
    env.say(1, ToDispatcher::Pull { credit: 6 });
    env.feed(Input::DoorbellRang);
    env.feed(Input::DoorbellRang);
    let is_claim = |op: &Op| matches!(op, Op::Claim(_));
    env.release_one(is_claim);
    env.release_one(|op| matches!(op, Op::GetFunction { .. }));
    env.lose_answer(is_claim);
    assert_eq!(env.given(1), tasks([1, 2]));
}
