//! A script: steps of a few sockets, and which of their outcomes are told.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpSocket;

use super::Pairing;
use super::sockets::{Burst, Caller, END, Kind, ROUTER, Sockets, Who};
use super::words::{Frame, Frames, Word};
use crate::wait::wait_for;

/// A bound on what comes.
const PATIENCE: Duration = Duration::from_secs(10);

/// A bound on what may not come, where nothing that does come can show it.
const SHORT: Duration = Duration::from_secs(1);

/// A bound on when a connection goes on whose reader stood still: the kernel tries it again after
/// pauses that grow with the time that it had to wait. 200 marks take as long.
const AWAKENING: Duration = Duration::from_secs(60);

/// After so long without a message it is time to mark the end (again).
const PAUSE: Duration = Duration::from_millis(300);

/// After so long without a message none is coming. If it is too short, some seem lost that are not.
const QUIET: Duration = Duration::from_secs(2);

/// One step.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// The ROUTER is bound; again, in the same place.
    Bind,
    /// A socket connects to it. `somebody`: the ROUTER is bound at this time.
    Connect {
        who: Who,
        kind: Kind,
        identity: &'static str,
        somebody: bool,
    },
    /// A message is sent. The ROUTER's begin with the identity.
    Send(Who, Frames),
    /// A message is received.
    Receive(Who, Patience),
    /// Numbered messages are sent until one is not taken.
    Fill(Who, Burst),
    /// What [`Step::Fill`] sent is read, to its end.
    Drain { end: End, at: Who },
    /// A socket notices that a connection ended. Of the ROUTER: that of an identity.
    Notice(Who, Option<&'static str>, Patience),
    /// The ROUTER has one more connection.
    LetIn,
    /// A socket is closed. `linger`: what it was given is still sent.
    Close { who: Who, linger: bool },
}

/// How the end of numbered messages is known.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// This peer marks it.
    Peer(Who),
    /// The ROUTER marks it, for this identity.
    Router(&'static str),
    /// Nobody does, and all should come.
    AllCame,
    /// Nobody does, and some may be lost: none comes for a while.
    NoneComes,
}

/// How long something is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Patience {
    /// It comes.
    Long,
    /// It may not come.
    Short,
}

impl Patience {
    fn limit(self) -> Duration {
        match self {
            Patience::Long => PATIENCE,
            Patience::Short => SHORT,
        }
    }
}

/// A script.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) name: &'static str,
    steps: Vec<(Option<&'static str>, Step)>,
    pairings: &'static [Pairing],
}

/// A DEALER connects where somebody is.
pub(super) fn connect(who: Who) -> Step {
    connect_as(who, who)
}

/// The same under this identity.
pub(super) fn connect_as(who: Who, identity: &'static str) -> Step {
    Step::Connect {
        who,
        kind: Kind::Dealer,
        identity,
        somebody: true,
    }
}

/// A message of these frames.
pub(super) fn message(frames: &[&str]) -> Frames {
    let text = |frame: &&str| Frame::Text((*frame).to_owned());
    frames.iter().map(text).collect()
}

impl Script {
    pub(super) fn new(name: &'static str) -> Script {
        let script = Script {
            name,
            steps: Vec::new(),
            pairings: &Pairing::ALL,
        };
        script.and(Step::Bind)
    }

    /// It is played on these pairings only.
    pub(super) fn only(mut self, pairings: &'static [Pairing]) -> Script {
        self.pairings = pairings;
        self
    }

    /// Whether it is played on this pairing.
    pub(super) fn is_for(&self, pairing: Pairing) -> bool {
        self.pairings.contains(&pairing)
    }

    /// Then this, which goes as usual.
    pub(super) fn and(mut self, step: Step) -> Script {
        self.steps.push((None, step));
        self
    }

    /// Then this, and what comes of it is told.
    pub(super) fn tell(mut self, label: &'static str, step: Step) -> Script {
        self.steps.push((Some(label), step));
        self
    }

