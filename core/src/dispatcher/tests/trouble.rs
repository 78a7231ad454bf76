//! A store that is slow, away, or loses answers (R6a, R13).

use super::*;

fn is_claim(op: &Op) -> bool {
    matches!(op, Op::Claim(_))
}

fn is_requeue(op: &Op) -> bool {
    matches!(op, Op::Requeue(_))
}

fn is_adoption(op: &Op) -> bool {
    matches!(op, Op::Adopt { .. })
}

fn is_commit(op: &Op) -> bool {
    matches!(op, Op::Commit(_))
}

#[test]
fn while_the_store_is_away_nothing_is_claimed_and_workers_keep_what_they_hold() {
    let mut env = TestEnv::new();
    env.join(1, 2);
    env.submit(1);
    env.store_goes_away();
    env.submit_all([2]);
    env.take_asked();
    env.wait_beating(secs(6));
    assert_eq!(env.claims_asked(), [0u32; 0]);
    assert_eq!(env.status(1), Status::Running);
    env.store_comes_back();
    assert_eq!(env.given(1), tasks([1, 2]));
}

#[test]
fn results_wait_for_the_store_and_are_committed_when_it_is_back() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    env.store_goes_away();
    env.finish(1, task(1, 1));
    env.wait_beating(secs(6));
    assert_eq!(env.status(1), Status::Running);
    env.store_comes_back();
    assert_eq!(env.status(1), Status::Completed);
    assert!(env.heard(1).contains(&ToWorker::Ack(tasks([1]))));
}

#[test]
fn outstanding_requests_are_repeated_word_for_word_after_a_reconnection() {
    let mut env = TestEnv::new();
    env.join(1, 2);
    env.hold_store();
    env.submit(1);
    let before = env.held.clone();
    assert!(!before.is_empty());
    env.held.clear();
    env.link = Link::Away;
    env.feed(Input::StoreDisconnected);
    env.asked.clear();
    env.link = Link::Holds;
    env.feed(Input::StoreConnected);
    let repeated = env.asked.iter().take(before.len()).cloned();
    assert!(repeated.eq(before.into_iter()));
    env.release_store();
    assert_eq!(env.given(1), tasks([1]));
}

#[test]
fn a_lost_answer_to_a_claim_loses_no_task() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.hold_store();
    env.submit(1);
    env.lose_answer(is_claim);
    env.link = Link::Answers;
    env.wait(ms(200));
    assert_eq!(
        env.given(1),
        tasks([1]),
        "the same number, so the same answer"
    );
}

#[test]
fn a_lost_request_is_repeated_after_a_pause() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.hold_store();
    env.submit(1);
    env.lose_request(is_claim);
    env.take_asked();
    env.wait(ms(199));
    assert_eq!(env.claims_asked(), [0u32; 0]);
    env.wait(ms(1));
    assert_eq!(env.claims_asked(), [1]);
}

#[test]
fn a_lost_answer_to_a_commit_still_ends_in_one_ack() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    env.given(1);
    env.hold_store();
    env.finish(1, task(1, 1));
    env.lose_answer(is_commit);
    env.link = Link::Answers;
    env.wait(ms(200));
    let acks = env.heard(1).into_iter();
    assert_eq!(
        acks.filter(|body| matches!(body, ToWorker::Ack(_))).count(),
        1
    );
    assert_eq!(env.status(1), Status::Completed);
}

#[test]
fn one_operation_a_task_at_a_time_and_the_next_is_chosen_from_what_is_believed_then() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    env.hold_store();
    env.hello(1, Greeting::push(1).running(tasks([1])));
    env.hello(1, Greeting::push(1).running(tasks([1])));
    env.finish(1, task(1, 1));
    assert_eq!(env.held.iter().filter(|(_, op)| is_adoption(op)).count(), 1);
    assert_eq!(env.held.iter().filter(|(_, op)| is_commit(op)).count(), 0);
    env.release_one(is_adoption);
    assert_eq!(env.held.iter().filter(|(_, op)| is_adoption(op)).count(), 0);
    env.release_one(is_commit);
    assert_eq!(env.status(1), Status::Completed);
}

