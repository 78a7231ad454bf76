//! Life and death of workers (R9, R10, R11).

use super::*;

#[test]
fn a_silent_worker_is_declared_dead_and_its_tasks_are_marked_with_a_loss() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    env.wait(ms(2_999));
    assert!(env.is_live(1));
    env.wait(ms(1));
    assert!(!env.is_live(1));
    assert_eq!(env.last_reason(1), Some(EndReason::WorkerLost));
    assert!(env.row(1).marked);
}

#[test]
fn any_message_proves_life() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.wait(secs(2));
    env.hand_back(1, &[]);
    env.wait(ms(2_999));
    assert!(env.is_live(1));
    env.wait(ms(1));
    assert!(!env.is_live(1));
}

#[test]
fn a_worker_that_was_declared_dead_is_told_and_works_again() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.wait(secs(4));
    env.heard(1);
    env.beat(1);
    assert_eq!(env.heard(1), [ToWorker::SayHello]);
    env.hello(1, Greeting::push(1));
    env.submit(1);
    assert_eq!(env.given(1), tasks([1]));
}

#[test]
fn the_dispatcher_beats_to_every_live_worker() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.heard(1);
    env.wait_beating(secs(3));
    let beats = env.mail[&env.guest(1).peer.clone()].len();
    assert_eq!(beats, 3);
}

#[test]
fn a_closed_connection_gets_no_new_work_and_half_a_second_to_come_back() {
    let mut env = TestEnv::new();
    env.join(1, 2);
    env.submit(1);
    env.close(1);
    env.submit(2);
    env.wait(ms(499));
    assert_eq!(
        (env.status(1), env.status(2)),
        (Status::Running, Status::Queued)
    );
    env.wait(ms(1));
    assert!(!env.is_live(1));
    assert_eq!(env.status(1), Status::Queued);
}

#[test]
fn a_hello_within_the_grace_keeps_everything() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    env.close(1);
    env.wait(ms(300));
    env.hello(1, Greeting::push(1).running(tasks([1])));
    env.wait(secs(1));
    assert_eq!((env.status(1), env.row(1).attempt), (Status::Running, 1));
}

#[test]
fn the_late_close_of_an_old_connection_means_nothing() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    let old = env.guest(1).peer.clone();
    env.hello(1, Greeting::push(1));
    env.feed(Input::PeerClosed { peer: old });
    env.wait(secs(1));
    assert!(env.is_live(1));
    env.submit(1);
    assert_eq!(env.given(1), tasks([1]));
}

#[test]
fn a_dispatcher_that_stood_still_gives_everybody_a_full_timeout_again() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    env.stand_still(secs(8));
    env.wait(ms(2_999));
    assert!(env.is_live(1), "R10");
    assert_eq!(env.dispatcher.counters().pauses, 1);
    env.wait(ms(1));
    assert!(!env.is_live(1), "and no more than that");
}

#[test]
fn a_pause_also_prolongs_the_grace_of_a_closed_connection() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.close(1);
    env.stand_still(secs(8));
    env.wait(ms(499));
    assert!(env.is_live(1));
    env.wait(ms(1));
    assert!(!env.is_live(1));
}

#[test]
fn goodbye_hands_back_and_takes_no_more() {
    let mut env = TestEnv::new();
    env.join(1, 2);
    env.submit_all(1..=2);
    env.given(1);
    env.say(
        1,
        ToDispatcher::Goodbye {
            returned: tasks([2]),
        },
    );
    assert_eq!(
        (env.status(1), env.status(2)),
        (Status::Running, Status::Queued)
    );
    assert_eq!(env.given(1), []);
    env.finish(1, task(1, 1));
    assert_eq!(env.status(1), Status::Completed);
}

#[test]
fn an_empty_draining_hello_is_answered_and_ends_the_worker() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.hello(1, Greeting::push(0).draining());
    assert!(matches!(env.heard(1)[..], [ToWorker::Welcome { .. }]));
    assert!(!env.is_live(1));
    assert_eq!(
        env.dispatcher.counters().deaths,
        0,
        "it left, it did not die"
    );
}

#[test]
fn what_a_leaving_worker_ended_runs_again_uncharged() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    env.hello(1, Greeting::push(0).draining());
    assert_eq!(
        (env.status(1), env.last_reason(1)),
        (Status::Queued, Some(EndReason::NotHeld))
    );
}

#[test]
fn one_workers_death_is_nobody_elses() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    env.join(2, 1);
    env.submit(2);
    for _ in 0..8 {
        env.wait(ms(500));
        env.beat(2);
    }
    assert!(!env.is_live(1) && env.is_live(2));
    assert_eq!(env.row(2).attempt, 1);
}
