//! Requests of the wrong shape, refused in the words of FastAPI and pydantic.

use mpcsfaas_core::mime_base64::encode_mime;
use serde_json::{Value, json};

use super::client::Answer;
use super::{FUNCTION, TestEnv};

const UNKNOWN: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

fn first_fault(answer: &Answer) -> (u16, String, Value) {
    let fault = &answer.json()["detail"][0];
    let kind = fault["type"].as_str().expect("a type").to_owned();
    (answer.status, kind, fault["loc"].clone())
}

#[tokio::test]
async fn a_malformed_uuid_is_told_as_pydantic_tells_it() {
    let env = TestEnv::start().await;
    for path in [
        "/status/nonsense",
        "/result/nonsense",
        "/v1/tasks/nonsense",
        "/status/%ff",
    ] {
        let fault = first_fault(&env.get(path).await);
        assert_eq!(
            fault,
            (422, "uuid_parsing".to_owned(), json!(["path", "task_id"])),
            "{path}"
        );
    }
    let detail = env.get("/status/nonsense").await.json();
    let detail = detail["detail"][0].as_object().expect("an object").clone();
    assert_eq!(detail["input"], "nonsense");
    let told = detail["ctx"]["error"].as_str().expect("the fault");
    assert_eq!(
        detail["msg"],
        format!("Input should be a valid UUID, {told}")
    );
}

