//! An identity belongs to one connection at a time.

use futures_util::future::join_all;
use mpcsfaas_transport_real::zmq::guard::Limits;

use super::peer::TestPeer;
use super::{Guarded, PATIENCE, limits, wait_for};

/// Limits under which nobody is ever silent.
fn patient() -> Limits {
    Limits {
        silence: PATIENCE * 10,
        ..limits()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thief_is_refused_and_its_victim_is_served() {
    let guarded = Guarded::start(patient()).await;
    let mut victim = guarded.peer("victim").await;
    let thieves = (0..20).map(|_| TestPeer::join(guarded.address, "victim"));
    let mut thieves = tokio::spawn(join_all(thieves.collect::<Vec<_>>()));
    while !thieves.is_finished() {
        assert!(victim.is_served().await);
    }
    let let_in = (&mut thieves)
        .await
        .expect("no panic")
        .into_iter()
        .flatten();
    assert_eq!(let_in.count(), 0);
    assert!(guarded.ends_of("victim") == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_is_free_as_soon_as_its_connection_is_gone() {
    let guarded = Guarded::start(patient()).await;
    let mut peer = guarded.peer("returning").await;
    for gone in 1..=200 {
        assert!(peer.is_served().await);
        // Neither the guard nor the ROUTER has heard of the end when the next one comes. That is
        // told of each: a handover would be silent.
        drop(peer);
        peer = guarded.peer("returning").await;
        let told = || (guarded.ends_of("returning") == gone).then_some(());
        wait_for("the end is told", PATIENCE, told).await;
    }
    assert!(peer.is_served().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_connection_makes_way_and_its_late_end_harms_nobody() {
    let limits = Limits {
        handshake_timeout: PATIENCE,
        ..limits()
    };
    let guarded = Guarded::start(limits).await;
    let mut dead = guarded.peer("half-open").await;
    assert!(dead.is_served().await);
    let mut alive = guarded.peer("half-open").await;
    dead.is_cut().await;
    guarded.hears_of_the_end_of("half-open").await;
    for _ in 0..10 {
        assert!(alive.is_served().await);
    }
}
