//! Results: committed, then acknowledged (R2, R7).

use super::*;

/// The tasks acknowledged to the worker since the last call.
fn acked(env: &mut TestEnv, worker: u64) -> Vec<TaskRef> {
    let acks = |body| match body {
        ToWorker::Ack(tasks) => tasks,
        _ => Vec::new(),
    };
    env.heard(worker).into_iter().flat_map(acks).collect()
}

#[test]
fn a_result_is_committed_and_only_then_acknowledged() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    env.hold_store();
    env.finish(1, task(1, 1));
    assert_eq!(acked(&mut env, 1), []);
    env.release_store();
    assert_eq!(acked(&mut env, 1), tasks([1]));
    assert_eq!(env.row(1).outcome, Some(outcome_of(task(1, 1))));
}

#[test]
fn results_that_arrive_together_are_committed_in_one_step() {
    let mut env = TestEnv::new();
    env.join(1, 4);
    env.submit_all(1..=4);
    env.take_asked();
    env.finish_all(1, tasks(1..=4));
    let commits = env.take_asked().into_iter().filter_map(|op| match op {
        Op::Commit(batch) => Some(batch.len()),
        _ => None,
    });
    assert_eq!(commits.collect::<Vec<_>>(), [4]);
    assert_eq!(acked(&mut env, 1), tasks(1..=4));
}

#[test]
fn a_stale_result_is_acknowledged_all_the_same() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    let id = env.submit(1);
    env.at_store(Op::Cancel { task: id });
    env.finish(1, task(1, 1));
    assert_eq!(acked(&mut env, 1), tasks([1]));
    assert_eq!(env.dispatcher.counters().stale_commits, 1);
    assert_eq!(
        env.status(1),
        Status::Failed,
        "a terminal result never changes"
    );
}

#[test]
fn a_task_uses_credit_until_its_ack_is_sent() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit_all(1..=2);
    env.given(1);
    env.hold_store();
    env.finish(1, task(1, 1));
    env.wait(ms(500));
    assert_eq!(env.free(), 0);
    env.release_store();
    let heard = env.heard(1);
    assert!(
        matches!(heard[..], [ToWorker::Ack(_), ToWorker::Run(_)]),
        "{heard:?}"
    );
}

#[test]
fn a_result_of_a_task_that_is_not_believed_is_ignored() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.finish(1, task(1, 1));
    assert_eq!(env.free(), 1, "it uses no credit");
    assert_eq!(
        env.take_asked()
            .into_iter()
            .filter(|op| matches!(op, Op::Commit(_)))
            .count(),
        0
    );
}

#[test]
fn a_repeated_result_is_committed_once() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    env.given(1);
    env.hold_store();
    env.finish(1, task(1, 1));
    env.hello(1, Greeting::push(1).finished(tasks([1])));
    env.finish(1, task(1, 1));
    env.release_store();
    assert_eq!(env.dispatcher.counters().committed, 1);
    assert_eq!(env.dispatcher.counters().stale_commits, 0);
    assert_eq!(
        acked(&mut env, 1),
        tasks([1]),
        "in the session that is current now"
    );
}

#[test]
fn a_result_survives_the_death_of_its_worker() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    env.hold_store();
    env.finish(1, task(1, 1));
    env.wait(secs(3));
    assert!(!env.is_live(1));
    env.release_store();
    assert_eq!(env.status(1), Status::Completed);
    assert_eq!(env.dispatcher.believed().count(), 0);
}

#[test]
fn what_is_handed_back_runs_elsewhere_uncharged() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    env.give_credit(1, 0);
    env.join(2, 1);
    env.hand_back(1, &tasks([1]));
    assert_eq!(env.given(2), [task(1, 2)]);
    assert_eq!(env.last_reason(1), Some(EndReason::HandedBack));
    assert_eq!(env.row(1).losses, 0);
}

#[test]
fn nobody_hands_back_what_somebody_else_holds() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    env.join(2, 1);
    env.hand_back(2, &tasks([1]));
    assert_eq!(env.status(1), Status::Running);
}

#[test]
fn an_at_most_once_task_that_was_handed_back_runs_again_and_one_that_was_lost_does_not() {
    let mut env = TestEnv::new();
    env.join(1, 2);
    env.submit_with(1, F, once());
    env.submit_with(2, F, once());
    env.hand_back(1, &tasks([1]));
    assert_eq!(env.row(1).attempt, 2);
    env.wait(secs(3));
    assert_eq!(
        (env.status(1), env.status(2)),
        (Status::Failed, Status::Failed)
    );
}
