//! The routes of `/v1`, health, and the description of it all.

use mpcsfaas_core::store::op::EndReason;
use mpcsfaas_core::task::{Failure, FailureKind, Outcome};
use serde_json::json;

use super::TestEnv;
use super::store::Mood;

/// Every route, as its path stands in the description.
const ROUTES: [(&str, &str); 12] = [
    ("get", "/"),
    ("post", "/register_function"),
    ("post", "/execute_function"),
    ("get", "/status/{task_id}"),
    ("get", "/result/{task_id}"),
    ("get", "/v1/tasks/{task_id}"),
    ("delete", "/v1/tasks/{task_id}"),
    ("post", "/v1/tasks:batch"),
    ("post", "/v1/results"),
    ("get", "/v1/overview"),
    ("get", "/healthz"),
    ("get", "/readyz"),
];

#[tokio::test]
async fn a_waiting_task_says_why() {
    let env = TestEnv::start().await;
    let function = env.register().await;
    let task = env.submit(&function).await;
    let path = format!("/v1/tasks/{task}");
    let details = env.get(&path).await.ok();
    assert_eq!(details["task_id"], task.as_str());
    assert_eq!(details["function_id"], function.as_str());
    assert_eq!(details["status"], "QUEUED");
    assert_eq!(details["reason"], "queued: no dispatcher is running");
    assert_eq!(details["finished_at"], json!(null));
    assert_eq!(
        (&details["attempts"], &details["losses"]),
        (&json!([]), &json!(0))
    );
    assert_eq!(
        (&details["error"], &details["output"]),
        (&json!(null), &json!(""))
    );
    let submitted = details["submitted_at"].as_str().expect("a time");
    assert!(
        submitted.ends_with('Z') && submitted.len() == 24,
        "{submitted}"
    );
    env.store.report(0);
    let reason = env.get(&path).await.ok()["reason"].clone();
    assert_eq!(reason, "queued: no dispatcher has a worker");
    env.store.report(2);
    let reason = env.get(&path).await.ok()["reason"].clone();
    assert_eq!(
        reason,
        "queued: all 4 processes are busy, and it is next in the queue"
    );
}

#[tokio::test]
async fn every_attempt_is_told() {
    let env = TestEnv::start().await;
    let task = env.task().await;
    let path = format!("/v1/tasks/{task}");
    env.store
        .give_back(env.store.claim_all()[0], EndReason::WorkerLost);
    let waiting = env.get(&path).await.ok();
    let reason = waiting["reason"].as_str().expect("a sentence");
    assert!(
        reason.contains("w-0000000000000009 was lost (1 of 3 losses)"),
        "{reason}"
    );
    let claimed = env.store.claim_all()[0];
    let running = env.get(&path).await.ok();
    assert_eq!(running["attempts"][1]["ended_at"], json!(null));
    assert_eq!(running["attempts"][1]["reason"], json!(null));
    env.store.commit(
        claimed,
        Outcome {
            result: Err(Failure {
                exception: "ValueError".to_owned(),
                traceback: "Traceback ...".to_owned(),
                ..Failure::new(FailureKind::Raised, "no")
            }),
            output: b"printed \xff\n".as_slice().into(),
        },
    );
    let details = env.get(&path).await.ok();
    assert_eq!(details["reason"], "failed: ValueError: no");
    assert_eq!(details["losses"], 1);
    assert_eq!(details["output"], "printed \u{fffd}\n");
    assert_eq!(
        details["error"],
        json!({
            "kind": "raised", "type": "ValueError", "message": "no",
            "traceback": "Traceback ...", "exit_code": null, "signal": null,
        })
    );
    let attempts = details["attempts"].as_array().expect("a list");
    let told: Vec<_> = attempts
        .iter()
        .map(|a| (&a["attempt"], &a["reason"], &a["worker"]))
        .collect();
    let worker = json!("w-0000000000000009");
    assert_eq!(
        told,
        [
            (&json!(1), &json!("worker_lost"), &worker),
            (&json!(2), &json!("raised"), &worker)
        ]
    );
    assert_eq!(attempts[1]["ended_at"], details["finished_at"]);
    assert_eq!(attempts[1]["dispatcher"], "d-0000000000000007.0");
}

