//! A slot: one child after the other, as seen over its pipes.
//!
//! A slot is one task. All orders reach it through one channel, so an order for a child that is
//! gone is told from one for the next child by the `Spawn` between them. What the child sends is
//! reported as facts, in order, and its `Exited` is always the last of its life.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use mpcsfaas_core::task::Outcome;
use mpcsfaas_core::wire::message::TaskRef;
use mpcsfaas_core::worker::child::{ChildFact, SlotId};
use nix::sys::signal::Signal;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::Sleep;

use super::alarm::Alarm;
use super::cache::{CacheLimit, Missing, Sent};
use super::capture::Capture;
use super::child::{Exit, Launcher, Sink, Source, Started};
use super::frame::{self, FrameError, Reply};
use super::in_pipe::InPipe;
use super::order::{Order, Run};

/// How much is read from a pipe at a time, in bytes: what a pipe holds on Linux.
const READ_SIZE: usize = 64 << 10;

/// The most that is taken from the capture pipe at a reply. A pipe holds less; but a thread that a
/// task left behind may print as fast as this process reads.
const DRAIN_LIMIT: usize = 1 << 20;

/// How long a child that closed its pipes may take to exit, and so to tell its exit code.
const CLOSE_GRACE: Duration = Duration::from_millis(250);

/// How long what a child wrote may take to be seen by another processor. Far more than it does.
const SETTLING: Duration = Duration::from_millis(1);

/// How long answers may lie in the quiet pipe while the child says nothing: it took the task that it
/// runs for a short one.
const QUIET_LIMIT: Duration = Duration::from_millis(5);

