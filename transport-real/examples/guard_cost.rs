//! What the guard costs: echoes through a bare ROUTER and through a guarded one, in turns.
//!
//! `cargo run --release -p mpcsfaas-transport-real --example guard_cost`
//!
//! Both ends run in this process and share its cores, so the ratio is that of all the work done for
//! a message, peers' included.

use std::io::{Write, stdout};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mpcsfaas_transport_real::zmq::guard::{Guard, Limits};
use tokio::task::JoinSet;
use zeromq::{DealerSocket, RouterSocket, Socket, SocketRecv, SocketSend, ZmqMessage, ZmqResult};

const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_millis(700);

/// What is measured: bodies of so many bytes from so many peers, each with so many on their way.
const LOADS: [(&str, usize, usize, usize); 5] = [
    ("100 B, 4 peers, 100 on the way", 100, 4, 100),
    ("100 B, 1 peer, 1 on the way", 100, 1, 1),
    ("100 B, 32 peers, 1 on the way", 100, 32, 1),
    ("10 KiB, 4 peers, 20 on the way", 10 << 10, 4, 20),
    ("1 MiB, 4 peers, 2 on the way", 1 << 20, 4, 2),
];

#[tokio::main]
async fn main() -> ZmqResult<()> {
    let mut bare = RouterSocket::new();
    let bare_at = bare.bind("tcp://127.0.0.1:0").await?.to_string();
    let mut guarded = RouterSocket::new();
    let guard = Guard::bind(&mut guarded, ("127.0.0.1", 0), Limits::default()).await?;
    let guarded_at = format!("tcp://{}", guard.address());
    tokio::spawn(echo(bare));
    tokio::spawn(echo(guarded));
    for (name, size, peers, window) in LOADS {
        let mut ratios = Vec::new();
        let (mut bare_best, mut guarded_best) = (0.0_f64, 0.0_f64);
        for _ in 0..ROUNDS {
            let bare = rate(&bare_at, size, peers, window).await?;
            let guarded = rate(&guarded_at, size, peers, window).await?;
            bare_best = bare_best.max(bare);
            guarded_best = guarded_best.max(guarded);
            ratios.push(guarded / bare);
        }
        ratios.sort_by(f64::total_cmp);
        writeln!(
            stdout(),
            "{name}: bare {bare_best:.0}/s, guarded {guarded_best:.0}/s, median ratio {:.2} ({:.2} to {:.2})",
            ratios[ROUNDS / 2],
            ratios[0],
            ratios[ROUNDS - 1],
        )?;
    }
    Ok(())
}

async fn echo(socket: RouterSocket) -> ZmqResult<()> {
    let (mut sender, mut receiver) = socket.split();
    loop {
        let message = receiver.recv().await?;
        // The peers of a round that is over are gone.
        let _ = sender.send(message).await;
    }
}

/// Echoes a second.
async fn rate(endpoint: &str, size: usize, peers: usize, window: usize) -> ZmqResult<f64> {
    let mut asking = JoinSet::new();
    for _ in 0..peers {
        let mut socket = DealerSocket::new();
        socket.connect(endpoint).await?;
        asking.spawn(ask(socket, size, window));
    }
    let mut echoes = 0;
    while let Some(asked) = asking.join_next().await {
        echoes += asked.unwrap_or(Ok(0))?;
    }
    Ok(echoes as f64 / ROUND.as_secs_f64())
}

async fn ask(socket: DealerSocket, size: usize, window: usize) -> ZmqResult<usize> {
    let body = Bytes::from(vec![7; size]);
    let (mut sender, mut receiver) = socket.split();
    for _ in 0..window {
        sender.send(ZmqMessage::from(body.clone())).await?;
    }
    let (until, mut echoes) = (Instant::now() + ROUND, 0);
    while Instant::now() < until {
        receiver.recv().await?;
        echoes += 1;
        sender.send(ZmqMessage::from(body.clone())).await?;
    }
    Ok(echoes)
}
