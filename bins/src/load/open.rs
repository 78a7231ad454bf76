//! The open loop: tasks are submitted when they are due, whatever became of those before.
//!
//! A closed loop slows down with the platform, and so leaves out the very tasks that would have
//! waited longest. Here the schedule is fixed, and a task's latency counts from when it was *due*: a
//! late start is a part of it, whoever is to blame. Who is, is measured, too:
//!
//! ```text
//!   due            connection free      submit written                    result read
//!    │── waited for a ──│── generator ──────│── service ───────────────────────│
//!    │   connection     │   was late        │                                  │
//!    └──────────────────────────── latency ────────────────────────────────────┘
//! ```

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use tokio::task::JoinSet;

use super::client::{self, Client, Halt, Order};
use super::figures::{Began, End, Figures, Times, Trouble};
use super::schedule::{Pacer, Schedule};
use super::{Config, LoadError};
use crate::api::Connection;

/// The pause before the first task, in which all connections come to wait for it.
const RUN_UP: Duration = Duration::from_millis(20);

/// How fast, for how long, and how many at a time.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Tasks a second. More than 0.
    pub rate: f64,
    /// Tasks in all; the config's own number counts for the closed loop only.
    pub tasks: u64,
    /// Tasks of one batch; `None` submits them one at a time.
    pub batch: Option<u64>,
}

/// What an open loop measured.
#[derive(Clone, Debug)]
pub struct OpenReport {
    /// What was asked for.
    pub pace: Pace,
    /// The bound on how many submissions were under way at a time.
    pub connections: usize,
    /// What became of the tasks.
    pub figures: Figures,
    /// From the first task's time to the last end, in seconds.
    pub seconds: f64,
    /// Of each submission, how late it was although a connection was free.
    pub own_lateness: Times,
    /// Of each submission, for how long it was due while no connection was free.
    pub waited: Times,
    /// How many submissions had to wait for one.
    pub submissions_that_waited: u64,
    /// Processor time of this process meanwhile, in seconds.
    pub processor_seconds: f64,
}

impl OpenReport {
    /// Completed tasks a second.
    pub fn tasks_per_second(&self) -> f64 {
        self.figures.completed as f64 / self.seconds.max(f64::EPSILON)
    }

    /// Which part of all processors this process used.
    pub fn processor_share(&self) -> f64 {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.processor_seconds / (self.seconds.max(f64::EPSILON) * processors as f64)
    }

    /// Nothing seen yet.
    pub(super) fn new(pace: Pace, connections: usize) -> OpenReport {
        OpenReport {
            pace,
            connections,
            figures: Figures::new(),
            seconds: 0.0,
            own_lateness: Times::new(),
            waited: Times::new(),
            submissions_that_waited: 0,
            processor_seconds: 0.0,
        }
    }

    /// Adds a submission that is over: when it was due and made, and since when its connection was
    /// free.
    pub(super) fn add(&mut self, began: Began, free: Instant, ends: &[End]) {
        let Began { due, started } = began;
        let waited = free.saturating_duration_since(due);
        self.waited.record(waited);
        self.submissions_that_waited += u64::from(!waited.is_zero());
        let own = started.saturating_duration_since(due.max(free));
        self.own_lateness.record(own);
        self.figures.ended(began, ends);
    }
}

/// Submits tasks at a constant rate and reports.
///
/// The run is over when all tasks have ended, or when `config.patience` has passed after the last
/// one was due; what has not ended then is counted, and so is what could not even be submitted.
///
/// # Errors
/// Only if it cannot begin: no connection, no batch endpoint. What goes wrong later is a figure.
pub async fn open_loop(config: Config, pace: Pace) -> Result<OpenReport, LoadError> {
    if pace.batch.is_some() {
        client::probe(&config).await?;
    }
    let connections = config.connections.max(1);
    let order = Arc::new(Order::new(config, pace.batch));
    // Connections that cannot be made now would be the first figure; nobody wants that one.
    let mut first = Vec::with_capacity(connections);
    for _ in 0..connections {
        first.push(Connection::connect(&order.config().target).await?);
    }
    let schedule = Schedule {
        start: Instant::now() + RUN_UP,
        rate: pace.rate,
        tasks: pace.tasks,
        batch: pace.batch.unwrap_or(1),
    };
    let pacer = Pacer::start(schedule, connections).map_err(LoadError::Thread)?;
    let run = Arc::new(Run {
        over: schedule.due(schedule.submissions()) + order.config().patience,
        seen: Mutex::new(OpenReport::new(pace, connections)),
        pacer,
        schedule,
        order,
    });
    let processor_before = processor_seconds();
    let mut loops = JoinSet::new();
    for connection in first {
        loops.spawn(one_connection(run.clone(), connection));
    }
    while let Some(ended) = loops.join_next().await {
        ended?;
    }
    let mut report = run.seen().clone();
    report.processor_seconds = processor_seconds() - processor_before;
    run.count_what_was_never_submitted(&mut report.figures);
    let last = report.figures.last.unwrap_or(schedule.start);
    report.seconds = last.saturating_duration_since(schedule.start).as_secs_f64();
    Ok(report)
}

