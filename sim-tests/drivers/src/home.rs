//! The store: `core`'s machine in a process of its own, and how it is reached over the network.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use mpcsfaas_core::store::{Notice, Op, Reply};
use mpcsfaas_core::wire::native;
use mpcsfaas_transport_real::store::connection::{Connection, Home, Unanswered};
use mpcsfaas_transport_sim::Place;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::line::{self, Line, LineReceiver, LineSender, Listener};
use crate::world::World;

/// How long a driver waits for an answer, and for a connection: as long as the judges think.
pub(crate) const PATIENCE: Duration = Duration::from_millis(500);

/// What is asked on a connection, with a number for its answer.
#[derive(Serialize, Deserialize)]
enum Question {
    Do(u64, Op),
    Ping(u64),
}

/// What is answered, or told.
#[derive(Serialize, Deserialize)]
enum Told {
    Answer(u64, Option<Reply>),
    Notice(Notice),
}

/// What can be wrong with a connection.
#[derive(Clone, Copy, Debug, Error)]
pub(crate) enum StoreTrouble {
    #[error("the store does not answer")]
    Silent,
    #[error("the connection to the store was lost")]
    Lost,
}

/// The store's process. What it has acknowledged outlives it.
///
/// # Errors
/// It cannot listen.
pub(crate) async fn serve(world: World) -> io::Result<()> {
    let listener = Listener::bind(&world, Place::Store).await?;
    let notices = broadcast::Sender::new(1_024);
    loop {
        let (who, line) = listener.accept().await?;
        tokio::spawn(serve_one(world.clone(), who, line, notices.clone()));
    }
}

async fn serve_one(world: World, who: Place, line: Line, notices: broadcast::Sender<Notice>) {
    let Line {
        mut sender,
        mut receiver,
    } = line;
    let mut heard = notices.subscribe();
    loop {
        let told = tokio::select! {
            biased;
            question = receiver.next() => {
                let question = question.and_then(|frames| {
                    native::decode::<Question>(frames.first()?).ok()
                });
                match question {
                    None => return,
                    Some(Question::Ping(number)) => Told::Answer(number, None),
                    Some(Question::Do(..)) if world.gates.is_turned_away(who) => return,
                    Some(Question::Do(number, op)) => {
                        let (reply, rung) = world.apply(who, op);
                        for notice in rung {
                            let _ = notices.send(notice);
                        }
                        Told::Answer(number, Some(reply))
                    }
                }
            }
            notice = heard.recv() => match notice {
                Ok(notice) => Told::Notice(notice),
                Err(_) => continue,
            },
        };
        if sender
            .send(&vec![native::encode(&told).into()])
            .await
            .is_err()
        {
            return;
        }
    }
}

/// Where the store is, seen from a place.
#[derive(Clone, Debug)]
pub(crate) struct SimHome {
    pub(crate) world: World,
    pub(crate) here: Place,
}

/// A connection to it.
#[derive(Clone, Debug)]
pub(crate) struct SimConnection(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    questions: mpsc::UnboundedSender<Question>,
    waiting: Arc<Waiting>,
    tasks: [JoinHandle<()>; 2],
}

#[derive(Debug, Default)]
struct Waiting(Mutex<WaitingState>);

#[derive(Debug, Default)]
struct WaitingState {
    next: u64,
    closed: bool,
    askers: BTreeMap<u64, oneshot::Sender<Option<Reply>>>,
}

/// The notices of one connection.
#[derive(Debug)]
pub(crate) struct Notices(mpsc::UnboundedReceiver<Notice>);

impl Home for SimHome {
    type Connection = SimConnection;
    type Notices = Notices;

    async fn connect(&self) -> Result<(SimConnection, Notices), StoreTrouble> {
        let connecting = async {
            let world = &self.world;
            world.gates.pass(self.here, Place::Store).await;
            line::connect_once(world, self.here, Place::Store).await
        };
        let line = timeout(PATIENCE, connecting)
            .await
            .map_err(|_| StoreTrouble::Silent)?
            .map_err(|_| StoreTrouble::Lost)?;
        let (connection, notices) = SimConnection::over(line);
        // A connection that nothing comes back on is none.
        match connection.clone().ping().await {
            Ok(()) => Ok((connection, notices)),
            Err(_) => Err(StoreTrouble::Silent),
        }
    }

