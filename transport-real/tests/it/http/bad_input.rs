//! Payloads that cannot be what they should be, bodies over the limits, trouble in the store.

use std::time::Duration;

use mpcsfaas_core::mime_base64::encode_mime;
use mpcsfaas_core::store::Config;
use mpcsfaas_transport_real::http::{ConnectionLimits, HttpConfig};
use serde_json::json;

use super::store::Mood;
use super::{FUNCTION, PARAMS, TestEnv};

const UNKNOWN: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

#[tokio::test]
async fn a_payload_that_cannot_be_a_function_is_refused_and_not_stored() {
    let env = TestEnv::start().await;
    let rows = [
        ("Y".to_owned(), "payload: not base64: incorrect padding"),
        (
            String::new(),
            "payload: not a pickle: at byte 0: the data ends before the pickle does",
        ),
        (
            "not_a_function".to_owned(),
            "payload: not a pickle: at byte 0: unknown opcode 0x9e",
        ),
        (
            encode_mime(&FUNCTION[..9]),
            "payload: not a pickle: at byte 2: the data ends before the pickle does",
        ),
        (
            encode_mime(&[FUNCTION, b"N."].concat()),
            "payload: not a pickle: at byte 18: data follows the end of the pickle",
        ),
        (
            encode_mime(b"\x80\x04N."),
            "payload: the pickle of None, not of a function",
        ),
        (
            encode_mime(b"\x80\x04\x8c\x01a."),
            "payload: the pickle of a str, not of a function",
        ),
        (
            encode_mime(b"]."),
            "payload: the pickle of a list, not of a function",
        ),
        (
            encode_mime(PARAMS),
            "payload: the pickle of a tuple, not of a function",
        ),
    ];
    for (payload, detail) in rows {
        let body = json!({ "name": "f", "payload": payload });
        let answer = env.post("/register_function", &body).await;
        assert_eq!((answer.status, answer.detail().as_str()), (400, detail));
    }
    assert_eq!(env.store.written(), (0, 0));
}

#[tokio::test]
async fn parameters_that_are_no_pair_are_refused_and_not_stored() {
    let env = TestEnv::start().await;
    let function = env.register().await;
    env.store.written();
    let rows = [
        ("Y".to_owned(), "payload: not base64: incorrect padding"),
        (
            "not_a_function".to_owned(),
            "payload: not a pickle: at byte 0: unknown opcode 0x9e",
        ),
        (
            encode_mime(FUNCTION),
            "payload: the pickle of an object, not of a tuple (args, kwargs)",
        ),
        (
            encode_mime(b")."),
            "payload: the pickle of a tuple, not of a tuple (args, kwargs)",
        ),
        (
            encode_mime(b"K\x01K\x02\x86."),
            "payload: the pickle of a tuple whose first item is an int, not the tuple of \
             positional arguments",
        ),
    ];
    for (payload, detail) in rows {
        let body = json!({ "function_id": function, "payload": payload });
        let answer = env.post("/execute_function", &body).await;
        assert_eq!((answer.status, answer.detail().as_str()), (400, detail));
    }
    assert_eq!(env.store.written(), (0, 0));
}

