//! When the tasks of an open loop are due, and the thread that says so.
//!
//! A timer of the runtime is only as fine as a millisecond, which is as long as a task may take. So
//! the schedule has a thread of its own, which sleeps until the next submission is due and then lets
//! one waiting connection go. If none waits, what is due adds up, and the next connections that are
//! free find it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

/// Submissions at a constant pace, numbered from 0.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// When the first is due.
    pub start: Instant,
    /// Tasks a second. More than 0.
    pub rate: f64,
    /// Tasks in all.
    pub tasks: u64,
    /// Tasks of one submission; the last one may have fewer. At least 1.
    pub batch: u64,
}

impl Schedule {
    /// How many submissions there are.
    pub fn submissions(&self) -> u64 {
        self.tasks.div_ceil(self.batch)
    }

    /// How many tasks a submission has; 0 beyond the last.
    pub fn size(&self, submission: u64) -> u64 {
        let before = submission.saturating_mul(self.batch);
        self.tasks.saturating_sub(before).min(self.batch)
    }

    /// When it is due.
    pub fn due(&self, submission: u64) -> Instant {
        let tasks_before = (submission as f64) * self.batch as f64;
        self.start + Duration::from_secs_f64(tasks_before / self.rate)
    }

    /// How many are due by then.
    fn due_by(&self, now: Instant) -> u64 {
        if now < self.start {
            return 0;
        }
        let elapsed = now.duration_since(self.start).as_secs_f64();
        let guess = (elapsed * self.rate / self.batch as f64) as u64;
        // Rounding may have made it one too few or too many.
        let mut due = guess.saturating_sub(1);
        while due < self.submissions() && self.due(due) <= now {
            due += 1;
        }
        due.min(self.submissions())
    }
}

/// Lets submissions go when they are due. Ends when it is dropped.
#[derive(Debug)]
pub struct Pacer {
    schedule: Schedule,
    gate: Arc<Gate>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Gate {
    /// One permit for each submission that is due and not taken.
    due: Semaphore,
    taken: AtomicU64,
    stop: AtomicBool,
}

impl Pacer {
    /// Starts the thread. Of `takers` each is told in the end that nothing is left.
    ///
    /// # Errors
    /// The system has no room for a thread.
    pub fn start(schedule: Schedule, takers: usize) -> std::io::Result<Pacer> {
        let gate = Arc::new(Gate {
            due: Semaphore::new(0),
            taken: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        });
        let opened = gate.clone();
        let thread = std::thread::Builder::new()
            .name("pacer".to_owned())
            .spawn(move || open_in_time(&schedule, &opened, takers))?;
        Ok(Pacer {
            schedule,
            gate,
            thread: Some(thread),
        })
    }

    /// Waits for the next submission to be due and takes it: its number, or `None` after the last.
    /// Those who wait are served in the order in which they came. May be given up.
    pub async fn next(&self) -> Option<u64> {
        match self.gate.due.acquire().await {
            Ok(permit) => permit.forget(),
            Err(_closed) => return None,
        }
        let submission = self.gate.taken.fetch_add(1, Ordering::Relaxed);
        (submission < self.schedule.submissions()).then_some(submission)
    }

    /// How many submissions were taken.
    pub fn taken(&self) -> u64 {
        let taken = self.gate.taken.load(Ordering::Relaxed);
        taken.min(self.schedule.submissions())
    }

    /// Nothing more is given out.
    pub fn close(&self) {
        self.gate.due.close();
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        self.gate.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It does nothing but wake up and see that it is to stop.
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

fn open_in_time(schedule: &Schedule, gate: &Gate, takers: usize) {
    let mut opened = 0;
    while opened < schedule.submissions() {
        let now = Instant::now();
        let due = schedule.due_by(now);
        let more = usize::try_from(due - opened).unwrap_or(usize::MAX);
        gate.due.add_permits(more);
        opened = due;
        if opened < schedule.submissions() {
            let pause = schedule.due(opened).saturating_duration_since(now);
            std::thread::park_timeout(pause);
        }
        if gate.stop.load(Ordering::Relaxed) {
            return;
        }
    }
    gate.due.add_permits(takers);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(rate: f64, tasks: u64, batch: u64) -> Schedule {
        Schedule {
            start: Instant::now(),
            rate,
            tasks,
            batch,
        }
    }

    #[test]
    fn tasks_are_due_at_a_constant_pace() {
        let singles = schedule(1_000.0, 5, 1);
        let after = |submission| singles.due(submission) - singles.start;
        assert_eq!((0..5).map(|n| singles.size(n)).sum::<u64>(), 5);
        assert_eq!(singles.size(5), 0);
        assert_eq!(after(0), Duration::ZERO);
        assert_eq!(after(4), Duration::from_millis(4));

        // As many tasks a second, in fewer submissions.
        let batches = schedule(1_000.0, 250, 100);
        assert_eq!(batches.submissions(), 3);
        assert_eq!([0, 1, 2, 3].map(|n| batches.size(n)), [100, 100, 50, 0]);
        assert_eq!(batches.due(2) - batches.start, Duration::from_millis(200));
    }

    #[test]
    fn what_is_due_is_found_to_the_nanosecond_and_never_exceeds_the_whole() {
        for rate in [0.3, 7.0, 999.9, 12_345.6] {
            let schedule = schedule(rate, 1_000, 3);
            for submission in [0, 1, 2, 100, 332] {
                let due = schedule.due(submission);
                assert_eq!(schedule.due_by(due), submission + 1, "{rate}, {submission}");
                let before = due.checked_sub(Duration::from_nanos(1)).unwrap();
                assert_eq!(schedule.due_by(before), submission, "{rate}, {submission}");
            }
            let long_after = schedule.start + Duration::from_secs(1_000_000);
            assert_eq!(schedule.due_by(long_after), schedule.submissions());
        }
    }

    #[tokio::test]
    async fn each_submission_is_given_out_once_and_not_before_it_is_due() {
        let schedule = schedule(20_000.0, 100, 1);
        let pacer = Pacer::start(schedule, 2).unwrap();
        for expected in 0..100 {
            assert_eq!(pacer.next().await, Some(expected));
            assert!(Instant::now() >= schedule.due(expected));
        }
        assert_eq!((pacer.next().await, pacer.next().await), (None, None));
        assert_eq!(pacer.taken(), 100);
    }

    #[tokio::test]
    async fn a_pacer_that_is_closed_or_dropped_gives_nothing_out() {
        let pacer = Pacer::start(schedule(0.001, 2, 1), 1).unwrap();
        assert_eq!(pacer.next().await, Some(0));
        let gate = Arc::downgrade(&pacer.gate);
        pacer.close();
        assert_eq!((pacer.next().await, pacer.taken()), (None, 1));
        drop(pacer);
        assert!(gate.upgrade().is_none(), "the thread is gone");
    }
}
