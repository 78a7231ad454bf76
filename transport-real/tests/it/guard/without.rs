//! What hostile peers do to a ROUTER without a guard: the test binary starts itself again as their
//! victim.

use std::io::{BufRead, BufReader, Write, stdout};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::timeout;
use zeromq::{RouterSocket, Socket, SocketRecv, SocketSend, ZmqMessage};

use super::PATIENCE;
use super::frames::THIRTY_GIGABYTES;
use super::peer::{TestPeer, announcement};
use super::reading::MORE_THAN_A_QUEUE;
use crate::wait::{holds_within, wait_for};
use mpcsfaas_core::wire::zmtp::greeting;

/// A process with a bare ROUTER. It dies with this value.
struct Victim {
    child: Child,
    address: SocketAddr,
    lines: Lines,
}

/// What a victim has printed.
type Lines = Arc<Mutex<Vec<String>>>;

impl Victim {
    async fn start() -> Victim {
        let mut child = Command::new(std::env::current_exe().expect("this binary has a path"))
            .args(["guard::without::child_with_a_bare_router", "--exact"])
            .args(["--ignored", "--nocapture", "--quiet"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the child starts");
        let printed = BufReader::new(child.stdout.take().expect("its output is ours"));
        let lines = Lines::default();
        let all = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in printed.lines().map_while(Result::ok) {
                all.lock().expect("no panic").push(line);
            }
        });
        let address = said(&lines, "bound ").await;
        let address = address.parse().expect("an address");
        Victim {
            child,
            address,
            lines,
        }
    }

    async fn peer(&self, identity: &str) -> TestPeer {
        let joined = TestPeer::join(self.address, identity).await;
        joined.expect("everybody is let in")
    }

    /// Waits for its end, and says by which signal it ended.
    fn killed_by(&mut self) -> Option<Signal> {
        let mut status = None;
        holds_within(PATIENCE, || {
            status = self.child.try_wait().expect("it is our child");
            status.is_some()
        });
        Signal::try_from(status?.signal()?).ok()
    }
}

/// Waits for a line that begins so, and returns the rest of it.
async fn said(lines: &Lines, beginning: &str) -> String {
    let said = || {
        let lines = lines.lock().expect("no panic");
        let mut rests = lines.iter().filter_map(|line| line.strip_prefix(beginning));
        rests.next().map(str::to_owned)
    };
    wait_for("the victim says it", PATIENCE, said).await
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_gigabytes_before_the_handshake_abort_a_bare_router() {
    let mut victim = Victim::start().await;
    let mut peer = TestPeer::connect(victim.address).await;
    peer.say(&greeting()).await.expect("sent");
    peer.say(&announcement(0, THIRTY_GIGABYTES))
        .await
        .expect("sent");
    assert_eq!(victim.killed_by(), Some(Signal::SIGABRT));
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_gigabytes_after_the_handshake_abort_a_bare_router() {
    let mut victim = Victim::start().await;
    let mut peer = victim.peer("liar").await;
    peer.say(&announcement(0, THIRTY_GIGABYTES))
        .await
        .expect("sent");
    assert_eq!(victim.killed_by(), Some(Signal::SIGABRT));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_reads_nothing_and_closes_stops_a_bare_router_for_ever() {
    let victim = Victim::start().await;
    let mut honest = victim.peer("honest").await;
    let mut deaf = victim.peer("deaf").await;
    assert!(honest.is_served().await);
    let question = format!("{MORE_THAN_A_QUEUE} times");
    deaf.send(question.as_bytes()).await.expect("sent");
    // The queue for it is full. As long as it likes nobody is answered.
    said(&victim.lines, "a send waits").await;
    honest.send(b"?").await.expect("sent");
    // Nor when it has gone: a thread waits for a lock that the send to it holds, and the send for
    // the thread.
    drop(deaf);
    let answer = timeout(Duration::from_secs(3), honest.receive()).await;
    assert!(answer.is_err(), "the honest one is answered: {answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thief_gets_what_is_for_its_victim_from_a_bare_router() {
    let victim = Victim::start().await;
    let mut robbed = victim.peer("robbed").await;
    assert!(robbed.is_served().await);
    let mut thief = victim.peer("robbed").await;
    assert!(thief.is_served().await);
    robbed.is_cut().await;
}

/// Answers whoever speaks by what it says, and if it says so, many times. With one thread, as on a
/// machine with one core; with more of them it takes more such peers at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "the victim of other tests"]
async fn child_with_a_bare_router() {
    let mut socket = RouterSocket::new();
    let bound = socket.bind("tcp://127.0.0.1:0").await.expect("a free port");
    let address = bound.to_string();
    let address = address.trim_start_matches("tcp://");
    writeln!(stdout(), "\nbound {address}").expect("the parent listens");
    // As the dispatcher's, its owner is a task of the runtime.
    tokio::spawn(own(socket))
        .await
        .expect("it goes on for ever");
}

async fn own(socket: RouterSocket) {
    let (mut sender, mut receiver) = socket.split();
    while let Ok(message) = receiver.recv().await {
        for _ in 0..times(&message).unwrap_or(1) {
            // The owner of a socket waits for a send, as the dispatcher's does.
            let mut send = sender.send(message.clone());
            if timeout(Duration::from_secs(1), &mut send).await.is_err() {
                writeln!(stdout(), "\na send waits").expect("the parent listens");
                let _ = send.await;
            }
        }
    }
}

fn times(message: &ZmqMessage) -> Option<usize> {
    let body = std::str::from_utf8(message.get(1)?).ok()?;
    body.split_once(" times")?.0.parse().ok()
}
