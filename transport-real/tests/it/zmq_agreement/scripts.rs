//! The scripts: for each question on which a protocol over ZMQ depends, the smallest that shows the
//! answer. `v` and `w` are DEALERs, `q` is a REQ, R is the ROUTER. An identity is the socket's name
//! unless it is said.

use std::time::Duration;

use super::Pairing;
use super::script::{End, Patience, Script, Step, connect, connect_as, message};
use super::sockets::{Burst, Kind, ROUTER, Who};
use super::words::Frame;

/// More than any queue holds, with what the kernel holds.
const MORE_THAN_FITS: usize = 300_000;

/// A sender that has room is not kept waiting so long, however busy the machine is.
const STUCK: Duration = Duration::from_secs(3);

/// The largest frame that the protocol allows, in bytes.
const BIG: usize = mpcsfaas_core::timing::FRAME_LIMIT;

fn send(who: Who, frames: &[&str]) -> Step {
    Step::Send(who, message(frames))
}

fn answer(frames: &[&str]) -> Step {
    send(ROUTER, frames)
}

fn hears(who: Who) -> Step {
    Step::Receive(who, Patience::Long)
}

fn may_hear(who: Who) -> Step {
    Step::Receive(who, Patience::Short)
}

fn notices(who: Who) -> Step {
    Step::Notice(who, None, Patience::Long)
}

fn may_notice(who: Who) -> Step {
    Step::Notice(who, None, Patience::Short)
}

fn router_notices(identity: &'static str) -> Step {
    Step::Notice(ROUTER, Some(identity), Patience::Long)
}

fn router_may_notice(identity: &'static str) -> Step {
    Step::Notice(ROUTER, Some(identity), Patience::Short)
}

fn close(who: Who) -> Step {
    Step::Close { who, linger: true }
}

fn exit(who: Who) -> Step {
    Step::Close { who, linger: false }
}

fn connect_nowhere(who: Who) -> Step {
    Step::Connect {
        who,
        kind: Kind::Dealer,
        identity: who,
        somebody: false,
    }
}

fn connect_req(who: Who) -> Step {
    Step::Connect {
        who,
        kind: Kind::Req,
        identity: who,
        somebody: true,
    }
}

fn fill(who: Who) -> Step {
    fill_with(who, None, 256, MORE_THAN_FITS)
}

fn fill_to(to: &'static str) -> Step {
    fill_with(ROUTER, Some(to), 256, MORE_THAN_FITS)
}

fn fill_with(who: Who, to: Option<&'static str>, size: usize, limit: usize) -> Step {
    let burst = Burst {
        to,
        size,
        limit,
        stuck: STUCK,
    };
    Step::Fill(who, burst)
}

fn drain(from: Who, at: Who) -> Step {
    let end = End::Peer(from);
    Step::Drain { end, at }
}

fn drain_from_router(identity: &'static str, at: Who) -> Step {
    let end = End::Router(identity);
    Step::Drain { end, at }
}

/// What a socket sent that is closed by now, or that several sent.
fn drain_all(at: Who) -> Step {
    let end = End::AllCame;
    Step::Drain { end, at }
}

/// What came of one that has ended where it stood.
fn drain_rest(at: Who) -> Step {
    let end = End::NoneComes;
    Step::Drain { end, at }
}

