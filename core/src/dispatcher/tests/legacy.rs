//! The original's workers, as far as their dialect goes (R15).

use super::*;
use crate::task::FailureKind;
use crate::wire::json::{Answers, FromWorker as Says, ToWorker as Told};

/// A worker of the original that asks (REQ).
fn req(name: &str) -> Peer {
    Peer {
        identity: Bytes::from(format!("req-{name}")),
        delimited: true,
    }
}

/// A worker of the original that is sent tasks (DEALER).
fn dealer(name: &str) -> Peer {
    Peer {
        identity: Bytes::from(name.to_owned()),
        delimited: false,
    }
}

impl TestEnv {
    fn json(&mut self, peer: &Peer, message: Says) -> Vec<Told> {
        let peer = peer.clone();
        self.feed(Input::LegacyReceived {
            peer: peer.clone(),
            message,
        });
        self.told(&peer)
    }

    fn told(&mut self, peer: &Peer) -> Vec<Told> {
        Vec::from(self.answers.remove(peer).unwrap_or_default())
    }
}

fn register(name: &str) -> Says {
    Says::Register {
        worker_id: name.to_owned(),
    }
}

fn heartbeat(name: &str) -> Says {
    Says::Heartbeat {
        worker_id: name.to_owned(),
    }
}

fn request(name: &str) -> Says {
    Says::RequestTask {
        worker_id: name.to_owned(),
    }
}

fn result(name: &str, task: u128) -> Says {
    Says::TaskResult {
        worker_id: name.to_owned(),
        task: TaskId(task),
        status: Status::Completed,
        result: Bytes::from(task.to_string()),
    }
}

fn ok(answers: Answers) -> Told {
    Told::Ok { answers }
}

fn a_task(number: u128) -> Told {
    Told::Task {
        task: TaskId(number),
        function: function().body,
        params: Bytes::from_static(b"params"),
    }
}

#[test]
fn a_request_is_answered_at_once_with_one_task_or_none() {
    let mut env = TestEnv::new();
    let a = req("a");
    assert_eq!(env.json(&a, register("a")), [ok(Answers::Register)]);
    assert_eq!(env.json(&a, request("a")), [Told::NoTask]);
    env.submit_all(1..=2);
    assert_eq!(env.json(&a, request("a")), [a_task(1)]);
    assert_eq!(env.json(&a, request("a")), [a_task(2)]);
    assert_eq!(env.json(&a, request("a")), [Told::NoTask]);
    assert_eq!(env.json(&a, result("a", 1)), [ok(Answers::TaskResult)]);
    assert_eq!(env.status(1), Status::Completed);
}

#[test]
fn a_request_waits_no_longer_than_the_store_may_take() {
    let mut env = TestEnv::new();
    let a = req("a");
    env.submit_all([1]);
    env.hold_store();
    assert_eq!(env.json(&a, request("a")), []);
    env.wait(ms(200));
    assert_eq!(env.told(&a), [Told::NoTask]);
    env.release_store();
    assert_eq!(env.told(&a), [], "one answer a question");
    assert_eq!(
        (env.status(1), env.last_reason(1)),
        (Status::Queued, Some(EndReason::NotPlaced))
    );
    assert_eq!(env.json(&a, request("a")), [a_task(1)]);
}

#[test]
fn a_request_while_the_store_is_away_is_answered_at_once() {
    let mut env = TestEnv::new();
    env.store_goes_away();
    assert_eq!(env.json(&req("a"), request("a")), [Told::NoTask]);
}

#[test]
fn a_worker_that_asks_for_more_than_its_credit_gets_none() {
    let mut env = TestEnv::new();
    let a = req("a");
    env.submit_all(1..=9);
    for number in 1..=4 {
        assert_eq!(env.json(&a, request("a")), [a_task(number)]);
    }
    assert_eq!(env.json(&a, request("a")), [Told::NoTask]);
    env.json(&a, result("a", 1));
    assert_eq!(env.json(&a, request("a")), [a_task(5)]);
}

#[test]
fn a_push_worker_is_sent_tasks_up_to_the_json_credit() {
    let mut env = TestEnv::new();
    let a = dealer("a");
    env.submit_all(1..=9);
    let told = env.json(&a, register("a"));
    assert_eq!(
        told,
        [
            ok(Answers::Register),
            a_task(1),
            a_task(2),
            a_task(3),
            a_task(4)
        ]
    );
    assert_eq!(
        env.json(&a, result("a", 2)),
        [a_task(5)],
        "results are not answered"
    );
    assert_eq!(env.json(&a, heartbeat("a")), [ok(Answers::Heartbeat)]);
}

