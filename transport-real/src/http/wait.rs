//! How clients wait for tasks to end.
//!
//! One task of the runtime, the hub, keeps who waits for what. A notice of the store says which
//! tasks have ended, and mostly how; what it does not say is read, many tasks in one step. Because
//! a notice may be lost, a task is read once after it is registered, unless it was submitted here and
//! nothing was missed since; again when notices were missed or the store is back; and otherwise in
//! its turn at the backup polls. A state that is not terminal wakes nobody.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::store::op::{Ending, TaskState};
use mpcsfaas_core::store::{Notice, Op, Reply};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};

use super::HttpConfig;
use super::error::ApiError;
use crate::hops::{self, Hop};
use crate::store::{Link, StoreAway, StoreHandle};

/// At most so many tasks are read in one step: each may bring a result of the payload limit.
const READ_BATCH: usize = 64;

/// At most so many reads are in flight. While they are, what is to be read next adds up to a batch.
const READS_IN_FLIGHT: usize = 4;

/// Registrations taken at once.
const REGISTER_BATCH: usize = 64;

/// So many tasks are read at each backup poll, or a twentieth of those that are waited for.
const POLL_BATCH: usize = 64;

/// So many bytes of endings are kept for who asks after a task has ended.
const RECENT_BYTES: u64 = 32 * 1024 * 1024;

/// What one of them takes besides its outcome's texts: the entry, and its share of the table.
const ENTRY_BYTES: u64 = size_of::<TaskState>() as u64 + 128;

/// So many tasks that were submitted here and have not ended are known as such.
const FRESH_LIMIT: usize = 32_768;

/// A task that has ended, or does not exist (`None`).
pub(super) type Ended = (TaskId, Option<TaskState>);

/// The gateway's end: registers waiters.
pub(super) struct Waits {
    registrations: mpsc::UnboundedSender<Registration>,
    /// One seat for each task that a client waits for.
    seats: Arc<Semaphore>,
    known: Arc<Known>,
}

/// What is known without asking the store.
struct Known {
    /// Endings of which a notice told lately. They are final.
    recent: Cache<TaskId, TaskState, ByBytes>,
    /// Tasks that were submitted here, and of whose end no notice has told.
    fresh: Cache<TaskId, ()>,
}

/// Counts the memory of an ending.
#[derive(Clone)]
struct ByBytes;

impl Weighter<TaskId, TaskState> for ByBytes {
    fn weight(&self, _: &TaskId, state: &TaskState) -> u64 {
        let outcome = state.outcome.as_ref();
        ENTRY_BYTES + outcome.map_or(0, |outcome| outcome.size() as u64)
    }
}

/// A client that waits for the first of some tasks. Gone when the other end of `told` is.
struct Registration {
    tasks: Vec<TaskId>,
    told: mpsc::UnboundedSender<Ended>,
}

/// What a client that waits is told. Dropping it gives up.
pub(super) struct Endings {
    told: mpsc::UnboundedReceiver<Ended>,
    _seats: OwnedSemaphorePermit,
}

impl Endings {
    /// All that have ended by the time that the first has.
    ///
    /// # Errors
    /// [`ApiError::StoreAway`] if the hub has ended.
    pub(super) async fn some(&mut self) -> Result<Vec<Ended>, ApiError> {
        let mut endings = Vec::new();
        match self.told.recv_many(&mut endings, usize::MAX).await {
            0 => Err(hub_ended()),
            _ => Ok(endings),
        }
    }
}

impl Waits {
    /// Starts the hub, which ends when this end is dropped.
    pub(super) fn start(store: StoreHandle, config: &HttpConfig) -> Waits {
        let seats = config.waiter_limit.clamp(1, Semaphore::MAX_PERMITS);
        let (registrations, registered) = mpsc::unbounded_channel();
        let known = Arc::new(Known {
            recent: Cache::with_weighter(FRESH_LIMIT, RECENT_BYTES, ByBytes),
            fresh: Cache::new(FRESH_LIMIT),
        });
        // Nobody waits yet, so of what the link was until now nothing was missed.
        let mut link = store.link();
        link.mark_unchanged();
        let hub = Hub {
            notices: store.notices(),
            link,
            store,
            store_timeout: config.store_timeout,
            registered,
            known: Arc::clone(&known),
            waiting: HashMap::new(),
            turns: VecDeque::new(),
            unread: VecDeque::new(),
            reads: FuturesUnordered::new(),
        };
        tokio::spawn(hub.run(config.backup_poll));
        Waits {
            registrations,
            seats: Arc::new(Semaphore::new(seats)),
            known,
        }
    }

