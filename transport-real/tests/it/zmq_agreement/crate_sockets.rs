//! Sockets of the `zeromq` crate, owned as ours are: one task sends, in the order in which it was
//! told to, and stands still while a send waits.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use zeromq::{
    DealerRecvHalf, DealerSocket, RouterRecvHalf, RouterSocket, Socket, SocketEvent, SocketOptions,
    SocketRecv, SocketSend, ZmqMessage, ZmqResult,
};

use super::sockets::{Burst, Caller, Drained, Kind, ROUTER, Sockets, Tally, Who};
use super::words::{Frame, Frames, Word};

/// A bound on what the library does by itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sockets of the crate by their names, each in a runtime of its own, as in a process of its own.
#[derive(Default)]
pub(super) struct ZeromqCrate {
    sockets: BTreeMap<Who, (Owned, Process)>,
    /// Those whose socket is closed.
    outlive: Vec<Process>,
}

/// A runtime. When it is dropped, what runs there ends where it stands.
struct Process(Option<Runtime>);

struct Owned {
    orders: mpsc::UnboundedSender<Order>,
    owner: JoinHandle<()>,
    receiver: Receiver,
    events: Box<dyn Stream<Item = SocketEvent> + Send + Unpin>,
    /// What came while something else was waited for.
    inbox: VecDeque<ZmqMessage>,
    /// Events that came meanwhile.
    news: VecDeque<SocketEvent>,
}

enum Receiver {
    Router(RouterRecvHalf),
    Dealer(DealerRecvHalf),
}

/// A message, and whom to tell that it was taken.
type Order = (ZmqMessage, oneshot::Sender<ZmqResult<()>>);

async fn obey<S: SocketSend>(mut sender: S, mut orders: mpsc::UnboundedReceiver<Order>) {
    while let Some((message, taken)) = orders.recv().await {
        let _ = taken.send(sender.send(message).await);
    }
}

impl Owned {
    fn new<S: SocketSend + Send + 'static>(
        sender: S,
        receiver: Receiver,
        events: impl Stream<Item = SocketEvent> + Send + Unpin + 'static,
    ) -> Owned {
        let (orders, queue) = mpsc::unbounded_channel();
        Owned {
            orders,
            owner: tokio::spawn(obey(sender, queue)),
            receiver,
            events: Box::new(events),
            inbox: VecDeque::new(),
            news: VecDeque::new(),
        }
    }

    async fn send(&mut self, message: ZmqMessage, limit: Duration) -> Word {
        let (taken, answer) = oneshot::channel();
        let sent = self.orders.send((message, taken));
        assert!(sent.is_ok(), "the owner lives as long as the socket");
        match timeout(limit, answer).await {
            Ok(Ok(Ok(()))) => Word::Taken,
            Ok(Ok(Err(_))) => Word::Refused,
            Ok(Err(_)) | Err(_) => Word::Waits,
        }
    }

    async fn receive(&mut self, limit: Duration) -> Option<ZmqMessage> {
        if let Some(message) = self.inbox.pop_front() {
            return Some(message);
        }
        timeout(limit, self.receiver.recv()).await.ok()?.ok()
    }

    /// Reads on, as our drivers do, until something befalls a connection.
    async fn sees(&mut self, limit: Duration, wanted: impl Fn(&SocketEvent) -> bool) -> Word {
        if let Some(place) = self.news.iter().position(&wanted) {
            self.news.remove(place);
            return Word::Noticed;
        }
        let seen = async {
            loop {
                tokio::select! {
                    message = self.receiver.recv() => self.inbox.extend(message),
                    event = self.events.next() => match event {
                        Some(event) if wanted(&event) => return,
                        Some(event) => self.news.push_back(event),
                        None => std::future::pending().await,
                    },
                }
            }
        };
        match timeout(limit, seen).await {
            Ok(()) => Word::Noticed,
            Err(_) => Word::Nothing,
        }
    }
}

