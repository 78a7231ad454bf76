//! A slot: one child after the other, as seen over its pipes.
//!
//! A slot is one task. All orders reach it through one channel, so an order for a child that is
//! gone is told from one for the next child by the `Spawn` between them. What the child sends is
//! reported as facts, in order, and its `Exited` is always the last of its life.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use mpcsfaas_core::id::{Attempt, FunctionId, TaskId};
use mpcsfaas_core::task::{Function, Outcome};
use mpcsfaas_core::worker::child::{ChildFact, ChildOrder, SlotId};
use nix::sys::signal::Signal;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::Sleep;

use super::cache::{CacheLimit, Missing, Sent};
use super::capture::Capture;
use super::child::{Exit, Launcher, Sink, Source, Started};
use super::frame::{self, FrameError, Reply};

/// How much is read from a pipe at a time, in bytes: what a pipe holds on Linux.
const READ_SIZE: usize = 64 << 10;

/// The most that is taken from the capture pipe at a reply. A pipe holds less; but a thread that a
/// task left behind may print as fast as this process reads.
const DRAIN_LIMIT: usize = 1 << 20;

/// How long a child that closed its pipes may take to exit, and so to tell its exit code.
const CLOSE_GRACE: Duration = Duration::from_millis(250);

/// What bounds a child.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest pickled result, in bytes.
    pub max_result: usize,
    /// Kept of each task's output, in bytes.
    pub capture: usize,
    /// Kept of functions.
    pub cache: CacheLimit,
    /// To become ready.
    pub start: Duration,
}

/// An order to one slot.
#[derive(Debug)]
pub(super) enum Order {
    Spawn,
    Execute(Run),
    Signal(Signal),
}

/// A task to run.
#[derive(Debug)]
pub(super) struct Run {
    task: TaskId,
    attempt: Attempt,
    function: FunctionId,
    body: Arc<Function>,
    params: Bytes,
}

impl Order {
    /// The slot that is meant, and what it shall do.
    pub(super) fn from_machine(order: ChildOrder) -> (SlotId, Order) {
        match order {
            ChildOrder::Spawn { slot } => (slot, Order::Spawn),
            ChildOrder::Execute {
                slot,
                task,
                attempt,
                function,
                body,
                params,
            } => {
                let run = Run {
                    task,
                    attempt,
                    function,
                    body,
                    params,
                };
                (slot, Order::Execute(run))
            }
            ChildOrder::Terminate { slot } => (slot, Order::Signal(Signal::SIGTERM)),
            ChildOrder::Kill { slot } => (slot, Order::Signal(Signal::SIGKILL)),
        }
    }
}

/// The slots, or the receiver of the facts, are gone.
#[derive(Debug)]
struct Abandoned;

/// Why this side killed a child that no order had condemned.
#[derive(Debug, Error)]
enum Offence {
    #[error("it sent {0}")]
    Frame(#[from] FrameError),
    #[error("it sent a reply for a task that it does not run")]
    Reply,
    #[error("it was not ready after {0:?}")]
    NotReady(Duration),
    #[error("it closed its pipes to the worker and ran on")]
    Closed,
}

/// One slot.
#[derive(Debug)]
pub(super) struct Slot<L> {
    pub(super) id: SlotId,
    pub(super) limits: Limits,
    pub(super) orders: mpsc::UnboundedReceiver<Order>,
    pub(super) facts: mpsc::Sender<ChildFact>,
    pub(super) launcher: L,
}

impl<L: Launcher> Slot<L> {
    /// Lives until it is dropped.
    pub(super) async fn serve(mut self) {
        while let Some(order) = self.orders.recv().await {
            let Order::Spawn = order else {
                tracing::debug!(slot = self.id, ?order, "the child is gone already");
                continue;
            };
            let Ok(last) = self.live().await else {
                break;
            };
            if self.facts.send(last).await.is_err() {
                break;
            }
        }
        self.launcher.signal(Signal::SIGKILL);
    }

    /// One child from start to end; returns its last fact.
    async fn live(&mut self) -> Result<ChildFact, Abandoned> {
        match self.launcher.launch().await {
            Ok(started) => Child::new(self, started).run().await,
            Err(error) => {
                let reason = format!("mpcsfaas: the Python process cannot be started: {error}\n");
                Ok(self.exited(Exit::UNKNOWN, reason.into()))
            }
        }
    }

