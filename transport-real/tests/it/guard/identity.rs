//! An identity belongs to one connection at a time.

use mpcsfaas_transport_real::zmq::guard::Limits;

use super::peer::TestPeer;
use super::{Guarded, limits};

/// Limits under which nobody is ever silent.
fn patient() -> Limits {
    Limits {
        silence: super::PATIENCE * 10,
        ..limits()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thief_is_refused_and_its_victim_is_served() {
    let guarded = Guarded::start(patient()).await;
    let mut victim = guarded.peer("victim").await;
    for _ in 0..20 {
        assert!(TestPeer::join(guarded.address, "victim").await.is_none());
        assert!(victim.is_served().await);
    }
    assert!(!guarded.has_closed("victim"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_is_free_once_its_connection_is_gone() {
    let guarded = Guarded::start(patient()).await;
    for _ in 0..50 {
        let mut peer = guarded.peer("returning").await;
        assert!(peer.is_served().await);
        let again = TestPeer::join(guarded.address, "returning");
        drop(peer);
        // At once: the guard has not heard of the end yet, or the ROUTER has not.
        if let Some(mut peer) = again.await {
            assert!(peer.is_served().await);
        }
    }
    let mut last = None;
    for _ in 0..100 {
        last = TestPeer::join(guarded.address, "returning").await;
        if last.is_some() {
            break;
        }
    }
    assert!(last.expect("it is let in").is_served().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_connection_makes_way_and_its_late_end_harms_nobody() {
    let guarded = Guarded::start(limits()).await;
    let mut dead = guarded.peer("half-open").await;
    assert!(dead.is_served().await);
    let mut tries = 0;
    let mut alive = loop {
        tries += 1;
        if let Some(peer) = TestPeer::join(guarded.address, "half-open").await {
            break peer;
        }
    };
    assert!(tries > 1, "it was alive a moment ago");
    dead.is_cut().await;
    guarded.hears_of_the_end_of("half-open").await;
    for _ in 0..10 {
        assert!(alive.is_served().await);
    }
}
