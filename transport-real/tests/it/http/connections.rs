//! Connections: their number, their silence and their end.

use std::time::Duration;

use mpcsfaas_core::store::Config;
use mpcsfaas_transport_real::http::{ConnectionLimits, HttpConfig};

use super::{TestEnv, soon};

async fn with(limits: ConnectionLimits) -> TestEnv {
    TestEnv::with(HttpConfig::default(), limits, Config::default()).await
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let env = TestEnv::start().await;
    let mut client = env.connect().await;
    for _ in 0..100 {
        assert_eq!(client.get("/healthz").await.status, 200);
    }
}

#[tokio::test]
async fn a_connection_over_the_limit_is_told_so() {
    let env = with(ConnectionLimits {
        connections: 2,
        ..ConnectionLimits::default()
    })
    .await;
    let (mut first, mut second) = (env.connect().await, env.connect().await);
    assert_eq!(first.get("/healthz").await.status, 200);
    assert_eq!(second.get("/healthz").await.status, 200);
    let refused = env.get("/healthz").await;
    assert_eq!(refused.status, 503);
    assert_eq!(
        refused.detail(),
        "the gateway is at its limit of connections"
    );
    assert_eq!(refused.header("retry-after"), Some("1"));
    drop(first);
    soon(async { while env.get("/healthz").await.status != 200 {} }).await;
}

#[tokio::test]
async fn a_client_that_never_finishes_its_request_is_closed() {
    let env = with(ConnectionLimits {
        head_timeout: Duration::from_millis(50),
        ..ConnectionLimits::default()
    })
    .await;
    for beginning in ["", "GET / HTTP/1.1\r\nhost: t"] {
        let mut client = env.connect().await;
        client.send(beginning.as_bytes()).await;
        client.closed().await;
    }
    assert_eq!(env.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_head_that_never_ends_is_refused() {
    let env = TestEnv::start().await;
    let mut client = env.connect().await;
    let head = format!("GET / HTTP/1.1\r\nx: {}", "x".repeat(200_000));
    // It may be closed before all of it is sent.
    let sent = tokio::spawn(async move {
        client.try_send(head.as_bytes()).await;
        client.closed().await
    });
    let answered = soon(sent).await.expect("no panic");
    assert!(
        answered.is_empty() || answered.starts_with(b"HTTP/1.1 431"),
        "{}",
        answered.escape_ascii()
    );
    assert_eq!(env.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn junk_is_refused() {
    let env = TestEnv::start().await;
    let mut client = env.connect().await;
    client.send(b"\x00\xff\x00\xffnonsense\r\n\r\n").await;
    assert!(client.closed().await.starts_with(b"HTTP/1.1 400"));
}

#[tokio::test]
async fn shutting_down_closes_idle_connections_and_ends() {
    let mut env = TestEnv::start().await;
    let mut client = env.connect().await;
    assert_eq!(client.get("/healthz").await.status, 200);
    env.shut_down();
    client.closed().await;
    soon(&mut env.serving).await.expect("it ends");
}

#[tokio::test]
async fn a_request_that_outlasts_the_drain_limit_is_cut() {
    let mut env = with(ConnectionLimits {
        drain: Duration::from_millis(50),
        ..ConnectionLimits::default()
    })
    .await;
    let mut client = env.connect().await;
    client
        .send(b"POST /register_function HTTP/1.1\r\nhost: t\r\ncontent-length: 9\r\n\r\n{")
        .await;
    // It is in flight once the gateway has taken another one after it.
    assert_eq!(env.get("/healthz").await.status, 200);
    env.shut_down();
    soon(&mut env.serving).await.expect("it ends");
    client.closed().await;
}
