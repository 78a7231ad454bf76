//! Tasks that the store has claimed before it was asked to.

use super::*;

fn joined(credit: u32) -> TestEnv {
    let mut env = TestEnv::claiming_ahead();
    env.join(1, credit);
    env.take_asked();
    env
}

/// Submits, and what the store tells of it is heard.
fn submit_aloud(env: &mut TestEnv, task: u128) {
    let heard = submit_unheard(env, task);
    heard.into_iter().for_each(|input| env.feed(input));
}

/// Submits, and what the store tells of it is on its way.
fn submit_unheard(env: &mut TestEnv, task: u128) -> Vec<Input> {
    let submission = Submission {
        task: TaskId(task),
        function: F,
        params: Bytes::from_static(b"params"),
        options: Options::default(),
    };
    env.at_store(Op::Submit(vec![submission]));
    let heard = |notice| match notice {
        Notice::Queued => Some(Input::DoorbellRang),
        Notice::Claimed(ahead) => Some(Input::ClaimedAhead(ahead)),
        Notice::Ended(_) => None,
    };
    std::iter::from_fn(|| env.store.poll_notice())
        .filter_map(heard)
        .collect()
}

#[test]
fn a_task_that_was_claimed_ahead_is_placed_without_another_claim() {
    let mut env = joined(2);
    submit_aloud(&mut env, 1);
    assert_eq!(env.given(1), tasks([1]));
    assert_eq!(env.claims_asked(), [0; 0]);
    assert_eq!(env.dispatcher.counters().claimed_ahead, 1);
}

#[test]
fn what_was_told_and_not_heard_is_brought_by_the_next_look() {
    let mut env = joined(4);
    submit_unheard(&mut env, 1);
    env.wait_beating(secs(1));
    assert_eq!(env.given(1), tasks([1]));
}

#[test]
fn a_hint_that_comes_late_brings_nothing_twice() {
    let mut env = joined(4);
    let late = submit_unheard(&mut env, 1);
    env.wait_beating(secs(1));
    assert_eq!(env.given(1), tasks([1]));
    late.into_iter().for_each(|input| env.feed(input));
    assert_eq!(env.given(1), []);
}

#[test]
fn after_a_hint_that_was_missed_the_next_asks_for_both() {
    let mut env = joined(4);
    submit_unheard(&mut env, 1);
    submit_aloud(&mut env, 2);
    submit_aloud(&mut env, 3);
    assert_eq!(env.given(1), tasks([1, 2, 3]));
    assert_eq!(env.dispatcher.counters().hints_missed, 1);
}

#[test]
fn what_another_dispatcher_was_given_is_not_taken() {
    let mut env = joined(4);
    for input in submit_unheard(&mut env, 1) {
        let Input::ClaimedAhead(mut ahead) = input else {
            panic!("claimed ahead");
        };
        ahead.incarnation = OTHER;
        env.feed(Input::ClaimedAhead(ahead));
    }
    assert_eq!(env.given(1), []);
}

#[test]
fn what_finds_no_place_any_more_goes_back_uncharged() {
    let mut env = joined(1);
    let hint = submit_unheard(&mut env, 1);
    env.give_credit(1, 0);
    hint.into_iter().for_each(|input| env.feed(input));
    assert_eq!(env.status(1), Status::Queued);
    assert_eq!(env.last_reason(1), Some(EndReason::NotPlaced));
    assert!(!env.row(1).marked);
}

#[test]
fn a_dispatcher_without_any_place_asks_for_what_a_renewal_lists() {
    let mut env = joined(1);
    submit_unheard(&mut env, 1);
    env.give_credit(1, 0);
    env.wait_beating(secs(10));
    assert_eq!(env.last_reason(1), Some(EndReason::NotPlaced));
    assert!(!env.row(1).marked, "its dispatcher knew of it");
}
