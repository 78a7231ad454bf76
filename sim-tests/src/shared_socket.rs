//! How the original's push workers stall: one thread polls a ZMQ socket on which others send.
//!
//! [`mpcsfaas_transport_sim::mailbox`] is the mechanism: no draw decides whether a wake-up is lost,
//! only when messages come and when threads send. This module puts it under the two loads for
//! which the original was measured, and gives one [`Row`] for each way to use sockets:
//!
//! - `push` 2 workers of 2 processes, 900 tasks at 60 a second;
//! - `alone` one socket, 50 messages a second in, a second thread sending each 1-10 ms, 10 s.
//!
//! [`WAKE_LATENCY`] is the only number that was chosen by the stalls, and one value fits both loads.
//! The others are the original's own constants, or delays that its runs without stalls show, or
//! (below a millisecond or two) guesses; each stands where it is used.
//!
//! | measured on the original | stalls | late | p99 | longest | alone |
//! |---|---|---|---|---|---|
//! | shared | 0-2 | 23 | 836 ms | 1071 ms | 121 of 466 |
//! | shared, worker polls 50 ms | - | 0 | 113 ms | 117 ms | - |
//! | own socket for each thread | - | 0 | 115 ms | 119 ms | 0 of 462 |

mod alone;
mod push;
mod threads;

use std::fmt::Write as _;
use std::ops::Range;
use std::time::Duration;

/// From the signal to a thread that sleeps in `poll(2)` until that thread runs: what Linux takes on
/// a machine that has other things to do. The one free number. 35 to 55 µs fit both measurements:
/// less makes fewer late messages of `alone` than were seen, more makes more stalls of `push`.
pub const WAKE_LATENCY: Duration = Duration::from_micros(40);

/// The seeds of [`table`].
pub const SEEDS: Range<u64> = 0..200;

/// How the threads of a process use sockets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sockets {
    /// As in the original: a thread polls for 1 s, others send on the same socket.
    Shared,
    /// The same with a poll of 50 ms: wake-ups are lost as often, for less long.
    SharedPoll50,
    /// One for each thread.
    Own,
    /// As here: one task owns the socket, others hand it what is to be sent. It waits for the
    /// socket and for them at once, and looks for messages after each send, before it sleeps. Ours
    /// does not use libzmq; this row says that the design would be safe even on it.
    OneOwner,
}

impl Sockets {
    /// All ways, in the order of [`table`].
    pub const ALL: [Sockets; 4] = [
        Sockets::Shared,
        Sockets::SharedPoll50,
        Sockets::Own,
        Sockets::OneOwner,
    ];

    /// What to call it in a table.
    pub const fn name(self) -> &'static str {
        match self {
            Sockets::Shared => "shared (the original)",
            Sockets::SharedPoll50 => "shared, poll of 50 ms",
            Sockets::Own => "one socket a thread",
            Sockets::OneOwner => "one owner (ours)",
        }
    }

    const fn poll_timeout(self) -> Duration {
        match self {
            Sockets::SharedPoll50 => Duration::from_millis(50),
            Sockets::Shared | Sockets::Own | Sockets::OneOwner => Duration::from_secs(1),
        }
    }
}

/// What the runs of all seeds came to. Means are over seeds, medians too.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// How sockets were used.
    pub sockets: Sockets,
    /// Runs.
    pub seeds: u64,
    /// Wake-ups lost in a run of 900 tasks, in the mean.
    pub stalls: f64,
    /// Tasks of a run that took more than 300 ms, in the mean.
    pub late: f64,
    /// The 99th percentile of a run, in the median.
    pub p99: Duration,
    /// The longest task of a run, in the median.
    pub max: Duration,
    /// Messages of a run of `alone`, in the mean.
    pub alone_messages: f64,
    /// Those of them that took more than 100 ms, in the mean.
    pub alone_late: f64,
}

/// The row of one way to use sockets.
pub fn run(sockets: Sockets, seeds: Range<u64>) -> Row {
    run_with(sockets, WAKE_LATENCY, seeds)
}

/// The rows of all ways.
pub fn table() -> Vec<Row> {
    Sockets::ALL.map(|sockets| run(sockets, SEEDS)).into()
}

/// The rows in aligned columns, with a heading.
pub fn text(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<22} {:>7} {:>11} {:>8} {:>8} {:>14}\n",
        "sockets", "stalls", "late tasks", "p99 ms", "max ms", "alone, late"
    );
    for row in rows {
        let alone = format!("{:.0} of {:.0}", row.alone_late, row.alone_messages);
        // Writing into a string does not fail.
        let _ = writeln!(
            text,
            "{:<22} {:>7.2} {:>11.1} {:>8} {:>8} {:>14}",
            row.sockets.name(),
            row.stalls,
            row.late,
            row.p99.as_millis(),
            row.max.as_millis(),
            alone,
        );
    }
    text
}

