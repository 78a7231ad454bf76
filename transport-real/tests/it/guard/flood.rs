//! Many connections, and handshakes that do not end.

use mpcsfaas_core::wire::zmtp::greeting;
use mpcsfaas_transport_real::zmq::guard::Limits;

use super::peer::TestPeer;
use super::{Guarded, PATIENCE, limits, wait_for};

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_does_not_end_is_ended() {
    let guarded = Guarded::start(limits()).await;
    let mut silent = TestPeer::connect(guarded.address).await;
    let mut halfway = TestPeer::connect(guarded.address).await;
    halfway.say(&greeting()).await.expect("sent");
    silent.is_cut().await;
    halfway.is_cut().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_connections_that_say_nothing_keep_nobody_out() {
    let limits = Limits {
        handshake_timeout: PATIENCE * 10,
        ..Limits::default()
    };
    let guarded = Guarded::start(limits).await;
    let mut honest = guarded.peer("honest").await;
    let mut flood = Vec::new();
    for number in 0..2_000 {
        let mut peer = TestPeer::connect(guarded.address).await;
        if number % 2 == 0 {
            // It may have been ended already.
            let _ = peer.say(&greeting()).await;
        }
        flood.push(peer);
        if number % 100 == 0 {
            assert!(honest.is_served().await);
            let mut late = guarded.peer(&format!("late-{number}")).await;
            assert!(late.is_served().await);
        }
    }
    // All but those whose handshake may go on have been ended, the oldest first.
    for peer in &mut flood[..2_000 - limits.handshakes - 20] {
        peer.is_cut().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_house_lets_in_who_comes_instead_of_a_silent_one() {
    let limits = Limits {
        connections: 4,
        ..limits()
    };
    let guarded = Guarded::start(limits).await;
    let mut busy = guarded.peer("busy").await;
    let mut idle = Vec::new();
    for number in 0..3 {
        idle.push(guarded.peer(&format!("idle-{number}")).await);
    }
    let mut refused = 0;
    let mut late = loop {
        assert!(busy.is_served().await);
        if let Some(peer) = TestPeer::join(guarded.address, "late").await {
            break peer;
        }
        refused += 1;
    };
    assert!(refused > 0, "nobody was silent at first");
    assert!(late.is_served().await && busy.is_served().await);
    let ended = || (0..3).find(|number| guarded.has_closed(&format!("idle-{number}")));
    let ended = wait_for("a silent one is ended", PATIENCE, ended).await;
    idle[ended].is_cut().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_workers_are_admitted() {
    let guarded = Guarded::start(Limits::default()).await;
    let mut workers = Vec::new();
    for number in 0..1_000 {
        workers.push(guarded.peer(&format!("worker-{number}")).await);
    }
    for worker in &mut workers {
        assert!(worker.is_served().await);
    }
}
