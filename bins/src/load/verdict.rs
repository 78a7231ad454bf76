//! What the figures of an open loop describe: the platform, or the generator itself.

use std::fmt;

use super::OpenReport;

/// A part of the latency that is larger than this is worth naming.
const SHARE: f64 = 0.1;

/// A generator that uses so much of the machine's processors is what sets the pace.
const BUSY: f64 = 0.9;

/// A platform that does less than this of what was asked of it is overloaded.
const KEPT_UP: f64 = 0.95;

/// What the latencies say something about.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The platform, at the rate that was asked for.
    Platform,
    /// The platform, at a rate that it does not reach: the longer the run, the longer the latency.
    Overload {
        /// Tasks a second that it did.
        reached: f64,
        /// Tasks a second that were due.
        rate: f64,
    },
    /// The bound on what was under way: with more connections the latency would be another.
    Connections {
        /// The bound.
        connections: usize,
        /// The 99th percentile of the time without a free connection.
        waited_ms: f64,
    },
    /// The generator, which was late although a connection was free.
    Lateness {
        /// Of which percentile.
        percentile: &'static str,
        /// How late it was.
        late_ms: f64,
        /// Of which latency.
        latency_ms: f64,
    },
    /// The generator, which had no more processor time.
    Processor {
        /// Which part of all processors it used.
        share: f64,
    },
}

impl Verdict {
    /// Judges a run.
    pub fn of(report: &OpenReport) -> Verdict {
        let latency = &report.figures.latency;
        let share = report.processor_share();
        if share > BUSY {
            return Verdict::Processor { share };
        }
        for (percentile, quantile) in [("p50", 0.5), ("p99", 0.99)] {
            let late_ms = report.own_lateness.ms(quantile);
            let latency_ms = latency.ms(quantile);
            if late_ms > SHARE * latency_ms {
                return Verdict::Lateness {
                    percentile,
                    late_ms,
                    latency_ms,
                };
            }
        }
        let waited_ms = report.waited.ms(0.99);
        if waited_ms <= SHARE * latency.ms(0.99) {
            return Verdict::Platform;
        }
        let reached = report.tasks_per_second();
        let rate = report.pace.rate;
        match reached < KEPT_UP * rate {
            true => Verdict::Overload { reached, rate },
            false => Verdict::Connections {
                connections: report.connections,
                waited_ms,
            },
        }
    }

    /// One word, for the report's `describes`.
    pub const fn word(&self) -> &'static str {
        match self {
            Verdict::Platform => "platform",
            Verdict::Overload { .. } => "overload",
            Verdict::Connections { .. } => "connections",
            Verdict::Lateness { .. } | Verdict::Processor { .. } => "generator",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Platform => f.write_str(
                "These latencies describe the platform: the generator kept to its schedule.",
            ),
            Verdict::Overload { reached, rate } => write!(
                f,
                "These latencies describe an overload: of {rate:.0} tasks/s the platform did \
                 {reached:.0}, so they grow for as long as the run lasts."
            ),
            Verdict::Connections {
                connections,
                waited_ms,
            } => write!(
                f,
                "These latencies describe the {connections} connections: tasks were due for up to \
                 {waited_ms:.1} ms (p99) while all were in use. Try more --connections."
            ),
            Verdict::Lateness {
                percentile,
                late_ms,
                latency_ms,
            } => write!(
                f,
                "These latencies describe the GENERATOR and not the platform: it was late by \
                 {late_ms:.2} ms of the {latency_ms:.2} ms at {percentile}. Run it on an idle \
                 machine, or at a lower --rate."
            ),
            Verdict::Processor { share } => write!(
                f,
                "These latencies describe the GENERATOR and not the platform: it used {:.0} % of \
                 all processors. Run it on another machine, or at a lower --rate.",
                share * 100.0
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::load::Pace;
    use crate::load::figures::{Began, End};

    /// 1,000 tasks in one second, each with this latency, of which it waited and was late.
    fn report(latency: u64, waited: u64, late: u64) -> OpenReport {
        let pace = Pace {
            rate: 1_000.0,
            tasks: 1_000,
            batch: None,
        };
        let mut report = OpenReport::new(pace, 8);
        let due = Instant::now();
        let ms = Duration::from_millis;
        for _ in 0..1_000 {
            let free = due + ms(waited);
            let started = free + ms(late);
            let end = End {
                outcome: Ok(()),
                at: due + ms(latency),
            };
            report.add(Began { due, started }, free, &[end]);
        }
        report.seconds = 1.0;
        report
    }

    #[test]
    fn who_is_late_is_what_the_figures_describe() {
        assert_eq!(Verdict::of(&report(100, 5, 5)), Verdict::Platform);
        assert_eq!(Verdict::of(&report(100, 5, 15)).word(), "generator");
        assert_eq!(Verdict::of(&report(100, 15, 5)).word(), "connections");
        // A lateness that spoils the figures spoils also what they say of connections.
        assert_eq!(Verdict::of(&report(100, 50, 15)).word(), "generator");
    }

    #[test]
    fn a_platform_that_does_not_keep_up_is_told_from_too_few_connections() {
        let mut slow = report(100, 60, 1);
        slow.seconds = 2.0;
        let overload = Verdict::Overload {
            reached: 500.0,
            rate: 1_000.0,
        };
        assert_eq!(Verdict::of(&slow), overload);
        // A run that ends late, with no task that waited for a connection, is just short.
        let mut short = report(1_000, 0, 1);
        short.seconds = 2.0;
        assert_eq!(Verdict::of(&short), Verdict::Platform);
    }

    #[test]
    fn a_generator_without_processor_time_is_named() {
        let mut busy = report(100, 0, 0);
        busy.processor_seconds = 1_000.0;
        let verdict = Verdict::of(&busy);
        assert_eq!(verdict.word(), "generator");
        assert!(verdict.to_string().contains("GENERATOR"));
    }
}
