//! How many tasks wait for dead workers, by arithmetic: what the machines here are held to.
//!
//! The client has stopped `D` workers, whom the dispatcher does not yet miss, and started `L`. It
//! submits in batches of `B` tasks that take no time. The rule follows from three facts:
//!
//! - The pusher sends a batch faster than the first result comes back, and between two batches all
//!   results come back. So a live worker starts each batch with no task, and a dead one keeps all
//!   that it ever got.
//! - The next task goes to whoever has the fewest, among equals to the earliest registered: to a
//!   dead one. A dead worker with `k` tasks is next when, in this batch, every live one has got `k`.
//! - That takes `L * k` tasks of the batch before. So a dead worker gets its task number `k + 1`
//!   only if `L * k < B`, and never more than `1 + (B - 1) / L`, rounded down.
//!
//! With enough batches `D * (1 + (B - 1) / L)` tasks are stuck, with fewer ones fewer. For 1, 2, 4
//! and 8 live workers and 0, 1, 2 and 4 dead ones, batches of 5 and 5 tasks a live worker, this is
//! the 0, 3, 4 and 4 that was measured. They wait for the scan that finds the dead.

use std::time::Duration;

use super::{BATCH, BATCH_PAUSE, SCAN, TIMEOUT};

/// A client that submits while dead workers are registered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stage {
    /// How many registered workers are dead. They registered first.
    pub dead: usize,
    /// How many live.
    pub live: usize,
    /// How many tasks are submitted for each live worker.
    pub tasks_per_worker: usize,
    /// How many are submitted at a time.
    pub batch: usize,
    /// The time from one batch to the next.
    pub pause: Duration,
    /// How long the last beat of the dead is ago when the first batch is submitted.
    pub gap: Duration,
    /// After how long a silence a scan removes a worker.
    pub timeout: Duration,
    /// The time from one scan to the next.
    pub scan: Duration,
    /// The time from the first batch to some scan after it.
    pub next_scan: Duration,
}

impl Stage {
    /// The original's client and dispatcher, with a scan right after the first batch.
    pub fn new(dead: usize, live: usize) -> Stage {
        Stage {
            dead,
            live,
            tasks_per_worker: 5,
            batch: BATCH,
            pause: BATCH_PAUSE,
            gap: Duration::from_secs(7),
            timeout: TIMEOUT,
            scan: SCAN,
            next_scan: Duration::ZERO,
        }
    }

    /// The time from the first batch to the scan that removes the dead; zero if they are gone by
    /// then. It lies between `timeout - gap` and one scan later.
    pub fn removed_after(&self) -> Duration {
        let [timeout, gap, scan, next_scan] =
            [self.timeout, self.gap, self.scan, self.next_scan].map(nanos);
        let too_old = timeout - gap;
        // The first scan that is later than that: the dispatcher has scanned for long.
        let scans_before = (next_scan - too_old - 1).div_euclid(scan);
        let removed = next_scan - scans_before * scan;
        Duration::from_nanos(u64::try_from(removed).unwrap_or(0))
    }

    /// How many tasks are given to dead workers.
    pub fn stuck(&self) -> usize {
        let removed = self.removed_after();
        let mut tasks = vec![0; self.dead + self.live];
        let mut left = self.live * self.tasks_per_worker;
        let mut at = Duration::ZERO;
        while left > 0 && at < removed {
            let batch = left.min(self.batch);
            for _ in 0..batch {
                if let Some(fewest) = tasks.iter_mut().min() {
                    *fewest += 1;
                }
            }
            tasks[self.dead..].fill(0);
            left -= batch;
            at += self.pause;
        }
        tasks[..self.dead].iter().sum()
    }
}

fn nanos(time: Duration) -> i128 {
    i128::try_from(time.as_nanos()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after_ten_seconds(dead: usize, live: usize) -> Stage {
        Stage {
            timeout: Duration::from_secs(10),
            ..Stage::new(dead, live)
        }
    }

    #[test]
    fn as_many_are_stuck_as_were_measured() {
        for (dead, live, stuck) in [(0, 1, 0), (1, 2, 3), (2, 4, 4), (4, 8, 4)] {
            assert_eq!(after_ten_seconds(dead, live).stuck(), stuck);
        }
    }

    #[test]
    fn with_enough_batches_the_number_has_a_closed_form() {
        for (dead, live, batch) in [
            (1, 1, 5),
            (1, 2, 5),
            (3, 2, 7),
            (4, 8, 5),
            (5, 3, 4),
            (2, 9, 1),
        ] {
            let stage = Stage {
                batch,
                tasks_per_worker: 200,
                pause: Duration::ZERO,
                ..after_ten_seconds(dead, live)
            };
            assert_eq!(stage.stuck(), dead * (1 + (batch - 1) / live), "{stage:?}");
        }
    }

    #[test]
    fn a_short_timeout_or_a_long_gap_leaves_nobody_to_wait_for() {
        let seconds = Duration::from_secs;
        let stage = Stage {
            next_scan: seconds(2),
            ..Stage::new(4, 8)
        };
        assert_eq!(stage.removed_after(), Duration::ZERO);
        assert_eq!(stage.stuck(), 0);
        let no_gap = Stage {
            gap: Duration::ZERO,
            ..stage
        };
        assert_eq!(no_gap.removed_after(), seconds(7));
        assert_eq!(no_gap.stuck(), 4);
    }

    #[test]
    fn the_dead_are_found_within_one_scan_after_their_time() {
        for phase in 0..50 {
            let stage = Stage {
                next_scan: Duration::from_millis(phase * 100),
                ..after_ten_seconds(2, 4)
            };
            let found = stage.removed_after();
            assert!(found > Duration::from_secs(3) && found <= Duration::from_secs(8));
        }
    }

    #[test]
    fn once_the_dead_are_gone_no_further_batch_gets_stuck() {
        let stage = Stage {
            timeout: Duration::from_millis(6_900),
            next_scan: Duration::from_millis(100),
            ..Stage::new(1, 2)
        };
        assert_eq!(stage.removed_after(), Duration::from_millis(100));
        assert_eq!(stage.stuck(), 2);
    }
}
