//! What a worker's beat costs a dispatcher over the guarded ROUTER, and over UDP; and what UDP loses
//! while the dispatcher stands still (docs/adr/0016).
//!
//! `cargo run --release -p mpcsfaas-transport-real --example udp_beats`
//!
//! Each worker beats once a second, evenly spread, and each beat is answered by one. The dispatcher's
//! end is a process of its own, so its processor time is that of the transport: the same bytes are
//! decoded and pass the same channels both ways, and no machine is behind them.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write, stdin, stdout};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use mpcsfaas_core::dispatcher::{Input, Peer};
use mpcsfaas_core::id::WorkerId;
use mpcsfaas_core::wire::message::{
    FromDispatcher, FromWorker, ToDispatcher, ToWorker, UNNUMBERED,
};
use mpcsfaas_core::wire::{Arrival, decode_arrival, native};
use mpcsfaas_transport_real::dispatch::{Outgoing, OutgoingMessage};
use mpcsfaas_transport_real::zmq::guard::Limits;
use mpcsfaas_transport_real::zmq::socket::{Endpoint, Socket};
use mpcsfaas_transport_real::zmq::tcp::{self, Address};
use nix::sys::signal::{Signal, kill};
use nix::time::ClockId;
use nix::unistd::Pid;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

type Failure = Box<dyn std::error::Error>;

const ROUNDS: usize = 3;
const WORKERS: [u32; 2] = [1_000, 4_000];
const BEAT: Duration = Duration::from_secs(1);

/// How long beats are sent before anything is counted, and how long they are counted.
const SETTLING: Duration = Duration::from_secs(3);
const COUNTED: Duration = Duration::from_secs(10);

/// For how long the dispatcher stands still: less than the time after which workers give it up.
const STANDSTILL: Duration = Duration::from_secs(2);

/// As the dispatcher's driver has them.
const INPUT_BACKLOG: usize = 4_096;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Router,
    Udp,
}

impl Way {
    const ALL: [Way; 2] = [Way::Router, Way::Udp];

    const fn as_str(self) -> &'static str {
        match self {
            Way::Router => "router",
            Way::Udp => "udp",
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    match std::env::args().nth(1).as_deref() {
        Some("router") => serve(Way::Router).await,
        Some("udp") => serve(Way::Udp).await,
        _ => compare().await,
    }
}

// The dispatcher's end.

async fn serve(way: Way) -> Result<(), Failure> {
    let (inputs_in, mut inputs) = mpsc::channel(INPUT_BACKLOG);
    let (address, outgoing) = match way {
        Way::Router => {
            let limits = Limits {
                connections: 8_192,
                ..Limits::default()
            };
            let router = tcp::bind("tcp://127.0.0.1:0", limits, inputs_in).await?;
            (router.endpoint, router.outgoing)
        }
        Way::Udp => {
            let socket = UdpSocket::bind("127.0.0.1:0").await?;
            let address = socket.local_addr()?.to_string();
            let (outgoing, messages) = mpsc::unbounded_channel();
            tokio::spawn(own_udp(socket, inputs_in, messages));
            (address, outgoing)
        }
    };
    writeln!(stdout(), "{address}")?;
    let beats = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&beats);
    std::thread::spawn(move || tell(&counted));
    while let Some(input) = inputs.recv().await {
        if let Input::MessageReceived { peer, message } = input {
            beats.fetch_add(1, Ordering::Relaxed);
            let answer = FromDispatcher {
                session: message.session,
                number: UNNUMBERED,
                body: ToWorker::Beat { last: 7 },
            };
            let message = OutgoingMessage::Native(answer);
            let _ = outgoing.send(Outgoing { peer, message });
        }
    }
    Ok(())
}

/// Answers each line with the number of beats and the processor time, in nanoseconds.
fn tell(beats: &AtomicU64) {
    for _ in stdin().lines() {
        let cpu = ClockId::CLOCK_PROCESS_CPUTIME_ID.now();
        let cpu = cpu.map_or(0, |spent| Duration::from(spent).as_nanos());
        let _ = writeln!(stdout(), "{} {cpu}", beats.load(Ordering::Relaxed));
    }
    std::process::exit(0);
}

/// The owner of a UDP socket, as the ROUTER's is one: it has to know by itself where a worker is, and
/// a worker that moves (a new session, another address) is where its last datagram came from.
async fn own_udp(
    socket: UdpSocket,
    inputs: mpsc::Sender<Input>,
    mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
) {
    let mut places = HashMap::new();
    let mut datagram = vec![0; 2_048];
    loop {
        tokio::select! {
            biased;
            message = outgoing.recv() => {
                let Some(Outgoing { peer, message }) = message else { return };
                let OutgoingMessage::Native(message) = message else { continue };
                if let Some(place) = places.get(&peer.identity) {
                    let _ = socket.send_to(&native::encode(&message), place).await;
                }
            }
            received = socket.recv_from(&mut datagram) => {
                let Ok((length, place)) = received else { continue };
                let Ok(Arrival::Native(message)) = decode_arrival(&datagram[..length]) else {
                    continue;
                };
                let identity = Bytes::copy_from_slice(&message.worker.0.to_be_bytes());
                places.insert(identity.clone(), place);
                let peer = Peer { identity, delimited: false };
                if inputs.send(Input::MessageReceived { peer, message }).await.is_err() {
                    return;
                }
            }
        }
    }
}

// The workers' end.

/// The dispatcher's process.
struct Dispatcher {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    address: String,
}