    /// How a task ended, if a notice told so lately.
    pub(super) fn recent(&self, task: TaskId) -> Option<TaskState> {
        self.known.recent.get(&task)
    }

    /// These tasks are about to be submitted here: whoever waits for them hears of their end.
    pub(super) fn expect(&self, tasks: impl IntoIterator<Item = TaskId>) {
        for task in tasks {
            self.known.fresh.insert(task, ());
        }
    }

    /// Waits for the first of these tasks to end, or to be found not to exist. The caller sets the
    /// time limit.
    ///
    /// # Errors
    /// [`ApiError::Overloaded`] at once if too many clients wait; [`ApiError::StoreAway`] if the
    /// hub has ended.
    pub(super) fn endings(&self, tasks: &[TaskId]) -> Result<Endings, ApiError> {
        let full = |_| ApiError::Overloaded("waiting clients");
        let count = u32::try_from(tasks.len()).unwrap_or(u32::MAX);
        let seats = Arc::clone(&self.seats).try_acquire_many_owned(count);
        let seats = seats.map_err(full)?;
        let (told, telling) = mpsc::unbounded_channel();
        let tasks = tasks.to_vec();
        // The seats bound the length of this channel.
        let registration = Registration { tasks, told };
        self.registrations
            .send(registration)
            .map_err(|_| hub_ended())?;
        Ok(Endings {
            told: telling,
            _seats: seats,
        })
    }
}

fn hub_ended() -> ApiError {
    StoreAway("the gateway is shutting down".to_owned()).into()
}

/// Those who wait for one task.
#[derive(Default)]
struct Waiting {
    waiters: Vec<mpsc::UnboundedSender<Ended>>,
    /// Whether the task is in the list of what to read next.
    unread: bool,
}

type Read = (Vec<TaskId>, Result<Reply, StoreAway>);

struct Hub {
    store: StoreHandle,
    store_timeout: Duration,
    notices: broadcast::Receiver<Notice>,
    link: watch::Receiver<Link>,
    registered: mpsc::UnboundedReceiver<Registration>,
    known: Arc<Known>,
    waiting: HashMap<TaskId, Waiting>,
    /// In which order the backup polls read what is waited for.
    turns: VecDeque<TaskId>,
    /// What to read next, oldest wish first.
    unread: VecDeque<TaskId>,
    reads: FuturesUnordered<BoxFuture<'static, Read>>,
}

impl Hub {
    async fn run(mut self, backup_poll: Duration) {
        let mut poll = tokio::time::interval_at(Instant::now() + backup_poll, backup_poll);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut arrived = Vec::with_capacity(REGISTER_BATCH);
        let mut has_owner = true;
        loop {
            tokio::select! {
                count = self.registered.recv_many(&mut arrived, REGISTER_BATCH) => {
                    if count == 0 {
                        return;
                    }
                    arrived.drain(..).for_each(|registration| self.register(registration));
                }
                notice = self.notices.recv() => self.heed(notice),
                Some(read) = self.reads.next(), if !self.reads.is_empty() => self.take_in(read),
                changed = self.link.changed(), if has_owner => {
                    has_owner = changed.is_ok();
                    let up = matches!(*self.link.borrow_and_update(), Link::Up);
                    self.miss(up);
                }
                _ = poll.tick() => self.want_some(),
            }
            self.read_on();
        }
    }

