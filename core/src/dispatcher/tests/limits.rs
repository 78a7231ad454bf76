//! Limits and junk (P8, P13).

use super::*;

#[test]
fn junk_is_counted_and_otherwise_ignored() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.heard(1);
    for _ in 0..3 {
        env.feed(Input::JunkReceived { peer: peer(1, 1) });
    }
    assert_eq!(env.dispatcher.counters().junk, 3);
    assert_eq!(env.heard(1), []);
    assert!(env.is_live(1));
}

#[test]
fn workers_over_the_limit_are_ignored_until_there_is_room() {
    let mut env = TestEnv::with(|config| config.worker_limit = 1);
    env.join(1, 1);
    env.join(2, 1);
    assert!(!env.is_live(2));
    env.hello(1, Greeting::push(1));
    assert!(env.is_live(1), "who is in may come again");
    env.wait(secs(70));
    env.hello(2, Greeting::push(1));
    assert!(env.is_live(2), "the dead one has been forgotten");
}

#[test]
fn a_dead_worker_is_remembered_for_a_while_and_then_forgotten() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.wait(secs(4));
    assert_eq!(env.dispatcher.roster.len(), 1);
    env.wait(secs(60));
    assert_eq!(env.dispatcher.roster.len(), 0);
}

#[test]
fn function_bodies_are_forgotten_over_the_limit_and_fetched_again() {
    let mut env = TestEnv::with(|config| config.function_limit = 1);
    env.join(1, 8);
    for (number, function) in [(1, F), (2, G), (3, F)] {
        env.submit_with(number, function, Options::default());
    }
    assert_eq!(env.given(1), tasks(1..=3));
    assert_eq!(env.dispatcher.functions.len(), 1);
    let fetched = env.take_asked().into_iter();
    assert_eq!(
        fetched
            .filter(|op| matches!(op, Op::GetFunction { .. }))
            .count(),
        3
    );
}

#[test]
fn a_claim_asks_for_no_more_than_its_limit() {
    let mut env = TestEnv::with(|config| config.claim_limit = 3);
    env.join(1, 1_000_000);
    assert_eq!(env.claims_asked(), [3]);
}

#[test]
fn a_long_list_is_adopted_in_batches() {
    let mut env = TestEnv::new();
    env.join(1, 1_000);
    env.submit_all(1..=1_000);
    env.take_asked();
    env.hello(1, Greeting::push(1_000).running(tasks(1..=1_000)));
    let sizes = env.take_asked().into_iter().filter_map(|op| match op {
        Op::Adopt { tasks, .. } => Some(tasks.len()),
        _ => None,
    });
    assert!(
        sizes
            .into_iter()
            .all(|size| size <= crate::timing::BATCH_ITEMS)
    );
    assert_eq!(env.dispatcher.counters().adopted, 1_000);
}

#[test]
fn a_worker_that_boasts_of_processes_does_not_upset_the_report() {
    let mut env = TestEnv::new();
    for worker in 1..=2 {
        let Greeting(hello) = Greeting::push(1);
        env.hello(
            worker,
            Greeting(Hello {
                processes: u32::MAX,
                ..hello
            }),
        );
    }
    assert_eq!(env.dispatcher.report().processes, u32::MAX);
}

#[test]
fn a_worker_that_lists_or_finishes_what_was_never_sent_upsets_no_count() {
    let mut env = TestEnv::new();
    env.join(1, 2);
    env.hold_store();
    env.submit_all(1..=2);
    env.release_one(|op| matches!(op, Op::Claim(_)));
    assert_eq!(
        env.dispatcher.queue.unplaced, 2,
        "their function is on its way"
    );
    env.finish(1, task(1, 1));
    env.hello(1, Greeting::push(4).running(tasks([2])));
    env.release_store();
    assert_eq!(env.dispatcher.queue.unplaced, 0);
    assert_eq!(
        (env.status(1), env.status(2)),
        (Status::Completed, Status::Running)
    );
}

#[test]
fn a_batch_of_commits_counts_what_failures_say_as_well() {
    let mut env = TestEnv::new();
    env.join(1, 100);
    env.submit_all(1..=100);
    env.take_asked();
    let wordy = Outcome {
        output: Bytes::from(vec![0; 1 << 16]),
        ..Outcome::failed(crate::task::FailureKind::Raised, "x".repeat(1 << 14))
    };
    let results = tasks(1..=100).into_iter().map(|task| Finished {
        task,
        outcome: wordy.clone(),
    });
    env.say(1, ToDispatcher::Finished(results.collect()));
    let batches = env.take_asked().into_iter().filter_map(|op| match op {
        Op::Commit(batch) => Some(batch.iter().map(|c| c.outcome.size()).sum::<usize>()),
        _ => None,
    });
    assert!(
        batches
            .into_iter()
            .all(|bytes| bytes <= crate::timing::BATCH_BYTES)
    );
    assert_eq!(env.dispatcher.counters().committed, 100);
}
