//! What a peer announces: honest messages pass, and no announcement costs anything.

use mpcsfaas_core::timing::FRAME_LIMIT;
use mpcsfaas_core::wire::zmtp::{greeting, ready};

use mpcsfaas_transport_real::zmq::guard::Limits;

use super::peer::{TestPeer, announcement};
use super::{Guarded, PATIENCE, limits, wait_for};

/// What a peer announces that wants to end the dispatcher.
pub(super) const THIRTY_GIGABYTES: u64 = 30_000_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn messages_pass_in_both_directions() {
    let guarded = Guarded::start(limits()).await;
    let mut dealer = guarded.peer("dealer").await;
    for size in [0, 1, 255, 256, 70_000, FRAME_LIMIT] {
        dealer.send(&vec![b'x'; size]).await.expect("sent");
        assert!(!dealer.receive().await.expect("an answer").is_empty());
    }
    let joined = TestPeer::join_as(guarded.address, "REQ", "").await;
    let mut req = joined.expect("it is let in without an identity");
    req.say(b"\x01\x00\x00\x01?").await.expect("sent");
    assert_eq!(req.receive().await.expect("a delimiter"), b"");
    assert!(!req.receive().await.expect("an answer").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_with_the_handshake_is_not_lost() {
    let guarded = Guarded::start(limits()).await;
    let mut peer = TestPeer::connect(guarded.address).await;
    let mut all = greeting().to_vec();
    all.extend(ready("DEALER", b"eager"));
    all.extend(b"\x00\x01?".repeat(100));
    peer.say(&all).await.expect("sent");
    let arrived = || (guarded.said("eager") == 100).then_some(());
    wait_for("all has arrived", PATIENCE, arrived).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_gigabytes_are_refused_before_the_handshake() {
    let guarded = Guarded::start(limits()).await;
    let mut honest = guarded.peer("honest").await;
    for flags in [0, 4] {
        let mut peer = TestPeer::connect(guarded.address).await;
        peer.say(&greeting()).await.expect("sent");
        let header = announcement(flags, THIRTY_GIGABYTES);
        peer.say(&header).await.expect("sent");
        peer.is_cut().await;
        assert!(honest.is_served().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_gigabytes_are_refused_after_the_handshake() {
    let guarded = Guarded::start(limits()).await;
    let mut honest = guarded.peer("honest").await;
    let mut peer = guarded.peer("liar").await;
    assert!(peer.is_served().await);
    let header = announcement(0, THIRTY_GIGABYTES);
    peer.say(&header).await.expect("sent");
    peer.is_cut().await;
    guarded.hears_of_the_end_of("liar").await;
    assert!(honest.is_served().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_end_is_refused() {
    let guarded = Guarded::start(limits()).await;
    let mut honest = guarded.peer("honest").await;
    let mut peer = guarded.peer("endless").await;
    let frames = [announcement(1, 1_000), vec![0; 1_000]]
        .concat()
        .repeat(100);
    while peer.say(&frames).await.is_ok() {}
    guarded.hears_of_the_end_of("endless").await;
    assert_eq!(guarded.said("endless"), 0);
    assert!(honest.is_served().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_before_a_lie_arrive_and_none_after_it() {
    let guarded = Guarded::start(limits()).await;
    let mut peer = guarded.peer("liar").await;
    let mut all = b"\x00\x01?".repeat(10);
    all.extend(announcement(0, THIRTY_GIGABYTES));
    all.extend(b"\x00\x01?".repeat(10));
    peer.say(&all).await.expect("sent");
    guarded.hears_of_the_end_of("liar").await;
    assert_eq!(guarded.said("liar"), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_messages_that_do_not_end_keep_no_other_out() {
    let limits = Limits {
        large_messages: 1 << 20,
        ..limits()
    };
    let guarded = Guarded::start(limits).await;
    let mut honest = guarded.peer("honest").await;
    let mut slow = Vec::new();
    for number in 0..4 {
        let mut peer = guarded.peer(&format!("slow-{number}")).await;
        let mut half = announcement(0, 1 << 20);
        half.extend(vec![0; 100_000]);
        peer.say(&half).await.expect("sent");
        slow.push(peer);
    }
    assert!(
        honest.is_served().await,
        "a small message waits for no room"
    );
    honest.send(&vec![b'x'; 500_000]).await.expect("sent");
    assert!(honest.receive().await.is_ok());
    let ended = || guarded.has_closed("slow-0").then_some(());
    wait_for("the first one is ended", PATIENCE, ended).await;
}
