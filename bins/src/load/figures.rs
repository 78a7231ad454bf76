//! What a run has seen: latencies, and what went wrong by kind.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::LONGEST_US;
use crate::api::ApiError;

/// Why a task has no right result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// There was no connection to submit it over.
    Connect,
    /// The connection broke before its result was there.
    Broken,
    /// An answer was not what the API says.
    Answer,
    /// The gateway answered with this status.
    Refused(u16),
    /// It ended FAILED.
    Failed,
    /// Its result is not the one that was expected.
    Wrong,
    /// It had not ended when the patience was over.
    Unfinished,
    /// Its time had come, but no connection was free until the run was over.
    NeverSubmitted,
}

impl Trouble {
    /// What an error of the HTTP client is to the task that met it.
    pub fn of(error: &ApiError) -> Trouble {
        match error {
            ApiError::Url(_) | ApiError::Connect { .. } => Trouble::Connect,
            ApiError::Http(_) | ApiError::Request(_) => Trouble::Broken,
            ApiError::Body(_) => Trouble::Answer,
            ApiError::TimedOut { .. } => Trouble::Unfinished,
        }
    }

    /// Whether nobody knows how long the task would have taken; only that it would have been longer.
    const fn is_open_ended(self) -> bool {
        matches!(self, Trouble::Unfinished | Trouble::NeverSubmitted)
    }
}

/// A word, as in the report's `errors`.
impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Connect => f.write_str("no_connection"),
            Trouble::Broken => f.write_str("connection_broken"),
            Trouble::Answer => f.write_str("not_the_api"),
            Trouble::Refused(status) => write!(f, "refused_{status}"),
            Trouble::Failed => f.write_str("failed"),
            Trouble::Wrong => f.write_str("wrong_result"),
            Trouble::Unfinished => f.write_str("unfinished"),
            Trouble::NeverSubmitted => f.write_str("never_submitted"),
        }
    }
}

/// Times in microseconds, up to ten minutes.
#[derive(Clone, Debug)]
pub struct Times(Histogram<u64>);

impl Times {
    /// None yet.
    pub fn new() -> Times {
        Times(
            Histogram::new_with_max(LONGEST_US, 3)
                .expect("the bounds are constants that the histogram allows"),
        )
    }

    /// One more; what is longer than ten minutes counts as ten minutes.
    pub fn record(&mut self, time: Duration) {
        self.record_n(time, 1);
    }

    /// The same, several times.
    pub fn record_n(&mut self, time: Duration, count: u64) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.0.saturating_record_n(micros, count);
    }

    /// How many.
    #[cfg(test)]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// What the fraction `quantile` (0 to 1) stayed below, in milliseconds.
    pub fn ms(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1e3
    }

    /// Their histogram.
    pub fn into_histogram(self) -> Histogram<u64> {
        self.0
    }

    /// Adds others.
    pub fn add(&mut self, other: &Times) {
        let same_bounds = "all histograms have the same bounds";
        self.0.add(&other.0).expect(same_bounds);
    }
}

/// What was seen of tasks, by one connection or by all.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Tasks that ended COMPLETED with a right result.
    pub completed: u64,
    /// From when a task was due to be submitted until its result was there. Of a task that had not
    /// ended, how long it had been under way when the run was over: it took at least that long.
    pub latency: Times,
    /// The same from when the submit was in fact written, of completed tasks only.
    pub service: Times,
    /// All other tasks.
    pub errors: BTreeMap<Trouble, u64>,
    /// When the last task ended.
    pub last: Option<Instant>,
}

/// How a task ended, or was refused, and when that was known.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// A right result, or not.
    pub outcome: Result<(), Trouble>,
    /// When its answer had been read.
    pub at: Instant,
}

/// When a submission was due, and when it was made.
#[derive(Clone, Copy, Debug)]
pub struct Began {
    /// When it should have been.
    pub due: Instant,
    /// When it was.
    pub started: Instant,
}

impl Figures {
    /// Nothing yet.
    pub fn new() -> Figures {
        Figures {
            completed: 0,
            latency: Times::new(),
            service: Times::new(),
            errors: BTreeMap::new(),
            last: None,
        }
    }

    /// Tasks of a submission ended.
    pub fn ended(&mut self, began: Began, ends: &[End]) {
        for End { outcome, at } in ends {
            match outcome {
                Ok(()) => self.completed(began, *at),
                Err(trouble) => self.trouble(*trouble, 1, began.due, *at),
            }
        }
    }

    fn completed(&mut self, began: Began, now: Instant) {
        self.completed += 1;
        self.latency
            .record(now.saturating_duration_since(began.due));
        self.service
            .record(now.saturating_duration_since(began.started));
        self.last = self.last.max(Some(now));
    }

    /// Tasks did not end well. How long a refusal took is no latency.
    pub fn trouble(&mut self, trouble: Trouble, tasks: u64, due: Instant, now: Instant) {
        if tasks == 0 {
            return;
        }
        *self.errors.entry(trouble).or_default() += tasks;
        if trouble.is_open_ended() {
            self.latency
                .record_n(now.saturating_duration_since(due), tasks);
        }
        self.last = self.last.max(Some(now));
    }

    /// Tasks without a right result.
    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Tasks of which the end is known, and those that were given up.
    #[cfg(test)]
    pub fn tasks(&self) -> u64 {
        self.completed + self.failed()
    }

    /// How many of the latencies are only known to be longer.
    pub fn open_ended(&self) -> u64 {
        let open = self.errors.iter();
        open.filter(|(trouble, _)| trouble.is_open_ended())
            .map(|(_, count)| count)
            .sum()
    }

    /// Adds what another connection has seen.
    pub fn add(&mut self, other: &Figures) {
        self.completed += other.completed;
        self.latency.add(&other.latency);
        self.service.add(&other.service);
        for (trouble, count) in &other.errors {
            *self.errors.entry(*trouble).or_default() += count;
        }
        self.last = self.last.max(other.last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_start_counts_and_a_refusal_is_no_latency() {
        let due = Instant::now();
        let ms = Duration::from_millis;
        let mut figures = Figures::new();
        let began = Began {
            due,
            started: due + ms(300),
        };
        let right = End {
            outcome: Ok(()),
            at: due + ms(310),
        };
        let refused = End {
            outcome: Err(Trouble::Refused(429)),
            at: due + ms(5),
        };
        figures.ended(began, &[right, refused, refused]);
        assert_eq!((figures.completed, figures.failed()), (1, 2));
        assert_eq!(figures.latency.count(), 1);
        assert!((figures.latency.ms(1.0) - 310.0).abs() < 1.0);
        assert!((figures.service.ms(1.0) - 10.0).abs() < 0.1);
    }

    #[test]
    fn a_task_that_did_not_end_took_at_least_as_long_as_it_was_waited_for() {
        let due = Instant::now();
        let mut figures = Figures::new();
        let later = due + Duration::from_secs(5);
        figures.trouble(Trouble::Unfinished, 3, due, later);
        figures.trouble(Trouble::NeverSubmitted, 4, due, later);
        figures.trouble(Trouble::Failed, 1, due, later);
        assert_eq!((figures.latency.count(), figures.open_ended()), (7, 7));
        assert!(figures.latency.ms(0.5) > 4_990.0);
        let mut all = Figures::new();
        all.add(&figures);
        all.add(&figures);
        assert_eq!((all.tasks(), all.open_ended()), (16, 14));
        assert_eq!(all.errors[&Trouble::Unfinished], 6);
        assert_eq!(all.last, Some(later));
    }
}