    fn register(&mut self, Registration { tasks, told }: Registration) {
        for task in tasks {
            if let Some(state) = self.known.recent.get(&task) {
                // An error is a client that is gone.
                let _ = told.send((task, Some(state)));
                continue;
            }
            let known = self.waiting.len();
            let waiting = self.waiting.entry(task).or_default();
            // Clients that ask again and again leave this way.
            waiting.waiters.retain(|waiter| !waiter.is_closed());
            waiting.waiters.push(told.clone());
            if self.waiting.len() > known {
                self.turns.push_back(task);
            }
            if self.known.fresh.get(&task).is_none() {
                self.want(task);
            }
        }
    }

    fn heed(&mut self, notice: Result<Notice, broadcast::error::RecvError>) {
        match notice {
            Ok(Notice::Ended(endings)) => endings.into_iter().for_each(|ending| self.end(ending)),
            Ok(Notice::Queued | Notice::Claimed(_)) | Err(broadcast::error::RecvError::Closed) => {}
            Err(broadcast::error::RecvError::Lagged(_)) => self.miss(true),
        }
    }

    fn end(&mut self, Ending { task, state }: Ending) {
        hops::mark(Hop::Heard, [task]);
        self.known.fresh.remove(&task);
        match state {
            Some(state) => {
                self.known.recent.insert(task, state.clone());
                self.tell(task, &Some(state));
            }
            None => self.want(task),
        }
    }

    /// Notices were missed, or may have been: nothing is known of what was submitted here.
    fn miss(&mut self, up: bool) {
        self.known.fresh.clear();
        if up {
            let all: Vec<TaskId> = self.waiting.keys().copied().collect();
            all.into_iter().for_each(|task| self.want(task));
        }
    }

    /// Puts a task on the list of what to read, if anybody waits for it.
    fn want(&mut self, task: TaskId) {
        if let Some(waiting) = self.waiting.get_mut(&task)
            && !std::mem::replace(&mut waiting.unread, true)
        {
            self.unread.push_back(task);
        }
    }

    /// The backup poll: whoever's turn it is. Who is gone is forgotten then.
    fn want_some(&mut self) {
        let count = POLL_BATCH.max(self.turns.len() / 20).min(self.turns.len());
        for task in self.turns.drain(..count).collect::<Vec<_>>() {
            let Some(waiting) = self.waiting.get_mut(&task) else {
                continue;
            };
            waiting.waiters.retain(|waiter| !waiter.is_closed());
            if waiting.waiters.is_empty() {
                self.waiting.remove(&task);
            } else {
                self.want(task);
                self.turns.push_back(task);
            }
        }
    }

    fn read_on(&mut self) {
        while self.reads.len() < READS_IN_FLIGHT && !self.unread.is_empty() {
            let mut batch = Vec::new();
            while batch.len() < READ_BATCH
                && let Some(task) = self.unread.pop_front()
            {
                if let Some(waiting) = self.waiting.get_mut(&task) {
                    waiting.unread = false;
                    batch.push(task);
                }
            }
            if batch.is_empty() {
                return;
            }
            let (store, limit) = (self.store.clone(), self.store_timeout);
            self.reads.push(Box::pin(async move {
                let read = store.call(Op::Read(batch.clone()));
                let late = |_| Err(StoreAway("it did not answer in time".to_owned()));
                let reply = tokio::time::timeout(limit, read).await.unwrap_or_else(late);
                (batch, reply)
            }));
        }
    }

    /// Takes in what was read. A failed read is repeated by the next poll, or when the store is back.
    fn take_in(&mut self, (tasks, reply): Read) {
        let states = match reply {
            Ok(Reply::States(states)) => states,
            Ok(other) => {
                ApiError::unexpected(&other);
                return;
            }
            Err(away) => {
                tracing::debug!(%away, "waiting clients go on waiting");
                return;
            }
        };
        for (task, state) in tasks.into_iter().zip(states) {
            let goes_on = state.as_ref().is_some_and(|s| !s.status.is_terminal());
            if !goes_on {
                self.tell(task, &state);
            }
        }
    }

    /// Wakes those who wait for a task that has ended or does not exist.
    fn tell(&mut self, task: TaskId, state: &Option<TaskState>) {
        let waiting = self.waiting.remove(&task).unwrap_or_default();
        for waiter in waiting.waiters {
            // An error is a client that is gone.
            let _ = waiter.send((task, state.clone()));
        }
    }
}
