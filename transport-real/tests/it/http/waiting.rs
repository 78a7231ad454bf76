//! `?wait=`: who sleeps is woken, whatever gets lost.

use std::time::Duration;

use bytes::Bytes;
use mpcsfaas_core::id::{FunctionId, TaskId};
use mpcsfaas_core::mime_base64::encode_mime;
use mpcsfaas_core::store::Op;
use mpcsfaas_core::store::op::{HINT_LIMIT, Submission};
use mpcsfaas_core::task::{Options, Outcome};
use mpcsfaas_transport_real::http::HttpConfig;
use serde_json::json;
use tokio::task::JoinSet;

use super::client::Answer;
use super::store::{Mood, commit_of};
use super::{PARAMS, TestEnv, soon};

const LONG: Duration = Duration::from_secs(3600);

/// Nobody is woken by the backup poll.
fn without_poll() -> HttpConfig {
    HttpConfig {
        backup_poll: LONG,
        ..HttpConfig::default()
    }
}

/// A client that waits for a task, long enough to fail the test.
fn waiting(env: &TestEnv, task: &str) -> tokio::task::JoinHandle<Answer> {
    let path = format!("/result/{task}?wait=60");
    let address = env.address;
    tokio::spawn(async move { super::Client::connect(address).await.get(&path).await })
}

/// A task that another gateway has accepted, so that this one has to read it first.
fn elsewhere(env: &TestEnv, number: u128) -> String {
    let task = TaskId(number);
    env.store.apply(Op::Submit(vec![Submission {
        task,
        function: FunctionId(1),
        params: Bytes::from_static(PARAMS),
        options: Options::default(),
    }]));
    task.to_string()
}

#[tokio::test]
async fn who_waits_for_what_was_submitted_here_needs_no_read() {
    let env = TestEnv::with_http(without_poll()).await;
    let task = env.task().await;
    let waiter = waiting(&env, &task);
    env.store.run_all(&Outcome::completed(&b"done"[..]));
    let answer = soon(waiter).await.expect("no panic").ok();
    assert_eq!(answer["result"], encode_mime(b"done"));
    // Nor does who asks when it has ended.
    for path in [format!("/result/{task}"), format!("/status/{task}")] {
        assert_eq!(env.get(&path).await.ok()["status"], "COMPLETED");
    }
    assert_eq!(env.store.reads(), 0);
}

/// Submits a task of a registered function, and waits for it.
fn running(env: &TestEnv, function: &str, wait: &str) -> tokio::task::JoinHandle<Answer> {
    let path = format!("/execute_function?wait={wait}");
    let body = json!({"function_id": function, "payload": encode_mime(PARAMS)});
    let address = env.address;
    tokio::spawn(async move {
        let mut client = super::Client::connect(address).await;
        client.post(&path, &body).await
    })
}

#[tokio::test]
async fn a_submit_that_waits_is_answered_with_the_result() {
    let env = TestEnv::with_http(without_poll()).await;
    let function = env.register().await;
    let mut notices = env.store.notices();
    let runner = running(&env, &function, "60");
    soon(notices.recv()).await.expect("the doorbell");
    env.store.run_all(&Outcome::completed(&b"done"[..]));
    let answer = soon(runner).await.expect("no panic").ok();
    assert_eq!(answer["status"], "COMPLETED");
    assert_eq!(answer["result"], encode_mime(b"done"));
    let task = answer["task_id"].as_str().expect("an id");
    assert_eq!(
        env.get(&format!("/status/{task}")).await.ok()["status"],
        "COMPLETED"
    );
    assert_eq!(env.store.reads(), 0);
}

#[tokio::test]
async fn a_submit_waits_no_longer_than_asked() {
    let env = TestEnv::with_http(without_poll()).await;
    let function = env.register().await;
    let answer = soon(running(&env, &function, "0.01"))
        .await
        .expect("no panic")
        .ok();
    assert_eq!(
        (&answer["status"], &answer["result"]),
        (&json!("QUEUED"), &json!(""))
    );
    assert!(answer["task_id"].is_string());
    // Without `wait` it is as the original's clients know it.
    let answer = soon(running(&env, &function, "0"))
        .await
        .expect("no panic")
        .ok();
    assert_eq!(answer.as_object().expect("an object").len(), 1);
}

