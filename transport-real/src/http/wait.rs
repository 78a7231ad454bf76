//! How clients wait for tasks to end.
//!
//! One task of the runtime, the hub, keeps who waits for what and reads the states of many tasks in
//! one step. A notice of the store says when to read; because a notice may be lost, each task is
//! read once after it is registered, again when notices were missed or the store is back, and
//! otherwise at every backup poll. A state that is not terminal wakes nobody.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::store::op::TaskState;
use mpcsfaas_core::store::{Notice, Op, Reply};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;

use super::HttpConfig;
use super::error::ApiError;
use crate::store::{Link, StoreAway, StoreHandle};

/// At most so many tasks are read in one step: each may bring a result of the payload limit.
const READ_BATCH: usize = 64;

/// At most so many reads are in flight. While they are, what is to be read next adds up to a batch.
const READS_IN_FLIGHT: usize = 4;

/// Registrations taken at once.
const REGISTER_BATCH: usize = 64;

/// The gateway's end: registers waiters.
pub(super) struct Waits {
    registrations: mpsc::Sender<Waiter>,
    /// One seat for each client that waits.
    seats: Arc<Semaphore>,
}

/// A client that waits for a task. Gone when the other end of `told` is.
struct Waiter {
    task: TaskId,
    /// Where the state goes: terminal, or `None` if there is no such task.
    told: oneshot::Sender<Option<TaskState>>,
    _seat: OwnedSemaphorePermit,
}

impl Waits {
    /// Starts the hub, which ends when this end is dropped.
    pub(super) fn start(store: StoreHandle, config: &HttpConfig) -> Waits {
        let seats = config.waiter_limit.clamp(1, Semaphore::MAX_PERMITS);
        // Whoever registers has a seat, so there always is room in the channel.
        let (registrations, registered) = mpsc::channel(seats);
        let hub = Hub {
            notices: store.notices(),
            link: store.link(),
            store,
            store_timeout: config.store_timeout,
            registered,
            waiting: HashMap::new(),
            unread: VecDeque::new(),
            reads: FuturesUnordered::new(),
        };
        tokio::spawn(hub.run(config.backup_poll));
        Waits {
            registrations,
            seats: Arc::new(Semaphore::new(seats)),
        }
    }

    /// Waits until the task has ended or is found not to exist (`None`). Dropping the future gives
    /// up; the caller sets the time limit.
    ///
    /// # Errors
    /// [`ApiError::Overloaded`] at once if too many clients wait; [`ApiError::StoreAway`] if the
    /// hub has ended.
    pub(super) fn ended(
        &self,
        task: TaskId,
    ) -> Result<impl Future<Output = Result<Option<TaskState>, ApiError>> + use<>, ApiError> {
        let full = |_| ApiError::Overloaded("waiting clients");
        let seat = Arc::clone(&self.seats).try_acquire_owned().map_err(full)?;
        let (told, telling) = oneshot::channel();
        let waiter = Waiter {
            task,
            told,
            _seat: seat,
        };
        let registered = self.registrations.try_send(waiter).is_ok();
        Ok(async move {
            match registered {
                true => telling.await.map_err(|_| hub_ended()),
                false => Err(hub_ended()),
            }
        })
    }
}

fn hub_ended() -> ApiError {
    StoreAway("the gateway is shutting down".to_owned()).into()
}

/// Those who wait for one task.
#[derive(Default)]
struct Waiting {
    waiters: Vec<Waiter>,
    /// Whether the task is in the list of what to read next.
    unread: bool,
}

type Read = (Vec<TaskId>, Result<Reply, StoreAway>);

struct Hub {
    store: StoreHandle,
    store_timeout: Duration,
    notices: broadcast::Receiver<Notice>,
    link: watch::Receiver<Link>,
    registered: mpsc::Receiver<Waiter>,
    waiting: HashMap<TaskId, Waiting>,
    /// What to read next, oldest wish first.
    unread: VecDeque<TaskId>,
    reads: FuturesUnordered<BoxFuture<'static, Read>>,
}

impl Hub {
    async fn run(mut self, backup_poll: Duration) {
        let mut poll = tokio::time::interval(backup_poll);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut arrived = Vec::with_capacity(REGISTER_BATCH);
        let mut has_owner = true;
        loop {
            tokio::select! {
                count = self.registered.recv_many(&mut arrived, REGISTER_BATCH) => {
                    if count == 0 {
                        return;
                    }
                    arrived.drain(..).for_each(|waiter| self.register(waiter));
                }
                notice = self.notices.recv() => self.heed(notice),
                Some(read) = self.reads.next(), if !self.reads.is_empty() => self.tell(read),
                changed = self.link.changed(), if has_owner => {
                    has_owner = changed.is_ok();
                    if matches!(*self.link.borrow_and_update(), Link::Up) {
                        self.want_all();
                    }
                }
                _ = poll.tick() => {
                    self.forget_gone();
                    self.want_all();
                }
            }
            self.read_on();
        }
    }

    fn register(&mut self, waiter: Waiter) {
        let task = waiter.task;
        self.waiting.entry(task).or_default().waiters.push(waiter);
        self.want(task);
    }

    fn heed(&mut self, notice: Result<Notice, broadcast::error::RecvError>) {
        match notice {
            Ok(Notice::Ended(tasks)) => tasks.into_iter().for_each(|task| self.want(task)),
            Ok(Notice::Queued) | Err(broadcast::error::RecvError::Closed) => {}
            Err(broadcast::error::RecvError::Lagged(_)) => self.want_all(),
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

    fn want_all(&mut self) {
        for (task, waiting) in &mut self.waiting {
            if !std::mem::replace(&mut waiting.unread, true) {
                self.unread.push_back(*task);
            }
        }
    }

    fn forget_gone(&mut self) {
        self.waiting.retain(|_, waiting| {
            waiting.waiters.retain(|waiter| !waiter.told.is_closed());
            !waiting.waiters.is_empty()
        });
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

    /// Wakes those whose task has ended or does not exist. A failed read is repeated by the next
    /// poll, or when the store is back.
    fn tell(&mut self, (tasks, reply): Read) {
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
            if goes_on {
                continue;
            }
            for waiter in self
                .waiting
                .remove(&task)
                .into_iter()
                .flat_map(|w| w.waiters)
            {
                // An error is a client that is gone.
                let _ = waiter.told.send(state.clone());
            }
        }
    }
}