    fn closed(&self) -> StoreTrouble {
        StoreTrouble::Lost
    }
}

impl SimConnection {
    fn over(line: Line) -> (SimConnection, Notices) {
        let (questions, asked) = mpsc::unbounded_channel();
        let (rung, notices) = mpsc::unbounded_channel();
        let waiting = Arc::new(Waiting::default());
        let tasks = [
            tokio::spawn(read(line.receiver, Arc::clone(&waiting), rung)),
            tokio::spawn(write(line.sender, asked)),
        ];
        let inner = Inner {
            questions,
            waiting,
            tasks,
        };
        (SimConnection(Arc::new(inner)), Notices(notices))
    }

    /// Asks, and waits as long as the connection lasts.
    pub(crate) async fn ask_patiently(self, op: Op) -> Result<Reply, StoreTrouble> {
        let (number, answered) = self.0.waiting.enter().ok_or(StoreTrouble::Lost)?;
        let _ = self.0.questions.send(Question::Do(number, op));
        answered.await.ok().flatten().ok_or(StoreTrouble::Lost)
    }

    async fn ask_in_time(
        self,
        question: impl FnOnce(u64) -> Question,
    ) -> Result<Option<Reply>, Unanswered<StoreTrouble>> {
        let (number, answered) = self
            .0
            .waiting
            .enter()
            .ok_or(Unanswered::Lost(StoreTrouble::Lost))?;
        let _ = self.0.questions.send(question(number));
        match timeout(PATIENCE, answered).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(_)) => Err(Unanswered::Lost(StoreTrouble::Lost)),
            Err(_) => Err(Unanswered::Late(StoreTrouble::Silent)),
        }
    }
}

impl Connection for SimConnection {
    type Trouble = StoreTrouble;

    async fn ask(self, op: Op) -> Result<Reply, Unanswered<StoreTrouble>> {
        let reply = self.ask_in_time(|number| Question::Do(number, op)).await?;
        reply.ok_or(Unanswered::Lost(StoreTrouble::Lost))
    }

    async fn ping(self) -> Result<(), Unanswered<StoreTrouble>> {
        self.ask_in_time(Question::Ping).await.map(|_| ())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Waiting {
    fn state(&self) -> MutexGuard<'_, WaitingState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self) -> Option<(u64, oneshot::Receiver<Option<Reply>>)> {
        let mut state = self.state();
        if state.closed {
            return None;
        }
        state.next += 1;
        let number = state.next;
        let (asker, answered) = oneshot::channel();
        state.askers.insert(number, asker);
        Some((number, answered))
    }
}

async fn read(
    mut receiver: LineReceiver,
    waiting: Arc<Waiting>,
    rung: mpsc::UnboundedSender<Notice>,
) {
    while let Some(frames) = receiver.next().await {
        match frames.first().map(|body| native::decode(body)) {
            Some(Ok(Told::Answer(number, reply))) => {
                let asker = waiting.state().askers.remove(&number);
                // One that has given up is passed over.
                if let Some(asker) = asker {
                    let _ = asker.send(reply);
                }
            }
            Some(Ok(Told::Notice(notice))) => _ = rung.send(notice),
            Some(Err(_)) | None => break,
        }
    }
    let mut state = waiting.state();
    state.closed = true;
    state.askers.clear();
}

async fn write(mut sender: LineSender, mut asked: mpsc::UnboundedReceiver<Question>) {
    while let Some(question) = asked.recv().await {
        if sender
            .send(&vec![native::encode(&question).into()])
            .await
            .is_err()
        {
            return;
        }
    }
}

impl Stream for Notices {
    type Item = Notice;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Notice>> {
        self.0.poll_recv(context)
    }
}