#[tokio::test]
async fn what_was_accepted_is_no_refusal_though_nobody_can_wait_for_it() {
    let env = TestEnv::with_http(HttpConfig {
        waiter_limit: 1,
        ..without_poll()
    })
    .await;
    let function = env.register().await;
    let first = waiting(&env, &elsewhere(&env, 1));
    env.store.reads_at_least(1).await;
    let answer = soon(running(&env, &function, "60"))
        .await
        .expect("no panic")
        .ok();
    assert_eq!(answer["status"], "QUEUED");
    let refused = soon(running(&env, &function, "long"))
        .await
        .expect("no panic");
    assert_eq!(refused.status, 422);
    assert_eq!(env.store.claim_all().len(), 2, "the first and the accepted");
    first.abort();
}

#[tokio::test]
async fn a_result_that_is_too_large_for_a_notice_is_read() {
    let env = TestEnv::with_http(without_poll()).await;
    let task = env.task().await;
    let waiter = waiting(&env, &task);
    let result = vec![7; HINT_LIMIT + 1];
    env.store.run_all(&Outcome::completed(result.clone()));
    let answer = soon(waiter).await.expect("no panic").ok();
    assert_eq!(answer["result"], encode_mime(&result));
    assert_eq!(env.store.reads(), 1);
}

#[tokio::test]
async fn the_commit_wakes_who_waits() {
    let env = TestEnv::with_http(without_poll()).await;
    let task = elsewhere(&env, 1);
    let claimed = env.store.claim_all();
    let waiter = waiting(&env, &task);
    env.store.reads_at_least(1).await;
    env.store
        .commit(claimed[0], Outcome::completed(&b"done"[..]));
    let answer = soon(waiter).await.expect("no panic").ok();
    assert_eq!(
        (&answer["status"], &answer["result"]),
        (&"COMPLETED".into(), &encode_mime(b"done").into())
    );
}

#[tokio::test]
async fn a_cancellation_wakes_who_waits() {
    let env = TestEnv::with_http(without_poll()).await;
    let task = elsewhere(&env, 1);
    let waiter = waiting(&env, &task);
    env.store.reads_at_least(1).await;
    let path = format!("/v1/tasks/{task}");
    let answer = env.connect().await.request("DELETE", &path, &[], b"").await;
    assert_eq!(answer.ok()["status"], "FAILED");
    assert_eq!(
        soon(waiter).await.expect("no panic").ok()["status"],
        "FAILED"
    );
}

#[tokio::test]
async fn a_task_that_has_ended_is_not_waited_for() {
    let env = TestEnv::with_http(without_poll()).await;
    let task = env.task().await;
    env.store.run_all(&Outcome::completed(&b"done"[..]));
    let answer = soon(waiting(&env, &task)).await.expect("no panic");
    assert_eq!(answer.ok()["status"], "COMPLETED");
}

#[tokio::test]
async fn when_the_time_is_over_the_state_is_told() {
    let env = TestEnv::with_http(without_poll()).await;
    let task = env.task().await;
    env.store.claim_all();
    for wait in ["0", "0.05", "1e-9"] {
        let answer = env.get(&format!("/result/{task}?wait={wait}")).await.ok();
        assert_eq!(
            (&answer["status"], &answer["result"]),
            (&"RUNNING".into(), &"".into())
        );
    }
}

#[tokio::test]
async fn a_time_over_the_limit_is_cut_to_it() {
    let env = TestEnv::with_http(HttpConfig {
        wait_limit: Duration::from_millis(50),
        ..without_poll()
    })
    .await;
    let task = env.task().await;
    for wait in ["3600", "1e300", "inf"] {
        let answer = env.get(&format!("/result/{task}?wait={wait}")).await.ok();
        assert_eq!(answer["status"], "QUEUED", "{wait}");
    }
}

#[tokio::test]
async fn a_lost_notice_costs_time_but_not_the_result() {
    let env = TestEnv::with_http(HttpConfig {
        backup_poll: Duration::from_millis(20),
        ..HttpConfig::default()
    })
    .await;
    let task = elsewhere(&env, 1);
    let claimed = env.store.claim_all();
    let waiter = waiting(&env, &task);
    env.store.reads_at_least(1).await;
    env.store
        .apply_silently(commit_of(claimed[0], Outcome::completed(&b"done"[..])));
    assert_eq!(
        soon(waiter).await.expect("no panic").ok()["status"],
        "COMPLETED"
    );
}

