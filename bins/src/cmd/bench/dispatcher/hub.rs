//! The thread that is measured, with a dispatcher or an echo on it, and what is around it.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{io, thread};

use bytes::Bytes;
use mpcsfaas_core::id::{FunctionId, TaskId, WorkerId};
use mpcsfaas_core::store::op::{Mode, Submission};
use mpcsfaas_core::store::{self, Op};
use mpcsfaas_core::task::{Function, Options, Versions};
use mpcsfaas_transport_real::embedded;
use mpcsfaas_transport_real::store::StoreHandle;
use mpcsfaas_transport_real::zmq::guard::Limits;
use mpcsfaas_transport_real::zmq::socket::{Endpoint, Event, Socket};
use mpcsfaas_transport_real::zmq::tcp::Address;
use nix::time::{ClockId, clock_gettime};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use zeromq::{RouterSocket, Socket as _, SocketRecv, SocketSend, ZmqMessage};

use super::stub::{Stub, Tally};
use super::{BenchDispatcherError as Error, DispatcherArgs, Round};
use crate::cmd::dispatcher::{Remote, config};

const ANY_PORT: &str = "tcp://127.0.0.1:0";

/// A round in which nothing happens for so long is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// So many tasks are queued in one request.
const BATCH: u64 = 1_000;

const FUNCTION: FunctionId = FunctionId(1);

/// What went through the hub's sockets, without what ZMTP adds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Traffic {
    pub(super) messages_in: u64,
    pub(super) messages_out: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
}

impl Traffic {
    /// The same bytes in as many messages each way as there are tasks.
    pub(super) fn each(self, tasks: u64) -> Traffic {
        Traffic {
            messages_in: tasks,
            messages_out: tasks,
            ..self
        }
    }
}

/// Takes all tasks through a dispatcher.
///
/// # Errors
/// See [`Error`].
pub(super) async fn dispatch(args: &DispatcherArgs, guarded: bool) -> Result<Round, Error> {
    let store = queue_of(args).await?;
    let hub = Measured::start(move |bound, leave| async move {
        let config = config(Mode::Push);
        let limits = guarded.then(Limits::default);
        match Remote::bind_with(config, ANY_PORT, limits).await {
            Ok(remote) => {
                let _ = bound.send(Ok(remote.endpoint().to_owned()));
                remote.run_until(store, leave).await;
            }
            Err(error) => drop(bound.send(Err(Error::Bind(error)))),
        }
    })?;
    let result = Bytes::from(vec![b'r'; args.result as usize]);
    let stub = |id, tally| Stub {
        id,
        credit: args.credit,
        result: result.clone(),
        tally,
    };
    let (tasks, workers) = (args.tasks, args.workers);
    hub.round(tasks, workers, |id, endpoint, tally| {
        stub(id, tally).work(endpoint)
    })
    .await
}

/// A store with all tasks in its queue.
async fn queue_of(args: &DispatcherArgs) -> Result<StoreHandle, Error> {
    let store = embedded::in_memory(store::Config::default());
    let function = Function {
        name: "noop".to_owned(),
        body: Bytes::from_static(b"a function that no Python sees"),
        options: Options::default(),
        pickled_by: Versions::default(),
    };
    let id = FUNCTION;
    store.call(Op::PutFunction { id, function }).await?;
    let params = Bytes::from(vec![b'p'; args.params as usize]);
    for first in (0..args.tasks).step_by(BATCH as usize) {
        let submission = |_| Submission {
            task: TaskId(rand::random()),
            function: FUNCTION,
            params: params.clone(),
            options: Options::default(),
        };
        let batch = first..args.tasks.min(first + BATCH);
        store
            .call(Op::Submit(batch.map(submission).collect()))
            .await?;
    }
    Ok(store)
}

/// What each peer of an echo says, and is answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Echo {
    peers: u32,
    /// Messages of each peer.
    messages: u64,
    /// How many of them may be unanswered.
    window: u64,
    /// Answers to each, in the mean.
    answers: f64,
    bytes_in: usize,
    bytes_out: usize,
}

impl Echo {
    /// As many messages as that, of their mean size. A peer has as many unanswered as a stub worker,
    /// whose credit is `credit` of `tasks`.
    pub(super) fn of(traffic: Traffic, args: &DispatcherArgs) -> Echo {
        let mean = |bytes: u64, messages: u64| (bytes / messages.max(1)) as usize;
        let window = traffic.messages_in * u64::from(args.credit) / args.tasks;
        Echo {
            peers: args.workers,
            messages: traffic.messages_in / u64::from(args.workers),
            window: window.max(1),
            answers: traffic.messages_out as f64 / traffic.messages_in.max(1) as f64,
            bytes_in: mean(traffic.bytes_in, traffic.messages_in),
            bytes_out: mean(traffic.bytes_out, traffic.messages_out),
        }
    }

    /// How many answers there are to the first so many messages of a peer.
    fn answers_to(&self, messages: u64) -> u64 {
        (messages as f64 * self.answers) as u64
    }
}

/// Takes as many messages through a bare ROUTER.
///
/// # Errors
/// See [`Error`].
pub(super) async fn echo(echo: Echo) -> Result<Round, Error> {
    let hub = Measured::start(move |bound, leave| async move {
        let mut socket = RouterSocket::new();
        match socket.bind(ANY_PORT).await {
            Ok(endpoint) => {
                let _ = bound.send(Ok(endpoint.to_string()));
                tokio::select! {
                    _ = answer_all(socket, echo.bytes_out) => {}
                    _ = leave => {}
                }
            }
            Err(error) => drop(bound.send(Err(Error::Socket(error.to_string())))),
        }
    })?;
    let answers = echo.answers_to(echo.messages) * u64::from(echo.peers);
    hub.round(answers, echo.peers, |id, endpoint, tally| async move {
        let connected = endpoint.connect(&id.to_string()).await;
        let socket = connected.map_err(|error| error.to_string())?;
        // Whatever ends it, the hub is the one that is asked.
        let _ = ask(echo, socket, &tally).await;
        Ok(())
    })
    .await
}