pub(super) fn messages() -> Vec<Script> {
    vec![
        Script::new("message-and-answer")
            .and(connect("w"))
            .and(send("w", &["a"]))
            .tell("R", hears(ROUTER))
            .and(answer(&["w", "b"]))
            .tell("w", hears("w")),
        Script::new("many-frames-some-empty")
            .and(connect("w"))
            .and(send("w", &["a", "", "b"]))
            .tell("R", hears(ROUTER))
            .and(answer(&["w", "", "c", ""]))
            .tell("w", hears("w")),
        Script::new("an-empty-message")
            .and(connect("w"))
            .and(send("w", &[""]))
            .tell("R", hears(ROUTER))
            .and(answer(&["w", ""]))
            .tell("w", hears("w")),
        Script::new("a-big-frame")
            .meet("w")
            .and(Step::Send("w", vec![Frame::Size(BIG)]))
            .and(send("w", &["a"]))
            .tell("R", hears(ROUTER))
            .tell("then", hears(ROUTER))
            .and(Step::Send(
                ROUTER,
                vec![Frame::Text("w".to_owned()), Frame::Size(BIG)],
            ))
            .and(answer(&["w", "b"]))
            .tell("w", hears("w"))
            .tell("then", hears("w")),
        Script::new("order-of-two-senders")
            .meet("v")
            .meet("w")
            .and(fill_with("v", None, 100, 500))
            .and(fill_with("w", None, 100, 500))
            .tell("of each, two frames a message, R hears", drain_all(ROUTER)),
        Script::new("the-router-speaks-first")
            .and(connect("w"))
            .and(Step::LetIn)
            .tell("to w, who has said nothing", answer(&["w", "a"]))
            .and(send("w", &["hi"]))
            .and(hears(ROUTER))
            .and(answer(&["w", "b"]))
            .tell("w", hears("w")),
    ]
}

pub(super) fn peers() -> Vec<Script> {
    vec![
        Script::new("to-an-unknown-peer")
            .meet("w")
            .tell("to nobody", answer(&["x", "a"]))
            .and(answer(&["w", "b"]))
            .tell("w", hears("w")),
        Script::new("to-a-peer-just-gone")
            .meet("v")
            .meet("w")
            .and(close("w"))
            .tell("at once", answer(&["w", "a"]))
            .and(router_notices("w"))
            .tell("once its end was noticed", answer(&["w", "b"]))
            .and(answer(&["v", "c"]))
            .tell("v", hears("v")),
        Script::new("the-router-comes-back")
            .meet("w")
            .and(close(ROUTER))
            .and(notices("w"))
            .tell("w sends meanwhile", send("w", &["a"]))
            .tell("again", send("w", &["b"]))
            .and(Step::Bind)
            .tell("R", may_hear(ROUTER))
            .tell("then", may_hear(ROUTER)),
        Script::new("the-router-comes-later")
            .and(close(ROUTER))
            .and(connect_nowhere("w"))
            .tell("w sends", send("w", &["a"]))
            .and(Step::Bind)
            .tell("R", may_hear(ROUTER)),
    ]
}

pub(super) fn identities() -> Vec<Script> {
    vec![
        Script::new("identity-again-after-its-end")
            .meet_as("v", "id")
            .and(close("v"))
            .and(router_notices("id"))
            .and(connect_as("w", "id"))
            .and(send("w", &["hi"]))
            .tell("R", hears(ROUTER))
            .and(answer(&["id", "a"]))
            .tell("w", hears("w")),
        Script::new("identity-again-before-its-end-was-read")
            .meet_as("v", "id")
            .and(Step::LetIn)
            .and(close("v"))
            .and(connect_as("w", "id"))
            .and(send("w", &["hi"]))
            .and(Step::LetIn)
            .tell("R", may_hear(ROUTER)),
        Script::new("identity-twice")
            .meet_as("v", "id")
            .and(connect_as("w", "id"))
            .and(send("w", &["a"]))
            .tell("R hears the second", may_hear(ROUTER))
            .tell("R is told of an end", router_may_notice("id"))
            .tell("the first learns that it is over", may_notice("v"))
            .and(answer(&["id", "b"]))
            .tell("v", may_hear("v"))
            .tell("w", may_hear("w"))
            .tell("the first sends", send("v", &["c"]))
            .tell("R", may_hear(ROUTER))
            .and(close("v"))
            .and(answer(&["id", "d"]))
            .tell("once the first is closed, w", may_hear("w"))
            .only(&[Pairing::Ours, Pairing::Libzmq]),
        Script::new("identity-twice-and-again")
            .meet_as("v", "id")
            .and(connect_as("w", "id"))
            .tell("v", may_notice("v"))
            .tell("w", may_notice("w"))
            .tell("v again", may_notice("v")),
        Script::new("identity-twice-the-first-ends-late")
            .meet_as("v", "id")
            .and(fill_with(ROUTER, Some("id"), 1 << 20, 64))
            .and(connect_as("w", "id"))
            .and(send("w", &["a"]))
            .tell("R hears the second", may_hear(ROUTER))
            .and(exit("v"))
            .tell("R notices the end of id", router_notices("id"))
            .tell("R sends to id", answer(&["id", "b"]))
            .tell("w", may_hear("w"))
            .tell("w learns that it is over", may_notice("w"))
            .only(&[Pairing::Ours, Pairing::Libzmq]),
    ]
}