    /// A DEALER connects, says `hi`, and is heard.
    pub(super) fn meet(self, who: Who) -> Script {
        self.meet_as(who, who)
    }

    /// The same under this identity.
    pub(super) fn meet_as(self, who: Who, identity: &'static str) -> Script {
        self.and(connect_as(who, identity))
            .and(Step::Send(who, message(&["hi"])))
            .and(Step::Receive(ROUTER, Patience::Long))
    }

    /// Plays it. Says what is told, or at which step it did not go as usual.
    pub(super) async fn play(&self, sockets: &mut impl Sockets) -> String {
        let mut told = Vec::new();
        let anywhere = (Ipv4Addr::LOCALHOST, 0).into();
        // Kept for as long as the script is played: nobody else is given this port, also while the
        // ROUTER is away. It is not listened on.
        let port = reserve(anywhere).expect("a free port");
        let address = port.local_addr().expect("it is bound");
        let mut taken = 0;
        for (label, step) in &self.steps {
            let word = take(step, sockets, address, &mut taken).await;
            match label {
                Some(label) => told.push(format!("{label}: {word}")),
                None if word.is_usual() => {}
                None => {
                    told.push(format!("STOPS at {step:?}: {word}"));
                    break;
                }
            }
        }
        told.join("; ")
    }
}

async fn take(
    step: &Step,
    sockets: &mut impl Sockets,
    address: SocketAddr,
    taken: &mut usize,
) -> Word {
    let endpoint = format!("tcp://{address}");
    match step {
        Step::Bind => {
            sockets.bind(&endpoint).await;
            Word::Done
        }
        Step::Connect {
            who,
            kind,
            identity,
            somebody,
        } => {
            let caller = Caller {
                who,
                kind: *kind,
                identity,
                somebody: *somebody,
            };
            sockets.connect(caller, &endpoint).await
        }
        Step::Send(who, frames) => sockets.send(who, frames, SHORT).await,
        Step::Receive(who, patience) => sockets.receive(who, patience.limit()).await,
        Step::Fill(who, burst) => {
            let filled = sockets.fill(who, *burst).await;
            if let Word::Filled(count, _) = filled {
                *taken += count;
            }
            filled
        }
        Step::Drain { end, at } => drain(*end, at, *taken, sockets).await,
        Step::Notice(who, of, patience) => sockets.notice(who, *of, patience.limit()).await,
        Step::LetIn => sockets.let_in().await,
        Step::Close { who, linger } => {
            sockets.close(who, *linger).await;
            if *who == ROUTER {
                // Both libraries are still listening for a moment, and would let somebody in.
                wait_for("nobody listens", PATIENCE, || reserve(address).ok()).await;
            }
            Word::Done
        }
    }
}

/// A port, without listening on it. Fails while somebody does.
fn reserve(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// How often the end is marked at most: a mark that finds a queue full is lost, too.
const MARKS: usize = 200;

async fn drain(end: End, at: Who, taken: usize, sockets: &mut impl Sockets) -> Word {
    let (mut count, mut ordered) = (0, true);
    let (want, quiet) = match end {
        End::Peer(_) | End::Router(_) => (usize::MAX, PAUSE),
        End::AllCame => (taken, AWAKENING),
        End::NoneComes => (taken, QUIET),
    };
    for _ in 0..MARKS {
        match end {
            End::Peer(who) => sockets.send(who, &message(&[END]), PAUSE).await,
            End::Router(to) => sockets.send(ROUTER, &message(&[to, END]), PAUSE).await,
            End::AllCame | End::NoneComes => Word::Done,
        };
        let drained = sockets.drain(at, want, quiet).await;
        count += drained.count;
        ordered &= drained.ordered;
        if drained.end || matches!(end, End::AllCame | End::NoneComes) {
            break;
        }
    }
    match ordered {
        // How many get away before a process ends is a race.
        true if matches!(end, End::NoneComes) => Word::TheFirstArrive,
        true if count >= taken => Word::AllArrive,
        true => Word::SomeAreLost,
        false => Word::Mixed,
    }
}
