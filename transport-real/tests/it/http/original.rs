//! What a client of the original says and hears.

use mpcsfaas_core::mime_base64::{decode_lenient, encode_mime};
use mpcsfaas_core::pickle::pickle_str;
use mpcsfaas_core::task::{Failure, FailureKind, Options, Outcome, Versions};
use serde_json::json;

use super::{FUNCTION, PARAMS, TestEnv};

#[tokio::test]
async fn a_task_goes_from_queued_to_its_result() {
    let env = TestEnv::start().await;
    let mut client = env.connect().await;
    let greeting = client.get("/").await;
    assert_eq!(
        greeting.ok(),
        json!({ "message": "MPCSFaaS Platform is running" })
    );
    assert_eq!(greeting.header("content-type"), Some("application/json"));

    let body = json!({ "name": "len", "payload": encode_mime(FUNCTION) });
    let function = client.post("/register_function", &body).await.ok();
    assert_eq!(function.as_object().map(|object| object.len()), Some(1));
    let function = &function["function_id"];
    let body = json!({ "function_id": function, "payload": encode_mime(PARAMS) });
    let task = client.post("/execute_function", &body).await.ok();
    assert_eq!(task.as_object().map(|object| object.len()), Some(1));
    let task = task["task_id"].as_str().expect("an id").to_owned();

    let (status, result) = (format!("/status/{task}"), format!("/result/{task}"));
    assert_eq!(
        client.get(&status).await.ok(),
        json!({ "task_id": task, "status": "QUEUED" })
    );
    let claimed = env.store.claim_all();
    assert_eq!(
        client.get(&result).await.ok(),
        json!({ "task_id": task, "status": "RUNNING", "result": "" })
    );
    let pickled = vec![b'x'; 100];
    env.store
        .commit(claimed[0], Outcome::completed(pickled.clone()));
    assert_eq!(
        client.get(&result).await.ok(),
        json!({ "task_id": task, "status": "COMPLETED", "result": encode_mime(&pickled) })
    );
    assert_eq!(
        client.get(&status).await.ok(),
        json!({ "task_id": task, "status": "COMPLETED" })
    );
}

#[tokio::test]
async fn a_failed_tasks_result_is_the_pickled_message() {
    let env = TestEnv::start().await;
    let function = env.register().await;
    let in_words = env.submit(&function).await;
    env.store
        .run_all(&Outcome::failed(FailureKind::WorkerLost, "gone"));
    let in_python = env.submit(&function).await;
    env.store.run_all(&Outcome {
        result: Err(Failure {
            pickled_message: b"\x80\x03X\x02\x00\x00\x00noq\x00.".as_slice().into(),
            ..Failure::new(FailureKind::Raised, "no")
        }),
        output: "".into(),
    });
    for (task, pickled) in [
        (in_words, pickle_str("gone")),
        (in_python, b"\x80\x03X\x02\x00\x00\x00noq\x00.".to_vec()),
    ] {
        let answer = env.get(&format!("/result/{task}")).await.ok();
        assert_eq!(answer["status"], "FAILED");
        let result = answer["result"].as_str().expect("a text").as_bytes();
        assert_eq!(decode_lenient(result), Ok(pickled));
    }
}

#[tokio::test]
async fn what_was_sent_is_what_is_stored() {
    let env = TestEnv::start().await;
    let body = json!({
        "name": "len",
        "payload": encode_mime(FUNCTION),
        "timeout_s": 1.5,
        "client": { "python": "3.11.7", "dill": "0.4.0", "os": "any" },
        "unknown": [1, { "two": 3 }],
    });
    let function = env.post("/register_function", &body).await.ok();
    let function = function["function_id"].as_str().expect("an id");
    let stored = env.store.function(function);
    assert_eq!((stored.name.as_str(), &stored.body[..]), ("len", FUNCTION));
    let python = Some("3.11.7".to_owned());
    let dill = Some("0.4.0".to_owned());
    assert_eq!(stored.pickled_by, Versions { python, dill });
    let task = env.submit(function).await;
    assert_eq!(&env.store.row(&task).params[..], PARAMS);
}

#[tokio::test]
async fn a_tasks_options_are_its_functions_unless_it_brings_its_own() {
    let env = TestEnv::start().await;
    let options = |timeout_ms, at_most_once| Options {
        timeout_ms,
        at_most_once,
    };
    let mut body = json!({
        "name": "f", "payload": encode_mime(FUNCTION), "timeout_s": 2, "at_most_once": true,
    });
    let function = env.post("/register_function", &body).await.ok()["function_id"].clone();
    let rows = [
        (json!({}), options(Some(2_000), true)),
        (json!({ "timeout_s": 0.0001 }), options(Some(1), true)),
        (
            json!({ "at_most_once": false }),
            options(Some(2_000), false),
        ),
        (
            json!({ "timeout_s": null, "at_most_once": null }),
            options(Some(2_000), true),
        ),
    ];
    for (own, expected) in rows {
        body = own;
        body["function_id"] = function.clone();
        body["payload"] = encode_mime(PARAMS).into();
        let task = env.post("/execute_function", &body).await.ok();
        let task = task["task_id"].as_str().expect("an id");
        assert_eq!(env.store.row(task).options, expected, "{body}");
    }
}

#[tokio::test]
async fn the_same_task_id_is_the_same_task() {
    let env = TestEnv::start().await;
    let (function, other) = (env.register().await, env.register().await);
    let id = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
    let body = |function: &str| json!({ "function_id": function, "payload": encode_mime(PARAMS), "task_id": id });
    for _ in 0..2 {
        let answer = env.post("/execute_function", &body(&function)).await;
        assert_eq!(answer.ok(), json!({ "task_id": id }));
    }
    assert_eq!(env.store.claim_all().len(), 1);
    let answer = env.post("/execute_function", &body(&other)).await;
    assert_eq!(answer.status, 409);
    assert_eq!(
        answer.detail(),
        "a task of this id exists and runs another function"
    );
}

#[tokio::test]
async fn base64_is_read_as_python_reads_it() {
    let env = TestEnv::start().await;
    let payload = encode_mime(FUNCTION).replace('\n', " ~\r\n");
    let body = json!({ "name": "len", "payload": payload });
    let function = env.post("/register_function", &body).await.ok();
    let function = function["function_id"].as_str().expect("an id");
    assert_eq!(&env.store.function(function).body[..], FUNCTION);
}