    fn exited(&self, exit: Exit, output: Bytes) -> ChildFact {
        ChildFact::Exited {
            slot: self.id,
            code: exit.code,
            signal: exit.signal,
            output,
        }
    }
}

impl Offence {
    fn note(&self) -> String {
        format!("mpcsfaas: the Python process was killed: {self}\n")
    }
}

/// A living child.
struct Child<'a, L: Launcher> {
    slot: &'a mut Slot<L>,
    pipes: Started<L::Sink, L::Source>,
    unsent: VecDeque<Bytes>,
    unread: BytesMut,
    capture: Capture,
    scratch: Vec<u8>,
    sent: Sent,
    ready: bool,
    running: Option<(TaskId, Attempt)>,
    /// Whether replies and output may still come.
    open: Open,
    /// When the child is killed, and for what.
    doom: Option<(Pin<Box<Sleep>>, Offence)>,
    /// What this side has to add to the output.
    notes: String,
}

#[derive(Clone, Copy)]
struct Open {
    replies: bool,
    capture: bool,
}

impl<'a, L: Launcher> Child<'a, L> {
    fn new(slot: &'a mut Slot<L>, pipes: Started<L::Sink, L::Source>) -> Child<'a, L> {
        let limits = slot.limits;
        Child {
            slot,
            pipes,
            unsent: VecDeque::new(),
            unread: BytesMut::new(),
            capture: Capture::new(limits.capture),
            scratch: vec![0; READ_SIZE],
            sent: Sent::new(limits.cache),
            ready: false,
            running: None,
            open: Open {
                replies: true,
                capture: true,
            },
            doom: Some((
                Box::pin(tokio::time::sleep(limits.start)),
                Offence::NotReady(limits.start),
            )),
            notes: String::new(),
        }
    }

    /// Serves the child until it is reaped; returns its last fact.
    async fn run(mut self) -> Result<ChildFact, Abandoned> {
        let exit = loop {
            tokio::select! {
                biased;
                order = self.slot.orders.recv() => match order.ok_or(Abandoned)? {
                    Order::Execute(run) => self.execute(run),
                    Order::Signal(signal) => self.slot.launcher.signal(signal),
                    Order::Spawn => debug_assert!(false, "the slot has a child"),
                },
                exit = &mut self.pipes.exited => break exit.map_err(|_| Abandoned)?,
                _ = self.pipes.replies.readable(), if self.open.replies => {
                    self.read_replies().await?;
                }
                _ = self.pipes.requests.writable(), if !self.unsent.is_empty() => self.flush(),
                _ = self.pipes.capture.readable(), if self.open.capture => self.read_capture(),
                () = due(&mut self.doom) => self.carry_out_doom(),
            }
        };
        self.read_last_replies().await?;
        self.drain_capture();
        Ok(self.last_fact(exit))
    }

    fn last_fact(&mut self, exit: Exit) -> ChildFact {
        if !self.ready && self.notes.is_empty() {
            self.notes =
                format!("mpcsfaas: the Python process ended before it was ready ({exit})\n");
        }
        let printed = self.capture.take();
        let output = match (printed.is_empty(), self.notes.is_empty()) {
            (_, true) => printed,
            (true, false) => std::mem::take(&mut self.notes).into(),
            (false, false) => [&printed, self.notes.as_bytes()].concat().into(),
        };
        self.slot.exited(exit, output)
    }

    /// Condemns the child for what it did, and listens to its replies no longer.
    fn condemn(&mut self, offence: &Offence) {
        tracing::warn!(slot = self.slot.id, %offence, "killing a Python process");
        self.notes.push_str(&offence.note());
        self.open.replies = false;
        self.unsent.clear();
        self.doom = None;
        self.slot.launcher.signal(Signal::SIGKILL);
    }

    fn carry_out_doom(&mut self) {
        if let Some((_, offence)) = self.doom.take() {
            self.condemn(&offence);
        }
    }

    /// A closed pipe is usually the first sign of an exit, which will say more.
    fn closed(&mut self) {
        self.open.replies = false;
        self.unsent.clear();
        let grace = Box::pin(tokio::time::sleep(CLOSE_GRACE));
        self.doom = Some((grace, Offence::Closed));
    }

    // To the child.

    fn execute(&mut self, run: Run) {
        debug_assert!(self.running.is_none(), "the child runs a task");
        self.running = Some((run.task, run.attempt));
        match self.enqueue(run) {
            Ok(()) => self.flush(),
            Err(error) => self.condemn(&error.into()),
        }
    }

    fn enqueue(&mut self, run: Run) -> Result<(), FrameError> {
        if !self.open.replies {
            return Ok(()); // It is about to end; that is the answer.
        }
        if let Missing::Body(forget) = self.sent.touch(run.function, run.body.body.len()) {
            for function in forget {
                self.unsent.push_back(frame::forget(function)?);
            }
            self.unsent.extend(frame::keep(run.function, &run.body)?);
        }
        let frame = frame::run(run.task, run.attempt, run.function, run.params)?;
        self.unsent.extend(frame);
        Ok(())
    }

    /// Writes as much as the pipe takes.
    fn flush(&mut self) {
        while !self.unsent.is_empty() {
            let slices: Vec<IoSlice<'_>> =
                self.unsent.iter().map(|part| IoSlice::new(part)).collect();
            match self.pipes.requests.try_write_vectored(&slices) {
                Ok(written) => advance(&mut self.unsent, written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => return self.closed(),
            }
        }
    }

    // From the child.

    async fn read_replies(&mut self) -> Result<(), Abandoned> {
        self.unread.reserve(READ_SIZE);
        match self.pipes.replies.try_read_buf(&mut self.unread) {
            Ok(0) => self.closed(),
            Ok(_) => self.take_replies().await?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.closed(),
        }
        Ok(())
    }

    /// After the exit: what the child had sent counts, even if it died right after.
    async fn read_last_replies(&mut self) -> Result<(), Abandoned> {
        while self.open.replies {
            match self.pipes.replies.read_now(&mut self.scratch) {
                Ok(0) | Err(_) => break,
                Ok(count) => self.unread.extend_from_slice(&self.scratch[..count]),
            }
            self.take_replies().await?;
        }
        Ok(())
    }

    async fn take_replies(&mut self) -> Result<(), Abandoned> {
        let limit = self.slot.limits.max_result + frame::REPLY_OVERHEAD;
        while self.open.replies {
            match frame::take(&mut self.unread, limit) {
                Ok(Some(reply)) => self.handle(reply).await?,
                Ok(None) => break,
                Err(error) => self.condemn(&error.into()),
            }
        }
        Ok(())
    }

    async fn handle(&mut self, reply: Reply) -> Result<(), Abandoned> {
        // What the runner had flushed before it replied is in the pipe now. It is read past tokio,
        // which may not have heard of it yet.
        self.drain_capture();
        let slot = self.slot.id;
        let fact = match reply {
            Reply::Hello(versions) if !self.ready => {
                self.ready = true;
                self.doom = None;
                let printed = self.capture.take();
                if !printed.is_empty() {
                    let printed = String::from_utf8_lossy(&printed);
                    tracing::info!(slot, %printed, "Python printed this when it started");
                }
                ChildFact::Ready { slot, versions }
            }
            Reply::CannotWork(message) if !self.ready => {
                self.notes = format!("{message}\n");
                return Ok(());
            }
            Reply::Ended {
                task,
                attempt,
                result,
            } if self.running == Some((task, attempt)) => {
                self.running = None;
                let output = self.capture.take();
                ChildFact::Replied {
                    slot,
                    task,
                    attempt,
                    outcome: Outcome { result, output },
                }
            }
            Reply::Hello(_) | Reply::CannotWork(_) | Reply::Ended { .. } => {
                self.condemn(&Offence::Reply);
                return Ok(());
            }
        };
        self.slot.facts.send(fact).await.map_err(|_| Abandoned)
    }

    fn read_capture(&mut self) {
        match self.pipes.capture.try_read(&mut self.scratch) {
            Ok(0) => self.open.capture = false,
            Ok(count) => self.capture.push(&self.scratch[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.open.capture = false,
        }
    }

    /// Reads what is in the capture pipe now.
    fn drain_capture(&mut self) {
        let mut drained = 0;
        while self.open.capture && drained < DRAIN_LIMIT {
            match self.pipes.capture.read_now(&mut self.scratch) {
                Ok(0) | Err(_) => break,
                Ok(count) => {
                    self.capture.push(&self.scratch[..count]);
                    drained += count;
                }
            }
        }
    }
}

/// Resolves when a child's time is up, if it has a limit.
async fn due(doom: &mut Option<(Pin<Box<Sleep>>, Offence)>) {
    match doom {
        Some((time, _)) => time.as_mut().await,
        None => std::future::pending().await,
    }
}

/// Drops what has been written.
fn advance(unsent: &mut VecDeque<Bytes>, mut written: usize) {
    while let Some(part) = unsent.front_mut() {
        if part.len() > written {
            part.advance(written);
            return;
        }
        written -= part.len();
        unsent.pop_front();
    }
}