/// Processor time of this process since it began.
fn processor_seconds() -> f64 {
    getrusage(UsageWho::RUSAGE_SELF).map_or(0.0, |used| {
        let micros = (used.user_time() + used.system_time()).num_microseconds();
        micros as f64 / 1e6
    })
}

/// What all connections share.
struct Run {
    order: Arc<Order>,
    schedule: Schedule,
    pacer: Pacer,
    /// When the run is over, whatever has not ended.
    over: Instant,
    /// One for all connections: histograms are large, and a submission is recorded in no time.
    seen: Mutex<OpenReport>,
}

impl Run {
    fn seen(&self) -> MutexGuard<'_, OpenReport> {
        // Whoever panicked with it ends the run anyway.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next submission, once it is due; `None` when there is none or the run is over.
    async fn next(&self) -> Option<u64> {
        let over = tokio::time::Instant::from_std(self.over);
        let next = tokio::time::timeout_at(over, self.pacer.next()).await;
        // Whoever finds the time over first says so to all.
        if Instant::now() >= self.over {
            self.pacer.close();
        }
        next.ok().flatten()
    }

    fn count_what_was_never_submitted(&self, figures: &mut Figures) {
        for submission in self.pacer.taken()..self.schedule.submissions() {
            let due = self.schedule.due(submission);
            let tasks = self.schedule.size(submission);
            figures.trouble(Trouble::NeverSubmitted, tasks, due, self.over);
        }
    }
}

async fn one_connection(run: Arc<Run>, connection: Connection) {
    let order = &*run.order;
    let mut client = Some(Client::over(connection, order));
    let mut ends = Vec::new();
    loop {
        let free = Instant::now();
        let Some(submission) = idle(&run, order, &mut client).await else {
            return;
        };
        let began = Began {
            due: run.schedule.due(submission),
            started: Instant::now(),
        };
        let tasks = run.schedule.size(submission);
        let until = run.over.min(began.started + order.config().patience);
        ends.clear();
        let work = submit(&mut client, order, tasks, &mut ends);
        let ended = tokio::time::timeout_at(until.into(), work).await;
        let mut seen = run.seen();
        seen.add(began, free, &ends);
        if let Err(halt) = ended.unwrap_or(Err(Halt::TimedOut)) {
            let left = tasks.saturating_sub(ends.len() as u64);
            let (trouble, now) = (halt.trouble(), Instant::now());
            seen.figures.trouble(trouble, left, began.due, now);
            if !matches!(halt, Halt::Refused(_)) {
                client = None;
            }
        }
    }
}

/// Waits for the next submission, and meanwhile replaces the connection if the gateway closes it.
async fn idle<'a>(run: &Run, order: &'a Order, client: &mut Option<Client<'a>>) -> Option<u64> {
    let next = run.next();
    tokio::pin!(next);
    if let Some(open) = client {
        tokio::select! {
            biased;
            submission = &mut next => return submission,
            () = open.closed() => {}
        }
        *client = None;
    }
    tokio::select! {
        biased;
        submission = &mut next => submission,
        again = Client::connect(order) => {
            *client = again.ok();
            next.await
        }
    }
}

/// One submission, over a new connection if there is none.
async fn submit<'a>(
    client: &mut Option<Client<'a>>,
    order: &'a Order,
    tasks: u64,
    ends: &mut Vec<End>,
) -> Result<(), Halt> {
    let open = match client {
        Some(open) => open,
        None => client.insert(Client::connect(order).await?),
    };
    open.submission(tasks, ends).await
}

#[cfg(test)]
mod tests;