pub(super) fn queues() -> Vec<Script> {
    vec![
        Script::new("a-peer-that-does-not-read")
            .meet("w")
            .tell("R sends and sends", fill_to("w"))
            .tell("then w reads", drain_from_router("w", "w")),
        Script::new("a-slow-reader-beside-another")
            .meet("v")
            .meet("w")
            .and(fill_to("v"))
            .tell("R sends to the other", answer(&["w", "a"]))
            .tell("then v reads", drain_from_router("v", "v"))
            .tell("w", hears("w")),
        Script::new("a-router-that-does-not-read")
            .meet("w")
            .tell("w sends and sends", fill("w"))
            .tell("then R reads", drain("w", ROUTER)),
        Script::new("a-queue-without-a-connection")
            .and(close(ROUTER))
            .and(connect_nowhere("w"))
            .tell("w sends and sends", fill("w")),
    ]
}

pub(super) fn ends() -> Vec<Script> {
    vec![
        Script::new("a-close-with-messages-in-flight")
            .meet("w")
            .and(fill("w"))
            .and(close("w"))
            .tell("R hears", drain_all(ROUTER)),
        Script::new("an-exit-with-messages-in-flight")
            .meet("w")
            .and(fill("w"))
            .and(exit("w"))
            .tell("R hears", drain_rest(ROUTER)),
        Script::new("a-router-closes-with-messages-in-flight")
            .meet("w")
            .and(fill_with(ROUTER, Some("w"), 1 << 20, 64))
            .and(close(ROUTER))
            .tell("w hears", drain_all("w")),
        Script::new("a-router-exits-with-messages-in-flight")
            .meet("w")
            .and(fill_to("w"))
            .and(exit(ROUTER))
            .tell("w hears", drain_rest("w")),
    ]
}

pub(super) fn reqs() -> Vec<Script> {
    let scripts = vec![
        Script::new("req-and-its-delimiter")
            .and(connect_req("q"))
            .meet("w")
            .and(send("q", &["a"]))
            .tell("R", hears(ROUTER))
            .and(answer(&["q", "", "b"]))
            .tell("q", hears("q")),
        Script::new("req-asks-twice")
            .and(connect_req("q"))
            .and(send("q", &["a"]))
            .tell("q asks again", send("q", &["b"]))
            .tell("R", hears(ROUTER))
            .and(answer(&["q", "", "c"]))
            .tell("q", hears("q"))
            .tell("q asks now", send("q", &["d"]))
            .tell("R", hears(ROUTER)),
        Script::new("req-listens-first")
            .and(connect_req("q"))
            .tell("q listens", may_hear("q"))
            .and(send("q", &["a"]))
            .tell("R", hears(ROUTER)),
        Script::new("req-whose-question-is-lost")
            .and(connect_req("q"))
            .and(send("q", &["a"]))
            .tell("R", hears(ROUTER))
            .and(close(ROUTER))
            .and(notices("q"))
            .and(Step::Bind)
            .and(Step::LetIn)
            .tell("q asks again", send("q", &["b"]))
            .meet("w")
            .tell("q listens", may_hear("q")),
    ];
    // None of our processes has a REQ.
    let theirs = |script: Script| script.only(&[Pairing::Mixed, Pairing::Libzmq]);
    scripts.into_iter().map(theirs).collect()
}
