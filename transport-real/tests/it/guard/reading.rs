//! Peers that never read what they are sent.

use std::time::Duration;

use mpcsfaas_core::dispatcher::Peer;
use mpcsfaas_transport_real::zmq::guard::Limits;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::{Guarded, answer, limits};

/// More messages than the ROUTER's queue for a peer holds, and the buffers after it.
pub(super) const MORE_THAN_A_QUEUE: usize = 1_000_000;

/// Limits under which a queue is full before its peer is cut.
fn patient() -> Limits {
    Limits {
        stall_timeout: Duration::from_secs(4),
        ..limits()
    }
}

/// With one thread, on which a ROUTER without a guard stops for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_peer_that_reads_nothing_is_cut_and_a_send_to_it_ends() {
    let guarded = Guarded::start(patient()).await;
    let mut honest = guarded.peer("honest").await;
    let _deaf = guarded.peer("deaf").await;
    let deaf = Peer {
        identity: "deaf".into(),
        delimited: false,
    };
    for _ in 0..MORE_THAN_A_QUEUE {
        let sent = guarded.outgoing.send(answer(deaf.clone()));
        sent.expect("the ROUTER lives");
    }
    // Behind all that.
    assert!(honest.is_served().await);
    guarded.hears_of_the_end_of("deaf").await;
    for number in 0..10 {
        let mut late = guarded.peer(&format!("late-{number}")).await;
        assert!(late.is_served().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_asks_and_reads_nothing_is_not_heard_out() {
    let limits = patient();
    let guarded = Guarded::start(limits).await;
    let mut honest = guarded.peer("honest").await;
    let mut deaf = guarded.peer("deaf").await;
    let questions = b"\x00\x01?".repeat(10_000);
    // It goes on until it is cut.
    let asking =
        tokio::spawn(async move { while deaf.stream.write_all(&questions).await.is_ok() {} });
    while !asking.is_finished() {
        // If the ROUTER's queue for the deaf one were full, the next answer would wait for its end.
        let served = timeout(limits.stall_timeout / 2, honest.is_served());
        assert_eq!(served.await, Ok(true));
    }
    guarded.hears_of_the_end_of("deaf").await;
}
