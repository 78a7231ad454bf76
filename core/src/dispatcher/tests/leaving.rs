//! A dispatcher that leaves.

use super::*;

#[test]
fn an_idle_dispatcher_releases_its_lease_and_exits() {
    let mut env = TestEnv::new();
    env.feed(Input::DrainRequested);
    assert_eq!(env.exits, 1);
    assert!(env.store.lease(ME).is_none());
}

#[test]
fn a_dispatcher_without_a_store_just_exits() {
    let mut env = TestEnv::unconnected(|_| {});
    env.feed(Input::DrainRequested);
    assert_eq!(env.exits, 1);
}

#[test]
fn a_leaving_dispatcher_claims_nothing_and_waits_for_what_runs() {
    let mut env = TestEnv::new();
    env.join(1, 2);
    env.submit(1);
    env.heard(1);
    env.feed(Input::DrainRequested);
    assert_eq!(env.heard(1), [ToWorker::Drain]);
    env.submit(2);
    env.wait_beating(secs(2));
    assert_eq!((env.exits, env.status(2)), (0, Status::Queued));
    env.finish(1, task(1, 1));
    assert_eq!((env.exits, env.status(1)), (1, Status::Completed));
}

#[test]
fn a_worker_that_joins_a_leaving_dispatcher_is_told() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    env.feed(Input::DrainRequested);
    env.join(2, 1);
    assert!(matches!(
        env.heard(2)[..],
        [ToWorker::Welcome { .. }, ToWorker::Drain]
    ));
}

#[test]
fn what_still_runs_at_the_drain_deadline_goes_back_uncharged() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    env.feed(Input::DrainRequested);
    env.wait_beating(secs(30));
    assert_eq!(env.exits, 1);
    assert_eq!(
        (env.status(1), env.last_reason(1)),
        (Status::Queued, Some(EndReason::Released))
    );
    assert!(!env.row(1).is_suspect());
}

#[test]
fn a_second_request_to_leave_changes_nothing() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    env.feed(Input::DrainRequested);
    env.wait_beating(secs(20));
    env.feed(Input::DrainRequested);
    env.wait_beating(secs(10));
    assert_eq!(env.exits, 1);
}

#[test]
fn results_on_their_way_into_the_store_are_not_left_behind() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    env.hold_store();
    env.finish(1, task(1, 1));
    env.feed(Input::DrainRequested);
    assert_eq!(env.exits, 0);
    env.release_store();
    assert_eq!((env.exits, env.status(1)), (1, Status::Completed));
}

#[test]
fn a_release_that_failed_is_repeated() {
    let mut env = TestEnv::new();
    env.hold_store();
    env.feed(Input::DrainRequested);
    env.lose_request(|op| matches!(op, Op::Release { .. }));
    env.link = Link::Answers;
    env.wait(secs(1));
    assert_eq!(env.exits, 1);
    assert!(env.store.lease(ME).is_none());
}

#[test]
fn a_store_that_goes_away_does_not_keep_a_dispatcher_from_leaving() {
    let mut env = TestEnv::new();
    env.hold_store();
    env.feed(Input::DrainRequested);
    env.store_goes_away();
    env.wait(secs(3));
    assert_eq!(env.exits, 1);
}

#[test]
fn what_was_claimed_when_the_leaving_began_goes_back_at_once() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.hold_store();
    env.submit(1);
    env.feed(Input::DrainRequested);
    env.release_store();
    assert_eq!((env.exits, env.given(1).len()), (1, 0));
    assert_eq!(env.last_reason(1), Some(EndReason::NotPlaced));
}
