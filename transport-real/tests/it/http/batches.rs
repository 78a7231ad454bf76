//! Many tasks in one request.

use std::time::Duration;

use mpcsfaas_core::mime_base64::encode_mime;
use mpcsfaas_core::store::Config;
use mpcsfaas_core::task::{FailureKind, Outcome};
use mpcsfaas_transport_real::http::{ConnectionLimits, HttpConfig};
use serde_json::{Value, json};
use uuid::Uuid;

use super::store::Mood;
use super::{PARAMS, TestEnv, soon};

const SUBMIT: &str = "/v1/tasks:batch";
const RESULTS: &str = "/v1/results";

/// A task of a batch, with an id that the client has made of a number.
fn item(function: &str, number: u128) -> Value {
    let task_id = Uuid::from_u128(number);
    json!({ "function_id": function, "payload": encode_mime(PARAMS), "task_id": task_id })
}

fn id(number: u128) -> Value {
    json!(Uuid::from_u128(number))
}

async fn submit(env: &TestEnv, items: Vec<Value>) -> Vec<Value> {
    let answer = env.post(SUBMIT, &json!({ "tasks": items })).await.ok();
    answer["tasks"].as_array().expect("a list").clone()
}

async fn results(env: &TestEnv, tasks: &[u128], wait: f64) -> Vec<Value> {
    let task_ids: Vec<Value> = tasks.iter().map(|number| id(*number)).collect();
    let body = json!({ "task_ids": task_ids, "wait": wait });
    let answer = soon(env.post(RESULTS, &body)).await.ok();
    answer["results"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn a_batch_is_submitted_in_one_step_and_its_results_come_together() {
    let env = TestEnv::start().await;
    let function = env.register().await;
    env.store.written();
    let answers = submit(
        &env,
        (1..=3).map(|number| item(&function, number)).collect(),
    )
    .await;
    let expected: Vec<Value> = (1..=3).map(|n| json!({ "task_id": id(n) })).collect();
    assert_eq!(answers, expected);
    assert_eq!(env.store.written(), (0, 3));
    env.store.run_all(&Outcome::completed(&b"done"[..]));
    let mut ended = results(&env, &[1, 2, 3], 60.0).await;
    ended.sort_by_key(|item| item["task_id"].as_str().map(str::to_owned));
    let done =
        |n| json!({ "task_id": id(n), "status": "COMPLETED", "result": encode_mime(b"done") });
    assert_eq!(ended, (1..=3).map(done).collect::<Vec<_>>());
}

#[tokio::test]
async fn each_task_of_a_batch_gets_the_answer_that_it_would_get_alone() {
    let limits = Config {
        queue_limit: 1,
        ..Config::default()
    };
    let env = TestEnv::with(HttpConfig::default(), ConnectionLimits::default(), limits).await;
    let function = env.register().await;
    let other = env.register().await;
    let unknown = Uuid::from_u128(99).to_string();
    let no_pickle = json!({ "function_id": function, "payload": "bm8=", "task_id": id(3) });
    let items = vec![
        item(&unknown, 1),
        item(&function, 2),
        no_pickle,
        item(&other, 2),
        item(&function, 4),
    ];
    let answers = submit(&env, items).await;
    let statuses: Vec<&Value> = answers.iter().map(|item| &item["status"]).collect();
    assert_eq!(
        statuses,
        [404, 0, 400, 409, 429]
            .map(|status| match status {
                0 => Value::Null,
                status => json!(status),
            })
            .iter()
            .collect::<Vec<_>>()
    );
    assert_eq!(answers[0]["detail"], "Function not found");
    assert!(answers.iter().all(|item| item["task_id"].is_string()));
}

#[tokio::test]
async fn the_first_that_ends_wakes_who_waits_for_many() {
    let env = TestEnv::start().await;
    let function = env.register().await;
    submit(&env, vec![item(&function, 1), item(&function, 2)]).await;
    let claimed = env.store.claim_all();
    let waiting = results(&env, &[1, 2], 60.0);
    let failed = Outcome::failed(FailureKind::Raised, "no way");
    let commit = async { env.store.commit(claimed[1], failed) };
    let (ended, ()) = tokio::join!(waiting, commit);
    assert_eq!(ended.len(), 1);
    assert_eq!(
        (&ended[0]["task_id"], &ended[0]["status"]),
        (&id(2), &"FAILED".into())
    );
    assert_eq!(
        (&ended[0]["error"]["kind"], &ended[0]["error"]["message"]),
        (&"raised".into(), &"no way".into())
    );
}

#[tokio::test]
async fn nothing_has_ended_when_the_time_is_over() {
    let env = TestEnv::start().await;
    let function = env.register().await;
    submit(&env, vec![item(&function, 1)]).await;
    for wait in [0.0, 0.05] {
        assert_eq!(results(&env, &[1], wait).await, Vec::<Value>::new());
    }
    let unknown = json!({ "task_id": id(7), "status": "UNKNOWN", "result": "" });
    assert_eq!(results(&env, &[1, 7], 60.0).await, [unknown]);
}

#[tokio::test]
async fn a_batch_of_the_wrong_shape_is_refused_as_a_whole() {
    let env = TestEnv::start().await;
    let function = env.register().await;
    env.store.written();
    let many: Vec<Value> = (0..1_001).map(|number| item(&function, number)).collect();
    let half = json!({ "tasks": [item(&function, 1), { "payload": encode_mime(PARAMS) }] });
    let cases = [
        (SUBMIT, json!({}), json!(["body", "tasks"]), "missing"),
        (
            SUBMIT,
            json!({ "tasks": [] }),
            json!(["body", "tasks"]),
            "too_short",
        ),
        (
            SUBMIT,
            json!({ "tasks": many }),
            json!(["body", "tasks"]),
            "too_long",
        ),
        (
            SUBMIT,
            half,
            json!(["body", "tasks", 1, "function_id"]),
            "missing",
        ),
        (RESULTS, json!({}), json!(["body", "task_ids"]), "missing"),
        (
            RESULTS,
            json!({ "task_ids": [id(1)], "wait": -1.0 }),
            json!(["body", "wait"]),
            "greater_than_equal",
        ),
    ];
    for (path, body, loc, kind) in cases {
        let answer = env.post(path, &body).await;
        assert_eq!(answer.status, 422, "{loc}");
        let detail = &answer.json()["detail"][0];
        assert_eq!((&detail["loc"], &detail["type"]), (&loc, &json!(kind)));
    }
    for (path, body) in [
        (SUBMIT, json!({ "tasks": 5 })),
        (RESULTS, json!({ "task_ids": ["x"] })),
    ] {
        assert_eq!(env.post(path, &body).await.status, 422);
    }
    assert_eq!(env.store.written(), (0, 0), "nothing of it was submitted");
}

#[tokio::test]
async fn a_store_that_is_away_refuses_the_batch() {
    let env = TestEnv::start().await;
    let function = env.register().await;
    env.store.set_mood(Mood::Away);
    let body = json!({ "tasks": [item(&function, 1)] });
    for (path, body) in [(SUBMIT, body), (RESULTS, json!({ "task_ids": [id(1)] }))] {
        let answer = env.post(path, &body).await;
        assert_eq!(answer.status, 503);
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_asked_once_for_the_functions_of_a_batch() {
    let env = TestEnv::with_http(HttpConfig {
        store_timeout: Duration::from_millis(50),
        ..HttpConfig::default()
    })
    .await;
    env.store.set_mood(Mood::Mute);
    // One after the other, they would take longer than any test may.
    let functions = (1..=1_000).map(|number| Uuid::from_u128(number).to_string());
    let items: Vec<Value> = functions.map(|function| item(&function, 1)).collect();
    let answer = soon(env.post(SUBMIT, &json!({ "tasks": items }))).await;
    assert_eq!(answer.status, 503);
}

#[tokio::test]
async fn results_that_are_too_much_for_one_answer_come_in_the_next() {
    let env = TestEnv::start().await;
    let function = env.register().await;
    let all: Vec<u128> = (1..=40).collect();
    submit(
        &env,
        all.iter().map(|number| item(&function, *number)).collect(),
    )
    .await;
    env.store.run_all(&Outcome::completed(vec![7; 512 * 1024]));
    let mut left = all.clone();
    let mut answers = 0;
    while !left.is_empty() {
        let ended = results(&env, &left, 0.0).await;
        let told = |number: &u128| ended.iter().any(|item| item["task_id"] == id(*number));
        assert!(told(&left[0]), "the first that was asked for");
        left.retain(|number| !told(number));
        answers += 1;
    }
    assert_eq!(answers, 2);
}