#[tokio::test]
async fn an_unknown_id_is_not_found() {
    let env = TestEnv::start().await;
    let body = json!({ "function_id": UNKNOWN, "payload": encode_mime(PARAMS) });
    let answer = env.post("/execute_function", &body).await;
    assert_eq!(
        (answer.status, answer.detail().as_str()),
        (404, "Function not found")
    );
    for path in ["/status/", "/result/", "/v1/tasks/"] {
        let answer = env.get(&format!("{path}{UNKNOWN}")).await;
        assert_eq!(
            (answer.status, answer.detail().as_str()),
            (404, "Task not found"),
            "{path}"
        );
    }
    let answer = env.get(&format!("/result/{UNKNOWN}?wait=30")).await;
    assert_eq!(
        answer.status, 404,
        "it does not wait for what does not exist"
    );
    let answer = env
        .connect()
        .await
        .request("DELETE", &format!("/v1/tasks/{UNKNOWN}"), &[], b"")
        .await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn a_path_or_method_that_does_not_exist_is_told_as_fastapi_tells_it() {
    let env = TestEnv::start().await;
    let answer = env.get("/nonsense").await;
    assert_eq!(
        (answer.status, answer.json()),
        (404, json!({ "detail": "Not Found" }))
    );
    for (method, path, allow) in [
        ("PUT", "/register_function", "POST"),
        ("POST", "/v1/overview", "GET,HEAD"),
    ] {
        let answer = env.connect().await.request(method, path, &[], b"").await;
        assert_eq!(
            (answer.status, answer.json()),
            (405, json!({ "detail": "Method Not Allowed" }))
        );
        assert_eq!(answer.header("allow"), Some(allow));
    }
}

fn small_payloads() -> HttpConfig {
    HttpConfig {
        payload_limit: 4_096,
        ..HttpConfig::default()
    }
}

/// A function whose pickle has so many bytes.
fn function_of(bytes: usize) -> Vec<u8> {
    let padding = bytes - 16;
    let mut pickle = b"B".to_vec();
    pickle.extend_from_slice(&(padding as u32).to_le_bytes());
    pickle.extend(vec![b'x'; padding]);
    pickle.extend_from_slice(b"0c_io\na\n.");
    let short = bytes - pickle.len();
    pickle.splice(0..0, b"N0".repeat(short / 2));
    pickle
}

#[tokio::test]
async fn a_payload_over_the_limit_is_too_large() {
    let env = TestEnv::with_http(small_payloads()).await;
    let mut statuses = Vec::new();
    for bytes in [4_096, 4_098, 40_000, 200_000] {
        let pickle = function_of(bytes);
        assert_eq!(pickle.len(), bytes);
        let body = json!({ "name": "f", "payload": encode_mime(&pickle) });
        let answer = env.post("/register_function", &body).await;
        if answer.status != 200 {
            assert_eq!(
                answer.detail(),
                "the payload is over the limit of 4096 bytes"
            );
        }
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [200, 413, 413, 413]);
    assert_eq!(env.store.written(), (1, 0));
}

#[tokio::test]
async fn the_largest_payload_passes_at_the_default_limit() {
    let env = TestEnv::start().await;
    let body = json!({ "name": "f", "payload": encode_mime(&function_of(8 * 1024 * 1024)) });
    assert_eq!(env.post("/register_function", &body).await.status, 200);
}

#[tokio::test]
async fn a_chunked_body_over_the_limit_is_too_large() {
    let env = TestEnv::with_http(small_payloads()).await;
    let mut client = env.connect().await;
    client
        .send(
            b"POST /register_function HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n",
        )
        .await;
    for _ in 0..100 {
        client.send(b"1000\r\n").await;
        client.send(&[b' '; 0x1000]).await;
        client.send(b"\r\n").await;
    }
    client.send(b"0\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 413);
}

#[tokio::test]
async fn a_client_that_asks_before_it_sends_is_told_at_once() {
    let env = TestEnv::with_http(small_payloads()).await;
    let mut client = env.connect().await;
    client
        .send(
            b"POST /register_function HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\n\
              content-length: 100000000\r\n\r\n",
        )
        .await;
    assert_eq!(client.answer().await.status, 413);
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_given_up() {
    let env = TestEnv::with_http(HttpConfig {
        body_timeout: Duration::from_millis(50),
        ..HttpConfig::default()
    })
    .await;
    let mut client = env.connect().await;
    client
        .send(b"POST /register_function HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\n{")
        .await;
    let answer = client.answer().await;
    assert_eq!(
        (answer.status, answer.detail().as_str()),
        (408, "the body did not arrive in time")
    );
}

#[tokio::test]
async fn a_body_that_finds_no_room_in_memory_is_sent_away() {
    let env = TestEnv::with_http(HttpConfig {
        body_memory: 128 * 1024,
        body_timeout: Duration::from_secs(1),
        ..HttpConfig::default()
    })
    .await;
    let mut hog = env.connect().await;
    hog.send(
        b"POST /register_function HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\n\
          content-length: 200000\r\n\r\n",
    )
    .await;
    // It is asked to go on when it has its room.
    assert_eq!(hog.answer().await.status, 100);
    let body = json!({ "name": "f", "payload": encode_mime(&function_of(100_000)) });
    let answer = env.post("/register_function", &body).await;
    assert_eq!(answer.status, 503);
    assert_eq!(
        answer.detail(),
        "the gateway is at its limit of memory for request bodies"
    );
    let small = json!({ "name": "f", "payload": encode_mime(FUNCTION) });
    assert_eq!(env.post("/register_function", &small).await.status, 200);
    assert_eq!(hog.answer().await.status, 408);
    assert_eq!(env.post("/register_function", &body).await.status, 200);
}

#[tokio::test]
async fn a_full_queue_is_told_with_a_time_to_try_again() {
    let store = Config {
        queue_limit: 1,
        ..Config::default()
    };
    let env = TestEnv::with(HttpConfig::default(), ConnectionLimits::default(), store).await;
    let function = env.register().await;
    env.submit(&function).await;
    let body = json!({ "function_id": function, "payload": encode_mime(PARAMS) });
    let answer = env.post("/execute_function", &body).await;
    assert_eq!(
        (answer.status, answer.detail().as_str()),
        (429, "the queue is full")
    );
    assert_eq!(answer.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn while_the_store_is_away_everything_says_so() {
    let env = TestEnv::with_http(HttpConfig {
        store_timeout: Duration::from_millis(50),
        ..HttpConfig::default()
    })
    .await;
    let function = env.register().await;
    let task = env.submit(&function).await;
    let execute = json!({ "function_id": function, "payload": encode_mime(PARAMS) });
    let register = json!({ "name": "len", "payload": encode_mime(FUNCTION) });
    for mood in [Mood::Away, Mood::Mute] {
        env.store.set_mood(mood);
        let mut answers = vec![
            env.post("/register_function", &register).await,
            env.post("/execute_function", &execute).await,
        ];
        for path in ["/status/", "/result/", "/v1/tasks/"] {
            answers.push(env.get(&format!("{path}{task}")).await);
        }
        answers.push(env.get("/v1/overview").await);
        for answer in answers {
            assert_eq!(answer.status, 503, "{mood:?}: {answer:?}");
            assert_eq!(answer.header("retry-after"), Some("1"));
            assert!(
                answer.detail().starts_with("the store is away: "),
                "{answer:?}"
            );
        }
    }
    env.store.set_mood(Mood::Well);
    assert_eq!(env.get(&format!("/status/{task}")).await.status, 200);
    assert_eq!(env.post("/execute_function", &execute).await.status, 200);
}