#[tokio::test]
async fn who_waits_outlives_the_stores_absence() {
    let env = TestEnv::with_http(without_poll()).await;
    let task = elsewhere(&env, 1);
    let claimed = env.store.claim_all();
    let waiter = waiting(&env, &task);
    env.store.reads_at_least(1).await;
    env.store.set_mood(Mood::Away);
    env.store
        .apply_silently(commit_of(claimed[0], Outcome::completed(&b"done"[..])));
    let another = env.get(&format!("/result/{task}?wait=0.05")).await;
    assert_eq!(
        another.status, 503,
        "its time is over and the store still away"
    );
    assert_eq!(another.header("retry-after"), Some("1"));
    assert!(!waiter.is_finished());
    env.store.set_mood(Mood::Well);
    assert_eq!(
        soon(waiter).await.expect("no panic").ok()["status"],
        "COMPLETED"
    );
}

#[tokio::test]
async fn two_hundred_clients_wait_for_as_many_tasks() {
    const TASKS: usize = 200;
    let env = TestEnv::with_http(without_poll()).await;
    let mut waiters = JoinSet::new();
    for number in 0..TASKS {
        let task = elsewhere(&env, number as u128);
        let waiter = waiting(&env, &task);
        waiters.spawn(async move { (task, waiter.await.expect("no panic")) });
    }
    env.store.reads_at_least(TASKS).await;
    for claimed in env.store.claim_all() {
        let name = claimed.0.to_string().into_bytes();
        env.store.commit(claimed, Outcome::completed(name));
    }
    let mut answered = 0;
    while let Some(waited) = soon(waiters.join_next()).await {
        let (task, answer) = waited.expect("no panic");
        let answer = answer.ok();
        assert_eq!(answer["task_id"], task.as_str());
        assert_eq!(
            answer["result"],
            encode_mime(task.as_bytes()),
            "each gets its own result"
        );
        answered += 1;
    }
    assert_eq!(answered, TASKS);
}

#[tokio::test]
async fn two_hundred_clients_wait_for_one_task() {
    const CLIENTS: usize = 200;
    let env = TestEnv::with_http(without_poll()).await;
    let task = elsewhere(&env, 1);
    let waiters: Vec<_> = (0..CLIENTS).map(|_| waiting(&env, &task)).collect();
    env.store.reads_at_least(1).await;
    env.store.run_all(&Outcome::completed(&b"done"[..]));
    for waiter in waiters {
        assert_eq!(
            soon(waiter).await.expect("no panic").ok()["status"],
            "COMPLETED"
        );
    }
}

#[tokio::test]
async fn notices_that_overrun_the_listener_lose_nobody() {
    let env = TestEnv::with_http(without_poll()).await;
    let task = elsewhere(&env, 1);
    let claimed = env.store.claim_all();
    let waiter = waiting(&env, &task);
    env.store.reads_at_least(1).await;
    // On this single-threaded runtime nobody listens in between, so the oldest are lost: first of
    // all the one that matters.
    env.store
        .commit(claimed[0], Outcome::completed(&b"done"[..]));
    for _ in 0..2 * mpcsfaas_transport_real::store::NOTICE_BACKLOG {
        env.store.ring();
    }
    assert_eq!(
        soon(waiter).await.expect("no panic").ok()["status"],
        "COMPLETED"
    );
}

#[tokio::test]
async fn a_client_too_many_is_sent_away() {
    let env = TestEnv::with_http(HttpConfig {
        waiter_limit: 2,
        ..without_poll()
    })
    .await;
    let task = elsewhere(&env, 1);
    let mut waiters = Vec::new();
    for seated in 1..=2 {
        waiters.push(waiting(&env, &task));
        env.store.reads_at_least(seated).await;
    }
    let path = format!("/result/{task}?wait=60");
    let refused = env.get(&path).await;
    assert_eq!(refused.status, 503);
    assert_eq!(
        refused.detail(),
        "the gateway is at its limit of waiting clients"
    );
    assert_eq!(refused.header("retry-after"), Some("1"));
    env.store.run_all(&Outcome::completed(&b"done"[..]));
    for waiter in waiters {
        soon(waiter).await.expect("no panic").ok();
    }
    assert_eq!(
        env.get(&path).await.status,
        200,
        "their seats are free again"
    );
}

#[tokio::test]
async fn shutting_down_answers_who_waits() {
    let mut env = TestEnv::with_http(without_poll()).await;
    let task = elsewhere(&env, 1);
    let waiter = waiting(&env, &task);
    env.store.reads_at_least(1).await;
    env.shut_down();
    assert_eq!(
        soon(waiter).await.expect("no panic").ok()["status"],
        "QUEUED"
    );
    soon(&mut env.serving).await.expect("it ends");
}