impl Dispatcher {
    fn start(way: Way) -> Result<Dispatcher, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(way.as_str())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let questions = child.stdin.take().ok_or("no pipe")?;
        let mut answers = BufReader::new(child.stdout.take().ok_or("no pipe")?);
        let mut address = String::new();
        answers.read_line(&mut address)?;
        Ok(Dispatcher {
            child,
            questions,
            answers,
            address: address.trim().to_owned(),
        })
    }

    /// The beats it has got, and the microseconds of processor time that it has taken.
    fn ask(&mut self) -> Result<(u64, f64), Failure> {
        writeln!(self.questions)?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let (beats, cpu) = line.trim().split_once(' ').ok_or("the dispatcher ended")?;
        Ok((beats.parse()?, cpu.parse::<f64>()? / 1e3))
    }

    fn signal(&self, signal: Signal) -> nix::Result<()> {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal)
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What came of one round.
struct Round {
    /// Microseconds of the dispatcher's processor time for a beat that was taken in and answered.
    cpu_us: f64,
    /// Of the beats that were sent while the dispatcher stood still, so many never arrived.
    lost: f64,
}

async fn compare() -> Result<(), Failure> {
    for workers in WORKERS {
        let mut rounds: [Vec<Round>; 2] = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (way, rounds) in Way::ALL.into_iter().zip(&mut rounds) {
                rounds.push(round(way, workers).await?);
            }
        }
        for (way, rounds) in Way::ALL.into_iter().zip(&mut rounds) {
            rounds.sort_by(|one, other| one.cpu_us.total_cmp(&other.cpu_us));
            let (least, most) = (rounds[0].cpu_us, rounds[ROUNDS - 1].cpu_us);
            let cpu = rounds[ROUNDS / 2].cpu_us;
            let lost = rounds.iter().map(|round| round.lost).fold(0.0, f64::max);
            writeln!(
                stdout(),
                "{workers} workers over {:<6}  {cpu:5.1} us a beat ({least:.1} to {most:.1}), {:4.1} % of a processor; \
                 of the beats of a standstill of {} s lost: {:.0} %",
                way.as_str(),
                cpu * f64::from(workers) / 1e4,
                STANDSTILL.as_secs(),
                lost * 100.0,
            )?;
        }
    }
    Ok(())
}

async fn round(way: Way, workers: u32) -> Result<Round, Failure> {
    let mut dispatcher = Dispatcher::start(way)?;
    let sent = Arc::new(AtomicU64::new(0));
    let mut all = JoinSet::new();
    let start = Instant::now() + Duration::from_secs(2);
    for number in 0..workers {
        let first = start + BEAT * number / workers;
        let worker = Worker {
            id: WorkerId(u64::from(number)),
            first,
            sent: Arc::clone(&sent),
        };
        let address = dispatcher.address.clone();
        match way {
            Way::Router => {
                let identity = format!("{}.1.{number:016x}", worker.id);
                let socket = Address(address).connect(&identity).await?;
                all.spawn(worker.over_router(socket));
            }
            Way::Udp => {
                let socket = UdpSocket::bind("127.0.0.1:0").await?;
                socket.connect(&address).await?;
                all.spawn(worker.over_udp(socket));
            }
        }
    }
    tokio::time::sleep_until(start).await;
    sleep(SETTLING).await;
    let (beats, cpu) = dispatcher.ask()?;
    sleep(COUNTED).await;
    let (beats_after, cpu_after) = dispatcher.ask()?;
    let cpu_us = (cpu_after - cpu) / (beats_after - beats).max(1) as f64;

    let before = sent.load(Ordering::Relaxed);
    dispatcher.signal(Signal::SIGSTOP)?;
    sleep(STANDSTILL).await;
    dispatcher.signal(Signal::SIGCONT)?;
    let during = sent.load(Ordering::Relaxed) - before;
    all.abort_all();
    // All that is on its way arrives.
    sleep(Duration::from_secs(2)).await;
    let lost = sent.load(Ordering::Relaxed) - dispatcher.ask()?.0;
    let lost = lost as f64 / during.max(1) as f64;
    Ok(Round { cpu_us, lost })
}

struct Worker {
    id: WorkerId,
    /// When it beats first.
    first: Instant,
    sent: Arc<AtomicU64>,
}

impl Worker {
    fn beat(&self) -> Vec<u8> {
        native::encode(&FromWorker {
            worker: self.id,
            session: 1,
            number: UNNUMBERED,
            body: ToDispatcher::Beat { last: 7, credit: 8 },
        })
    }

    fn beats(&self) -> tokio::time::Interval {
        let mut beats = interval_at(self.first, BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beats
    }

    async fn over_router(self, mut socket: tcp::Dealer) {
        let mut beats = self.beats();
        loop {
            tokio::select! {
                _ = beats.tick() => match socket.send(vec![self.beat().into()]).await {
                    Ok(()) => _ = self.sent.fetch_add(1, Ordering::Relaxed),
                    Err(_) => return,
                },
                answer = socket.next() => if answer.is_err() { return },
            }
        }
    }

    async fn over_udp(self, socket: UdpSocket) {
        let mut beats = self.beats();
        let mut datagram = vec![0; 2_048];
        loop {
            tokio::select! {
                _ = beats.tick() => match socket.send(&self.beat()).await {
                    Ok(_) => _ = self.sent.fetch_add(1, Ordering::Relaxed),
                    Err(_) => return,
                },
                answer = socket.recv(&mut datagram) => if answer.is_err() { return },
            }
        }
    }
}