/// Answers each message as often as its first byte says.
async fn answer_all(mut socket: RouterSocket, size: usize) -> zeromq::ZmqResult<()> {
    let answer = Bytes::from(vec![b'a'; size]);
    loop {
        let mut frames = socket.recv().await?.into_vec().into_iter();
        let (Some(identity), Some(body)) = (frames.next(), frames.next()) else {
            continue;
        };
        for _ in 0..body.first().copied().unwrap_or_default() {
            let mut message = ZmqMessage::from(answer.clone());
            message.push_front(identity.clone());
            socket.send(message).await?;
        }
    }
}

/// A peer of the echo: asks until it has asked enough, and has all answers.
async fn ask<S: Socket>(echo: Echo, mut socket: S, tally: &Tally) -> Result<(), S::Error> {
    let mut heard = 0;
    for message in 0..echo.messages {
        while heard < echo.answers_to((message + 1).saturating_sub(echo.window)) {
            heard += hear(&mut socket, tally).await?;
        }
        let answers = echo.answers_to(message + 1) - echo.answers_to(message);
        let mut body = vec![b'q'; echo.bytes_in.max(1)];
        body[0] = answers as u8;
        tally.said(body.len());
        socket.send(vec![body.into()]).await?;
    }
    while heard < echo.answers_to(echo.messages) {
        heard += hear(&mut socket, tally).await?;
    }
    Ok(())
}

async fn hear<S: Socket>(socket: &mut S, tally: &Tally) -> Result<u64, S::Error> {
    if let Event::Received(frames) = socket.next().await? {
        tally.heard(frames.first().map_or(0, Bytes::len));
        tally.done(1);
        return Ok(1);
    }
    Ok(0)
}

/// Answers with the processor time of its thread.
type Question = oneshot::Sender<io::Result<Duration>>;

/// Says where it is bound, or why not.
type Bound = oneshot::Sender<Result<String, Error>>;

/// The thread that is measured.
struct Measured {
    bound: oneshot::Receiver<Result<String, Error>>,
    questions: mpsc::Sender<Question>,
    /// Dropped, it lets the thread end.
    _leave: oneshot::Sender<()>,
}

impl Measured {
    fn start<W: Future<Output = ()>>(
        work: impl FnOnce(Bound, oneshot::Receiver<()>) -> W + Send + 'static,
    ) -> Result<Measured, Error> {
        let (bound_in, bound) = oneshot::channel();
        let (leave_in, leave) = oneshot::channel();
        let (questions, mut asked) = mpsc::channel::<Question>(1);
        on_thread("hub", move || async move {
            let clock = tokio::spawn(async move {
                while let Some(question) = asked.recv().await {
                    let _ = question.send(processor_time());
                }
            });
            work(bound_in, leave).await;
            clock.abort();
        })?;
        Ok(Measured {
            bound,
            questions,
            _leave: leave_in,
        })
    }

    /// Lets so many workers loose on it until so much is done.
    async fn round<W>(
        self,
        until: u64,
        workers: u32,
        work: impl Fn(WorkerId, Address, Arc<Tally>) -> W,
    ) -> Result<Round, Error>
    where
        W: Future<Output = Result<(), String>> + Send + 'static,
    {
        let gone = |_| Error::Stuck(Duration::ZERO);
        let endpoint = self.bound.await.map_err(gone)??;
        let tally = Arc::new(Tally::default());
        let work = |id| work(WorkerId(id), Address(endpoint.clone()), tally.clone());
        let peers: Vec<W> = (1..=u64::from(workers)).map(work).collect();
        let before = time_of(&self.questions).await?;
        let begun = Instant::now();
        let (failed_in, mut failed) = oneshot::channel();
        on_thread("stubs", move || async move {
            let mut peers = JoinSet::from_iter(peers);
            while let Some(ended) = peers.join_next().await {
                if let Ok(Err(error)) = ended {
                    let _ = failed_in.send(error);
                    return;
                }
            }
        })?;
        if !tally.reaches(until, PATIENCE).await {
            return Err(match failed.try_recv() {
                Ok(error) => Error::Socket(error),
                Err(_) => Error::Stuck(PATIENCE),
            });
        }
        let wall = begun.elapsed();
        let after = time_of(&self.questions).await?;
        Ok(Round {
            wall,
            cpu: after.saturating_sub(before),
            traffic: tally.traffic(),
        })
    }
}

async fn time_of(thread: &mpsc::Sender<Question>) -> Result<Duration, Error> {
    let (question, answer) = oneshot::channel();
    let gone = || Error::Stuck(Duration::ZERO);
    thread.send(question).await.map_err(|_| gone())?;
    answer.await.map_err(|_| gone())?.map_err(Error::Thread)
}

fn processor_time() -> io::Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

/// Runs a future on a thread and a runtime of its own.
fn on_thread<W: Future<Output = ()>>(
    name: &str,
    work: impl FnOnce() -> W + Send + 'static,
) -> Result<(), Error> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Thread)?;
    let run = move || {
        runtime.block_on(work());
        runtime.shutdown_background();
    };
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn(run).map_err(Error::Thread)?;
    Ok(())
}