#[test]
fn a_requeue_waits_for_the_adoption_and_then_names_its_seat() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    env.hold_store();
    env.hello(1, Greeting::push(1).running(tasks([1])));
    env.hand_back(1, &tasks([1]));
    env.release_one(is_adoption);
    let (_, Op::Requeue(items)) = env.take_held(is_requeue) else {
        panic!("a requeue")
    };
    assert_eq!(items[0].seat, 2);
}

#[test]
fn a_requeue_whose_answer_is_lost_gives_the_task_back_once() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    env.give_credit(1, 0);
    env.hold_store();
    env.hand_back(1, &tasks([1]));
    env.lose_answer(is_requeue);
    claim_elsewhere(&mut env);
    env.link = Link::Answers;
    env.wait_beating(ms(500));
    let owner = env.row(1).holder.as_ref().map(|h| h.dispatcher);
    assert_eq!((env.row(1).attempt, owner), (2, Some(OTHER)));
    assert_eq!(env.dispatcher.believed().count(), 0);
}

#[test]
fn answers_that_come_twice_count_once() {
    let mut env = TestEnv::new();
    env.join(1, 2);
    env.hold_store();
    env.submit(1);
    let (request, op) = env.take_held(is_claim);
    let reply = env.at_store(op);
    env.release_store();
    for _ in 0..2 {
        env.feed(Input::StoreReplied {
            request,
            reply: reply.clone(),
        });
    }
    assert_eq!(env.given(1), tasks([1]));
    assert_eq!(env.dispatcher.counters().claimed, 1);
}

#[test]
fn a_slow_store_gets_few_and_large_batches() {
    let mut env = TestEnv::new();
    env.join(1, 100);
    env.submit_all(1..=100);
    env.hold_store();
    for number in 1..=100 {
        env.finish(1, task(number, 1));
    }
    assert_eq!(commit_sizes(&mut env), [1]);
    env.release_store();
    assert_eq!(commit_sizes(&mut env), [99]);
}

#[test]
fn full_batches_do_not_wait_for_each_other() {
    let mut env = TestEnv::with(|config| {
        config.claim_limit = 1_000;
        config.batches_in_flight = 3;
    });
    env.join(1, 1_000);
    env.submit_all(1..=1_000);
    env.hold_store();
    commit_sizes(&mut env);
    for number in 1..=1_000 {
        env.finish(1, task(number, 1));
    }
    let full = crate::timing::BATCH_ITEMS;
    assert_eq!(commit_sizes(&mut env), [1, full, full]);
    env.release_one(is_commit);
    assert_eq!(commit_sizes(&mut env), [full], "the next has the place");
    env.release_store();
    assert_eq!(commit_sizes(&mut env), [999 - 3 * full]);
    assert_eq!(env.dispatcher.believed().count(), 0);
}

#[test]
fn an_answer_that_does_not_fit_decides_nothing_and_the_store_is_asked_again() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit_all(1..=1);
    env.hold_store();
    env.finish(1, task(1, 1));
    assert_eq!(commit_sizes(&mut env), [1]);
    let (request, _) = env.take_held(is_commit);
    let reply = Reply::Done;
    env.feed(Input::StoreReplied { request, reply });
    assert_eq!(commit_sizes(&mut env), [1]);
    env.release_store();
    assert_eq!(env.dispatcher.believed().count(), 0);
}

/// The sizes of the batches of commits since this was last asked.
fn commit_sizes(env: &mut TestEnv) -> Vec<usize> {
    let batches = env.take_asked().into_iter();
    batches
        .filter_map(|op| match op {
            Op::Commit(batch) => Some(batch.len()),
            _ => None,
        })
        .collect()
}

#[test]
fn several_failures_of_one_request_are_one_repeat() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.hold_store();
    env.submit(1);
    let (request, _) = env.take_held(is_claim);
    for _ in 0..3 {
        env.feed(Input::StoreFailed { request });
    }
    env.take_asked();
    env.wait(ms(400));
    assert_eq!(env.claims_asked(), [1]);
}

/// Somebody else claims what there is.
fn claim_elsewhere(env: &mut TestEnv) {
    env.at_store(Op::OpenLease { incarnation: OTHER });
    env.at_store(Op::Claim(Claim {
        incarnation: OTHER,
        number: 1,
        max: 9,
        suspects: 9,
        places: 0,
        except: vec![],
    }));
}