#[tokio::test]
async fn a_task_is_cancelled_once() {
    let env = TestEnv::start().await;
    let task = env.task().await;
    let path = format!("/v1/tasks/{task}");
    let mut client = env.connect().await;
    let answer = client.request("DELETE", &path, &[], b"").await;
    assert_eq!(answer.ok(), json!({ "task_id": task, "status": "FAILED" }));
    let answer = client.request("DELETE", &path, &[], b"").await;
    assert_eq!(
        (answer.status, answer.detail().as_str()),
        (409, "the task has ended already")
    );
    let details = client.get(&path).await.ok();
    assert_eq!(details["reason"], "failed: cancelled by a user");
    assert_eq!(details["error"]["kind"], "cancelled");
}

#[tokio::test]
async fn the_overview_tells_queue_and_dispatchers() {
    let env = TestEnv::start().await;
    env.task().await;
    env.store.report(2);
    assert_eq!(
        env.get("/v1/overview").await.ok(),
        json!({
            "queued": 1,
            "dispatchers": [{
                "dispatcher": "d-0000000000000007.0", "mode": "push", "workers": 2,
                "processes": 4, "held": 4, "free": 0, "draining": false,
            }],
        })
    );
}

#[tokio::test]
async fn readiness_says_which_part_is_missing() {
    let env = TestEnv::start().await;
    let mut told = Vec::new();
    let mut ask = async || {
        let answer = env.get("/readyz").await;
        let body = answer.json();
        assert_eq!(body["ready"], answer.status == 200);
        told.push((answer.status, body["missing"].clone()));
        body
    };
    ask().await;
    env.store.report(0);
    ask().await;
    env.store.report(3);
    let ready = ask().await;
    assert_eq!(
        ready,
        json!({ "ready": true, "missing": null, "store": "up", "dispatchers": 1, "workers": 3 })
    );
    env.store.set_mood(Mood::Away);
    assert_eq!(ask().await["store"], "pulled the plug");
    assert_eq!(
        told,
        [
            (503, json!("no dispatcher is running")),
            (503, json!("no dispatcher has a worker")),
            (200, json!(null)),
            (503, json!("the store is away")),
        ]
    );
    assert_eq!(
        env.get("/healthz").await.status,
        200,
        "the gateway itself lives"
    );
}

#[tokio::test]
async fn the_description_lists_every_route() {
    let env = TestEnv::start().await;
    let description = env.get("/openapi.json").await.ok();
    let paths = description["paths"].as_object().expect("paths");
    let mut described: Vec<(String, String)> = paths
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().expect("methods").keys();
            methods.map(move |method| (method.clone(), path.clone()))
        })
        .collect();
    let mut expected = ROUTES
        .map(|(method, path)| (method.to_owned(), path.to_owned()))
        .to_vec();
    described.sort();
    expected.sort();
    assert_eq!(described, expected);
    for (method, path) in ROUTES {
        let path = path.replace("{task_id}", "x");
        let answer = env
            .connect()
            .await
            .request(&method.to_uppercase(), &path, &[], b"")
            .await;
        assert!(
            ![404, 405].contains(&answer.status),
            "{method} {path}: {}",
            answer.status
        );
    }
}

#[tokio::test]
async fn the_documentation_is_served() {
    let env = TestEnv::start().await;
    let moved = env.get("/docs").await;
    assert_eq!(
        (moved.status, moved.header("location")),
        (303, Some("/docs/"))
    );
    let page = env.get("/docs/").await;
    assert_eq!(page.status, 200);
    assert!(String::from_utf8_lossy(&page.body).contains("swagger-ui"));
    let script = env.get("/docs/swagger-initializer.js").await;
    assert!(String::from_utf8_lossy(&script.body).contains("/openapi.json"));
}
