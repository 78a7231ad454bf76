//! Limits, and dispatchers that misbehave (P8, P13).

use super::*;
use crate::timing::{BATCH_BYTES, BATCH_ITEMS, FRAME_LIMIT, PAYLOAD_LIMIT};
use crate::wire::native;

/// The sizes of everything that was said since the last call.
fn sizes(env: &mut TestEnv) -> Vec<usize> {
    env.said.iter().map(|m| native::encode(m).len()).collect()
}

#[test]
fn a_result_over_the_limit_fails_its_task() {
    let mut env = TestEnv::new(1);
    env.give(&tasks([1]));
    env.said();
    env.reply_with(task(1), Outcome::completed(vec![0; PAYLOAD_LIMIT + 1]));
    assert_eq!(env.failure().kind, FailureKind::ResultTooLarge);
}

#[test]
fn whatever_a_child_brings_fits_a_frame() {
    let mut env = TestEnv::new(1);
    let chatty = Outcome {
        result: Ok(Bytes::from(vec![0; PAYLOAD_LIMIT])),
        output: Bytes::from(vec![0; 1 << 20]),
    };
    let mut wordy = Outcome::failed(FailureKind::Raised, "x".repeat(PAYLOAD_LIMIT));
    wordy.output = chatty.output.clone();
    for (number, outcome) in [(1, chatty), (2, wordy)] {
        env.give(&tasks([number]));
        env.reply_with(task(number), outcome);
        assert!(sizes(&mut env).iter().all(|size| *size <= FRAME_LIMIT));
        env.ack(&tasks([number]));
    }
}

#[test]
fn the_last_words_of_a_child_fit_a_frame() {
    let mut env = TestEnv::new(1);
    env.give(&tasks([1]));
    env.child(ChildFact::Exited {
        slot: 0,
        code: Some(1),
        signal: None,
        output: Bytes::from(vec![0; 2 * FRAME_LIMIT]),
        begun: tasks([1]),
    });
    assert!(sizes(&mut env).iter().all(|size| *size <= FRAME_LIMIT));
}

#[test]
fn repeated_failures_are_cut_into_batches_that_fit_a_frame() {
    let mut env = TestEnv::new(300);
    env.give(&tasks(1..=300));
    let failed = Outcome {
        output: Bytes::from(vec![0; 1 << 16]),
        ..Outcome::failed(FailureKind::Raised, "why")
    };
    for number in 1..=300 {
        env.reply_with(task(number), failed.clone());
    }
    env.said();
    env.tell(ToWorker::SayHello);
    let limit = BATCH_BYTES + (1 << 16);
    assert!(
        sizes(&mut env).iter().all(|size| *size <= limit),
        "{:?}",
        sizes(&mut env)
    );
    assert_eq!(env.results().len(), 300);
}

#[test]
fn repeated_results_are_cut_into_batches_of_so_many() {
    let mut env = TestEnv::new(300);
    env.give(&tasks(1..=300));
    for number in 1..=300 {
        env.reply(task(number));
    }
    env.said();
    env.tell(ToWorker::SayHello);
    let counts: Vec<usize> = env
        .said()
        .into_iter()
        .filter_map(|body| match body {
            ToDispatcher::Finished(batch) => Some(batch.len()),
            _ => None,
        })
        .collect();
    assert_eq!(counts, [BATCH_ITEMS, 300 - BATCH_ITEMS]);
}

#[test]
fn a_dispatcher_that_refuses_each_session_is_asked_at_a_growing_distance() {
    let mut env = TestEnv::new(1);
    env.tell(ToWorker::SayHello);
    assert_eq!(env.connections, [1, 2], "the first time at once");
    for _ in 0..100 {
        env.tell(ToWorker::SayHello);
    }
    assert_eq!(env.connections, [1, 2]);
    for _ in 0..100 {
        env.wait(ms(100));
        env.tell(ToWorker::SayHello);
    }
    assert!(env.connections.len() < 20, "{}", env.connections.len());
    env.wait_for_hello();
    env.welcome();
    assert!(env.worker.is_welcome());
}

#[test]
fn a_dispatcher_that_wants_a_beat_each_nanosecond_does_not_get_it() {
    let mut env = TestEnv::starting(1, Flow::Push);
    env.ready(0);
    env.welcome_with(Duration::ZERO, secs(3));
    env.beats();
    env.wait(secs(1));
    assert!(env.beats().len() <= 100);
}

#[test]
fn a_dispatcher_with_no_patience_is_given_some() {
    let mut env = TestEnv::starting(1, Flow::Push);
    env.ready(0);
    env.welcome_with(ms(10), Duration::ZERO);
    assert!(env.worker.is_welcome());
    env.wait(ms(19));
    assert!(env.worker.is_welcome());
}

#[test]
fn a_dispatcher_that_never_wants_to_hear_anything_is_no_end_of_the_worker() {
    let mut env = TestEnv::starting(1, Flow::Push);
    env.ready(0);
    env.welcome_with(Duration::MAX, secs(3));
    assert!(env.worker.is_welcome());
    env.give(&tasks([1]));
    env.reply(task(1));
    assert_eq!(env.results().len(), 1);
}