/// Parameters up to this size are copied next to the frame's head.
const COPY_LIMIT: usize = 4 << 10;

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
                Ok(self.exited(Exit::UNKNOWN, reason.into(), Vec::new()))
            }
        }
    }

    fn exited(&self, exit: Exit, output: Bytes, begun: Vec<TaskRef>) -> ChildFact {
        ChildFact::Exited {
            slot: self.id,
            code: exit.code,
            signal: exit.signal,
            output,
            begun,
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
    /// Small frames that come after `unsent`.
    small: BytesMut,
    unread: BytesMut,
    /// What was read of the quiet pipe, and its first reply, if others come before it.
    unread_quiet: BytesMut,
    next_quiet: Option<Reply>,
    capture: Capture,
    scratch: Vec<u8>,
    sent: Sent,
    ready: bool,
    in_pipe: InPipe,
    /// When the quiet pipe is looked into, at the latest.
    look: Alarm,
    /// When it is certain what the child has not begun, after it was told not to.
    recall: Alarm,
    /// Whether replies and output may still come.
    open: Open,
    /// When the child is killed, and for what.
    doom: Option<(Pin<Box<Sleep>>, Offence)>,
    /// What this side has to add to the output.
    notes: String,
}

#[derive(Clone, Copy)]
struct Open {
    requests: bool,
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
            small: BytesMut::new(),
            unread: BytesMut::new(),
            unread_quiet: BytesMut::new(),
            next_quiet: None,
            capture: Capture::new(limits.capture),
            scratch: vec![0; READ_SIZE],
            sent: Sent::new(limits.cache),
            ready: false,
            in_pipe: InPipe::default(),
            look: Alarm::default(),
            recall: Alarm::default(),
            open: Open {
                requests: true,
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
                order = self.slot.orders.recv() => {
                    self.obey(order.ok_or(Abandoned)?).await?;
                    // All that is ordered at a time is written at a time.
                    while let Ok(order) = self.slot.orders.try_recv() {
                        self.obey(order).await?;
                    }
                    self.flush();
                }
                exit = &mut self.pipes.exited => break exit.map_err(|_| Abandoned)?,
                _ = self.pipes.replies.readable(), if self.open.replies => {
                    self.read_replies().await?;
                }
                _ = self.pipes.requests.writable(), if !self.unsent.is_empty() => self.flush(),
                _ = self.pipes.capture.readable(), if self.open.capture => self.read_capture(),
                () = self.look.rings() => self.look_into_quiet().await?,
                () = self.recall.rings() => self.tell_recalled().await?,
                () = due(&mut self.doom) => self.carry_out_doom(),
            }
        };
        self.read_last_replies().await?;
        self.drain_capture();
        Ok(self.last_fact(exit))
    }

    async fn obey(&mut self, order: Order) -> Result<(), Abandoned> {
        match order {
            Order::Execute(run) => self.execute(run),
            Order::Recall => return self.take_back().await,
            Order::Signal(signal) => {
                // What was ordered before comes first.
                self.flush();
                self.slot.launcher.signal(signal);
            }
            Order::Spawn => debug_assert!(false, "the slot has a child"),
        }
        Ok(())
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
        let begun = self.in_pipe.begun(self.pipes.ledger.as_deref());
        self.slot.exited(exit, output, begun)
    }

    /// Condemns the child for what it did, and listens to its replies no longer.
    fn condemn(&mut self, offence: &Offence) {
        tracing::warn!(slot = self.slot.id, %offence, "killing a Python process");
        self.notes.push_str(&offence.note());
        self.open.replies = false;
        self.stop_sending();
        self.doom = None;
        self.slot.launcher.signal(Signal::SIGKILL);
    }

    fn stop_sending(&mut self) {
        self.open.requests = false;
        self.unsent.clear();
        self.small.clear();
    }

    fn carry_out_doom(&mut self) {
        if let Some((_, offence)) = self.doom.take() {
            self.condemn(&offence);
        }
    }

    /// A closed pipe is usually the first sign of an exit, which will say more.
    fn closed(&mut self) {
        self.stop_sending();
        if !matches!(self.doom, Some((_, Offence::Closed))) {
            let grace = Box::pin(tokio::time::sleep(CLOSE_GRACE));
            self.doom = Some((grace, Offence::Closed));
        }
    }

    // To the child.

    fn execute(&mut self, run: Run) {
        debug_assert!(
            self.in_pipe.len() == 0 || self.pipes.ledger.is_some(),
            "the child runs a task"
        );
        if let Err(error) = self.enqueue(run) {
            self.condemn(&error.into());
        }
        if self.in_pipe.len() > 1 {
            self.look.set(QUIET_LIMIT);
        }
    }

    fn enqueue(&mut self, run: Run) -> Result<(), FrameError> {
        if !self.open.requests {
            return Ok(()); // It is about to end, and has not begun this.
        }
        let numbers = self.in_pipe.push(run.task, run.attempt);
        if let Missing::Body(forget) = self.sent.touch(run.function, run.body.body.len()) {
            for function in forget {
                self.small.extend_from_slice(&frame::forget(function)?);
            }
            let [head, body] = frame::keep(run.function, &run.body)?;
            self.small.extend_from_slice(&head);
            self.put(body);
        }
        let attempt = (run.task, run.attempt);
        let head = frame::run(attempt, numbers, run.function, run.params.len())?;
        self.small.extend_from_slice(&head);
        self.put(run.params);
        Ok(())
    }

    /// Adds to what is to be written.
    fn put(&mut self, part: Bytes) {
        if part.len() <= COPY_LIMIT {
            self.small.extend_from_slice(&part);
        } else {
            self.put_small();
            self.unsent.push_back(part);
        }
    }

    fn put_small(&mut self) {
        if !self.small.is_empty() {
            self.unsent.push_back(self.small.split().freeze());
        }
    }

    /// Tells the child to begin nothing that it has not begun.
    async fn take_back(&mut self) -> Result<(), Abandoned> {
        match &self.pipes.ledger {
            Some(ledger) => self.in_pipe.take_back(ledger.as_ref()),
            None => return self.tell_recalled().await,
        }
        self.recall.set(SETTLING);
        Ok(())
    }

    /// Writes as much as the pipe takes.
    fn flush(&mut self) {
        self.put_small();
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
            Ok(1..) => self.take_replies().await?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => {
                self.take_replies().await?;
                self.open.replies = false;
                self.closed();
            }
        }
        Ok(())
    }

    /// After the exit: what the child had sent counts, even if it died right after.
    async fn read_last_replies(&mut self) -> Result<(), Abandoned> {
        self.stop_sending();
        while self.open.replies {
            let count = self.pipes.replies.read_now(&mut self.scratch).unwrap_or(0);
            self.unread.extend_from_slice(&self.scratch[..count]);
            self.take_replies().await?;
            self.open.replies &= count > 0;
        }
        Ok(())
    }

    /// Takes the answers out of both pipes in the order of the runs. What was written to the quiet
    /// pipe before something that was read from the other is there by now.
    async fn take_replies(&mut self) -> Result<(), Abandoned> {
        self.read_quiet();
        while self.open.replies {
            match self.next_reply() {
                Ok(Some(reply)) => self.handle(reply).await?,
                Ok(None) => break,
                Err(error) => self.condemn(&error.into()),
            }
        }
        self.flush();
        Ok(())
    }

    fn next_reply(&mut self) -> Result<Option<Reply>, FrameError> {
        let limit = self.slot.limits.max_result + frame::REPLY_OVERHEAD;
        if self.next_quiet.is_none() {
            self.next_quiet = frame::take(&mut self.unread_quiet, limit)?;
        }
        let attempt = self.next_quiet.as_ref().and_then(Reply::attempt);
        match self.in_pipe.is_next(attempt) {
            true => Ok(self.next_quiet.take()),
            false => frame::take(&mut self.unread, limit),
        }
    }

    fn read_quiet(&mut self) {
        let Some(ledger) = &self.pipes.ledger else {
            return;
        };
        // A child that has been given one task has no reason to be quiet.
        if self.in_pipe.len() < 2 {
            return;
        }
        while let Ok(count @ 1..) = ledger.read_quiet(&mut self.scratch) {
            self.unread_quiet.extend_from_slice(&self.scratch[..count]);
            if count < self.scratch.len() {
                break;
            }
        }
    }

    /// The child has been silent for a while: it may have answered before it began a long task.
    async fn look_into_quiet(&mut self) -> Result<(), Abandoned> {
        self.take_replies().await?;
        if self.in_pipe.len() > 1 {
            self.look.set(QUIET_LIMIT);
        }
        Ok(())
    }

    async fn tell_recalled(&mut self) -> Result<(), Abandoned> {
        self.take_replies().await?;
        let ledger = self.pipes.ledger.as_deref();
        let tasks = ledger.map(|ledger| self.in_pipe.taken_back(ledger));
        self.tell(ChildFact::Recalled {
            slot: self.slot.id,
            tasks: tasks.unwrap_or_default(),
        })
        .await
    }

    async fn tell(&mut self, fact: ChildFact) -> Result<(), Abandoned> {
        self.slot.facts.send(fact).await.map_err(|_| Abandoned)
    }

    async fn handle(&mut self, reply: Reply) -> Result<(), Abandoned> {
        let slot = self.slot.id;
        let fact = match reply {
            Reply::Hello(greeting) if !self.ready => {
                self.ready = true;
                self.doom = None;
                let reads_ahead = greeting.reads_ahead && self.pipes.ledger.is_some();
                if !reads_ahead {
                    self.pipes.ledger = None;
                }
                self.drain_capture();
                let printed = self.capture.take();
                if !printed.is_empty() {
                    let printed = String::from_utf8_lossy(&printed);
                    tracing::info!(slot, %printed, "Python printed this when it started");
                }
                ChildFact::Ready {
                    slot,
                    versions: greeting.versions,
                    reads_ahead,
                }
            }
            Reply::CannotWork(message) if !self.ready => {
                self.notes = format!("{message}\n");
                return Ok(());
            }
            Reply::Ended { .. } | Reply::Skipped { .. }
                if self.in_pipe.is_next(reply.attempt()) =>
            {
                match self.answered(reply) {
                    Some(fact) => fact,
                    None => return Ok(()),
                }
            }
            Reply::Hello(_)
            | Reply::CannotWork(_)
            | Reply::Ended { .. }
            | Reply::Skipped { .. } => {
                self.condemn(&Offence::Reply);
                return Ok(());
            }
        };
        self.tell(fact).await
    }

    /// The first of what the child has is answered; what there is to tell of that.
    fn answered(&mut self, reply: Reply) -> Option<ChildFact> {
        let slot = self.slot.id;
        let given = self.in_pipe.answered(self.pipes.ledger.as_deref())?;
        match reply {
            Reply::Ended { .. } if given.is_told => {
                self.condemn(&Offence::Reply);
                None
            }
            Reply::Ended {
                task,
                attempt,
                result,
                took,
                printed,
            } => {
                let output = match printed {
                    true => self.printed(),
                    // What was read since is the next one's.
                    false => Bytes::new(),
                };
                Some(ChildFact::Replied {
                    slot,
                    task,
                    attempt,
                    outcome: Outcome { result, output },
                    took,
                })
            }
            Reply::Skipped { .. } if given.is_told => None,
            Reply::Skipped { .. } => Some(ChildFact::Recalled {
                slot,
                tasks: vec![given.attempt()],
            }),
            Reply::Hello(_) | Reply::CannotWork(_) => None,
        }
    }

    /// What the task that has ended has printed. The child begins no other before it hears that
    /// this is done: from the number in the next run's frame, or in so many words.
    fn printed(&mut self) -> Bytes {
        // What the runner had flushed before it replied is in the pipe now. It is read past tokio,
        // which may not have heard of it yet.
        self.drain_capture();
        if self.in_pipe.len() > 0 && self.open.requests {
            self.small.extend_from_slice(&frame::GO_ON);
        }
        self.capture.take()
    }

    fn read_capture(&mut self) {
        if let Some(ledger) = &self.pipes.ledger {
            ledger.count_read();
        }
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