#[tokio::test]
async fn all_faults_of_a_body_are_told_at_once_as_pydantic_tells_them() {
    let env = TestEnv::start().await;
    let answer = env.post("/register_function", &json!({ "name": 1 })).await;
    assert_eq!(answer.status, 422);
    assert_eq!(
        answer.json(),
        json!({ "detail": [
            {
                "type": "string_type", "loc": ["body", "name"],
                "msg": "Input should be a valid string", "input": 1,
            },
            {
                "type": "missing", "loc": ["body", "payload"],
                "msg": "Field required", "input": { "name": 1 },
            },
        ]})
    );
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn a_body_of_the_wrong_shape_is_unprocessable() {
    let env = TestEnv::start().await;
    let body = json!(["body"]);
    let at = |name: &str| json!(["body", name]);
    let rows: [(&str, &str, &str, Value); 20] = [
        ("/register_function", "", "missing", body.clone()),
        (
            "/register_function",
            "null",
            "model_attributes_type",
            body.clone(),
        ),
        (
            "/register_function",
            "[1]",
            "model_attributes_type",
            body.clone(),
        ),
        ("/register_function", "\"x\"", "model_attributes_type", body),
        (
            "/register_function",
            "nope",
            "json_invalid",
            json!(["body", 1]),
        ),
        (
            "/register_function",
            "{",
            "json_invalid",
            json!(["body", 0]),
        ),
        (
            "/register_function",
            "{\"a\":\n1,}",
            "json_invalid",
            json!(["body", 8]),
        ),
        ("/register_function", "{}", "missing", at("name")),
        (
            "/register_function",
            "{\"name\":null}",
            "string_type",
            at("name"),
        ),
        ("/execute_function", "{}", "missing", at("function_id")),
        (
            "/execute_function",
            "{\"function_id\":7}",
            "uuid_type",
            at("function_id"),
        ),
        (
            "/execute_function",
            "{\"function_id\":\"x\"}",
            "uuid_parsing",
            at("function_id"),
        ),
        (
            "/execute_function",
            "OK{\"payload\":{}",
            "string_type",
            at("payload"),
        ),
        (
            "/execute_function",
            "OK{\"task_id\":\"x\"",
            "uuid_parsing",
            at("task_id"),
        ),
        (
            "/execute_function",
            "OK{\"task_id\":3",
            "uuid_type",
            at("task_id"),
        ),
        (
            "/execute_function",
            "OK{\"timeout_s\":\"1\"",
            "float_type",
            at("timeout_s"),
        ),
        (
            "/execute_function",
            "OK{\"timeout_s\":0",
            "greater_than",
            at("timeout_s"),
        ),
        (
            "/execute_function",
            "OK{\"timeout_s\":1e30",
            "less_than_equal",
            at("timeout_s"),
        ),
        (
            "/execute_function",
            "OK{\"at_most_once\":1",
            "bool_type",
            at("at_most_once"),
        ),
        (
            "/execute_function",
            "OK{\"payload\":3,\"at_most_once\":[]",
            "string_type",
            at("payload"),
        ),
    ];
    for (path, text, kind, loc) in rows {
        // A body that is right but for what is told.
        let text = match text.strip_prefix("OK{") {
            Some(wrong) if wrong.contains("payload") => {
                format!("{{\"function_id\":\"{UNKNOWN}\",{wrong}}}")
            }
            Some(wrong) => format!("{{\"function_id\":\"{UNKNOWN}\",\"payload\":\"\",{wrong}}}"),
            None => text.to_owned(),
        };
        let json = [("content-type", "application/json")];
        let answer = env
            .connect()
            .await
            .request("POST", path, &json, text.as_bytes())
            .await;
        assert_eq!(
            first_fault(&answer),
            (422, kind.to_owned(), loc),
            "{path} {text}"
        );
    }
    let long = "x".repeat(1_025);
    let rows = [
        (
            json!({ "name": long, "payload": "" }),
            "string_too_long",
            json!(["body", "name"]),
        ),
        (
            json!({ "name": "", "payload": "", "client": { "python": 3 } }),
            "string_type",
            json!(["body", "client", "python"]),
        ),
        (
            json!({ "name": "", "payload": "", "client": 3 }),
            "dict_type",
            json!(["body", "client"]),
        ),
    ];
    for (body, kind, loc) in rows {
        let answer = env.post("/register_function", &body).await;
        assert_eq!(first_fault(&answer), (422, kind.to_owned(), loc));
    }
    assert_eq!(env.store.written(), (0, 0));
}

#[tokio::test]
async fn a_time_to_wait_that_is_none_is_unprocessable() {
    let env = TestEnv::start().await;
    for (text, kind) in [
        ("x", "float_parsing"),
        ("", "float_parsing"),
        ("-1", "greater_than_equal"),
        ("nan", "greater_than_equal"),
        ("1&wait=y", "float_parsing"),
    ] {
        let answer = env.get(&format!("/result/{UNKNOWN}?wait={text}")).await;
        let expected = (422, kind.to_owned(), json!(["query", "wait"]));
        assert_eq!(first_fault(&answer), expected, "{text}");
    }
}

/// A web page must not run functions on its reader's machine: the browser asks first before it
/// sends JSON to another site, and what it sends unasked is not taken.
#[tokio::test]
async fn a_body_that_is_not_declared_as_json_is_unprocessable() {
    let env = TestEnv::start().await;
    let body = json!({ "name": "len", "payload": encode_mime(FUNCTION) }).to_string();
    let rows: [(&[(&str, &str)], u16); 7] = [
        (&[("content-type", "application/json; charset=utf-8")], 200),
        (&[("content-type", "application/vnd.api+json")], 200),
        (&[], 200),
        (&[("origin", "http://a.page")], 422),
        (&[("content-type", "text/plain")], 422),
        (
            &[("content-type", "application/x-www-form-urlencoded")],
            422,
        ),
        (&[("content-type", "text/plain;application/json")], 422),
    ];
    for (headers, status) in rows {
        let mut client = env.connect().await;
        let answer = client
            .request("POST", "/register_function", headers, body.as_bytes())
            .await;
        assert_eq!(answer.status, status, "{headers:?}");
        if status == 422 {
            assert_eq!(first_fault(&answer).1, "model_attributes_type");
        }
    }
    let preflight = env
        .connect()
        .await
        .request("OPTIONS", "/register_function", &[], b"")
        .await;
    assert_eq!(preflight.status, 405);
    assert_eq!(preflight.header("access-control-allow-origin"), None);
}