#[test]
fn a_beat_of_a_worker_that_was_declared_dead_seats_it_again() {
    let mut env = TestEnv::new();
    let a = dealer("a");
    env.json(&a, register("a"));
    env.submit(1);
    env.wait(secs(4));
    assert_eq!(
        (env.status(1), env.last_reason(1)),
        (Status::Queued, Some(EndReason::WorkerLost))
    );
    env.told(&a);
    assert_eq!(
        env.json(&a, heartbeat("a")),
        [ok(Answers::Heartbeat), a_task(1)]
    );
    assert_eq!(env.row(1).attempt, 2);
}

#[test]
fn a_worker_that_registers_again_gives_its_tasks_back() {
    let mut env = TestEnv::new();
    let a = dealer("a");
    env.json(&a, register("a"));
    env.submit(1);
    env.told(&a);
    assert_eq!(
        env.json(&a, register("a")),
        [ok(Answers::Register), a_task(1)]
    );
    assert_eq!(env.row(1).attempt, 2);
}

#[test]
fn a_result_of_an_unregistered_worker_is_ignored() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    let stranger = req("x");
    assert_eq!(
        env.json(&stranger, result("x", 1)),
        [ok(Answers::TaskResult)]
    );
    assert_eq!(env.status(1), Status::Running);
    assert_eq!(env.dispatcher.counters().stale_messages, 1);
}

#[test]
fn a_result_of_somebody_elses_task_is_ignored() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    let b = dealer("b");
    env.json(&b, register("b"));
    env.json(&b, result("b", 1));
    assert_eq!(env.status(1), Status::Running);
}

#[test]
fn a_silent_worker_of_the_original_is_dead_after_the_same_time() {
    let mut env = TestEnv::new();
    let a = dealer("a");
    env.json(&a, register("a"));
    env.submit(1);
    env.wait(secs(2));
    env.json(&a, heartbeat("a"));
    env.wait(ms(2_999));
    assert_eq!(env.status(1), Status::Running);
    env.wait(ms(1));
    assert_eq!(env.status(1), Status::Queued);
}

#[test]
fn a_failure_keeps_the_original_text_and_its_pickle() {
    let mut env = TestEnv::new();
    let a = dealer("a");
    env.json(&a, register("a"));
    env.submit(1);
    let pickled = Bytes::from(crate::pickle::pickle_str("no such thing"));
    env.json(
        &a,
        Says::TaskResult {
            worker_id: "a".to_owned(),
            task: TaskId(1),
            status: Status::Failed,
            result: pickled.clone(),
        },
    );
    let outcome = env.row(1).outcome.clone().expect("it ended");
    let failure = outcome.result.expect_err("a failure");
    assert_eq!(
        (failure.message.as_str(), failure.pickled_message),
        ("no such thing", pickled)
    );
}

#[test]
fn both_kinds_of_worker_share_the_work() {
    let mut env = TestEnv::new();
    let a = dealer("a");
    env.join(1, 1);
    env.json(&a, register("a"));
    env.submit_all(1..=5);
    let native = env.given(1).len();
    let json = env.told(&a).len();
    assert_eq!((native, json), (1, 4));
}

#[test]
fn a_closed_connection_of_the_original_gives_its_tasks_back() {
    let mut env = TestEnv::new();
    let a = dealer("a");
    env.json(&a, register("a"));
    env.submit(1);
    env.feed(Input::PeerClosed { peer: a });
    env.wait(ms(500));
    assert_eq!(env.status(1), Status::Queued);
}

#[test]
fn a_lock_step_peer_is_answered_whatever_it_says() {
    let mut env = TestEnv::with(|config| config.worker_limit = 1);
    env.join(1, 1);
    let a = req("a");
    for message in [register("a"), heartbeat("a"), request("a")] {
        let told = env.json(&a, message);
        assert!(matches!(told[..], [Told::Error { .. }]), "{told:?}");
    }
    env.feed(Input::JunkReceived { peer: a.clone() });
    assert!(matches!(env.told(&a)[..], [Told::Error { .. }]));
    let b = dealer("b");
    env.feed(Input::JunkReceived { peer: b.clone() });
    assert_eq!(env.told(&b), []);
}

#[test]
fn a_result_over_the_limit_fails_its_task() {
    let mut env = TestEnv::new();
    let a = dealer("a");
    env.json(&a, register("a"));
    env.submit(1);
    env.json(
        &a,
        Says::TaskResult {
            worker_id: "a".to_owned(),
            task: TaskId(1),
            status: Status::Completed,
            result: Bytes::from(vec![0; crate::timing::PAYLOAD_LIMIT + 1]),
        },
    );
    let outcome = env.row(1).outcome.clone().expect("it ended");
    let failure = outcome.result.expect_err("a failure");
    assert_eq!(failure.kind, FailureKind::ResultTooLarge);
}