fn run_with(sockets: Sockets, wake_latency: Duration, seeds: Range<u64>) -> Row {
    let pushes: Vec<push::Outcome> = seeds
        .clone()
        .map(|seed| push::run(sockets, wake_latency, seed))
        .collect();
    let alones: Vec<alone::Outcome> = seeds
        .clone()
        .map(|seed| alone::run(sockets, wake_latency, seed))
        .collect();
    Row {
        sockets,
        seeds: seeds.end - seeds.start,
        stalls: mean(pushes.iter().map(|run| run.stalls)),
        late: mean(pushes.iter().map(|run| run.late)),
        p99: median(pushes.iter().map(|run| run.p99)),
        max: median(pushes.iter().map(|run| run.max)),
        alone_messages: mean(alones.iter().map(|run| run.messages)),
        alone_late: mean(alones.iter().map(|run| run.late)),
    }
}

fn mean(values: impl ExactSizeIterator<Item = u64>) -> f64 {
    let count = values.len().max(1);
    values.sum::<u64>() as f64 / count as f64
}

fn median(values: impl Iterator<Item = Duration>) -> Duration {
    let mut values: Vec<Duration> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How far the late messages of one run of `alone` are from the mean: the measurement is one run.
    const ALONE_DEVIATION: f64 = 49.0;

    #[test]
    fn one_wake_latency_gives_both_measurements() {
        let row = run(Sockets::Shared, SEEDS);
        assert!((0.8..=2.0).contains(&row.stalls), "{row:?}");
        assert!((18.0..=26.0).contains(&(row.late / row.stalls)), "{row:?}");
        assert!((750..=900).contains(&row.p99.as_millis()), "{row:?}");
        assert!((1_000..=1_100).contains(&row.max.as_millis()), "{row:?}");
        assert!((460.0..=470.0).contains(&row.alone_messages), "{row:?}");
        assert!((row.alone_late - 121.0).abs() < ALONE_DEVIATION, "{row:?}");
    }

    #[test]
    fn a_short_poll_loses_wakeups_but_delays_no_task() {
        let row = run(Sockets::SharedPoll50, SEEDS);
        assert!((0.8..=2.5).contains(&row.stalls), "{row:?}");
        assert_eq!((row.late, row.alone_late), (0.0, 0.0));
        assert!((105..=120).contains(&row.p99.as_millis()), "{row:?}");
        assert!((105..=130).contains(&row.max.as_millis()), "{row:?}");
    }

    #[test]
    fn one_socket_a_thread_and_one_owner_never_stall() {
        for sockets in [Sockets::Own, Sockets::OneOwner] {
            let row = run(sockets, SEEDS);
            assert_eq!((row.stalls, row.late, row.alone_late), (0.0, 0.0, 0.0));
            assert!((110..=120).contains(&row.p99.as_millis()), "{row:?}");
            assert!((112..=124).contains(&row.max.as_millis()), "{row:?}");
        }
    }

    #[test]
    fn nothing_stalls_without_other_threads_that_send_however_slowly_the_poller_wakes() {
        let slow = Duration::from_millis(10);
        assert!(run_with(Sockets::Shared, slow, 0..20).stalls > 20.0);
        for sockets in [Sockets::Own, Sockets::OneOwner] {
            assert_eq!(run_with(sockets, slow, 0..20).stalls, 0.0);
        }
    }

    #[test]
    fn twice_the_wake_latency_stalls_about_twice_as_often() {
        let [none, half, one, twice] =
            [0, 1, 2, 4].map(|halves| run_with(Sockets::Shared, WAKE_LATENCY / 2 * halves, SEEDS));
        assert_eq!((none.stalls, none.alone_late), (0.0, 0.0));
        for (less, more) in [(&half, &one), (&one, &twice)] {
            let factor = more.stalls / less.stalls;
            assert!((1.5..=2.5).contains(&factor), "{less:?}\n{more:?}");
            assert!(
                less.alone_late * 1.3 < more.alone_late,
                "{less:?}\n{more:?}"
            );
        }
    }

    #[test]
    fn the_same_seeds_give_the_same_row() {
        assert_eq!(run(Sockets::Shared, 7..27), run(Sockets::Shared, 7..27));
        assert_ne!(run(Sockets::Shared, 7..27), run(Sockets::Shared, 27..47));
    }
}