impl Process {
    /// Runs this in a new one.
    async fn run<T: Send + 'static>(
        task: impl Future<Output = T> + Send + 'static,
    ) -> (T, Process) {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        let runtime = runtime.expect("a thread");
        let done = runtime.spawn(task).await.expect("it does not panic");
        (done, Process(Some(runtime)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Receiver {
    async fn recv(&mut self) -> ZmqResult<ZmqMessage> {
        match self {
            Receiver::Router(half) => half.recv().await,
            Receiver::Dealer(half) => half.recv().await,
        }
    }
}

impl ZeromqCrate {
    fn of(&mut self, who: Who) -> &mut Owned {
        let (owned, _) = self.sockets.get_mut(who).expect("a socket of the script");
        owned
    }
}

impl Sockets for ZeromqCrate {
    async fn bind(&mut self, endpoint: &str) {
        let endpoint = endpoint.to_owned();
        let bind = async move {
            let mut socket = RouterSocket::new();
            socket.bind(&endpoint).await.expect("a free port");
            let events = socket.monitor();
            let (sender, receiver) = socket.split();
            Owned::new(sender, Receiver::Router(receiver), events)
        };
        self.sockets.insert(ROUTER, Process::run(bind).await);
    }

    async fn connect(&mut self, caller: Caller, endpoint: &str) -> Word {
        assert_eq!(caller.kind, Kind::Dealer, "none of our processes has a REQ");
        let mut options = SocketOptions::default();
        let identity = caller.identity.parse().expect("an identity");
        options.peer_identity(identity).connect_timeout(PATIENCE);
        let endpoint = endpoint.to_owned();
        let connect = async move {
            let mut socket = DealerSocket::with_options(options);
            let events = socket.monitor();
            // `connect` returns when somebody is there; until then the socket has no connection.
            if caller.somebody {
                socket.connect(&endpoint).await.expect("somebody is there");
            }
            let (sender, receiver) = socket.split();
            Owned::new(sender, Receiver::Dealer(receiver), events)
        };
        let connected = Process::run(connect).await;
        self.sockets.insert(caller.who, connected);
        Word::Done
    }

    async fn send(&mut self, who: Who, frames: &Frames, limit: Duration) -> Word {
        self.of(who).send(to_wire(frames), limit).await
    }

    async fn fill(&mut self, who: Who, burst: Burst) -> Word {
        let socket = self.of(who);
        let padding = Bytes::from(vec![b'x'; burst.size]);
        for number in 0..burst.limit {
            let mut message = ZmqMessage::from(number.to_string());
            message.push_back(padding.clone());
            if let Some(to) = burst.to {
                message.push_front(to.into());
            }
            let word = socket.send(message, burst.stuck).await;
            if word != Word::Taken {
                return Word::Filled(number, Box::new(word));
            }
        }
        Word::Filled(burst.limit, Box::new(Word::Taken))
    }

    async fn receive(&mut self, who: Who, limit: Duration) -> Word {
        match self.of(who).receive(limit).await {
            Some(message) => Word::Heard(from_wire(&message)),
            None => Word::Nothing,
        }
    }

    async fn drain(&mut self, who: Who, want: usize, limit: Duration) -> Drained {
        let socket = self.of(who);
        let mut tally = Tally::new(who);
        while let Some(message) = socket.receive(limit).await {
            if !tally.take(from_wire(&message), want) {
                break;
            }
        }
        tally.drained()
    }

    async fn notice(&mut self, who: Who, of: Option<&'static str>, limit: Duration) -> Word {
        let ended = |event: &SocketEvent| match event {
            SocketEvent::Disconnected(peer) => of.is_none_or(|of| peer.as_ref() == of.as_bytes()),
            _ => false,
        };
        self.of(who).sees(limit, ended).await
    }

    async fn let_in(&mut self) -> Word {
        let accepted = |event: &SocketEvent| matches!(event, SocketEvent::Accepted(..));
        self.of(ROUTER).sees(PATIENCE, accepted).await
    }

    async fn close(&mut self, who: Who, linger: bool) {
        let (socket, process) = self.sockets.remove(who).expect("a socket of the script");
        if linger {
            self.outlive.push(process);
        }
        socket.owner.abort();
        let _ = socket.owner.await;
    }
}

fn to_wire(frames: &Frames) -> ZmqMessage {
    let frames: Vec<Bytes> = frames.iter().map(|frame| frame.bytes().into()).collect();
    ZmqMessage::try_from(frames).expect("a message has frames")
}

fn from_wire(message: &ZmqMessage) -> Frames {
    message.iter().map(|frame| Frame::read(frame)).collect()
}
