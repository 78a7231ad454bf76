//! Percentiles, means and shares of what was measured in one mode.

use serde::Serialize;

use super::trail::{BESIDE, STEPS, Seen, Told, WAY};

/// Times of many tasks, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Times {
    pub(super) p50_us: f64,
    pub(super) p95_us: f64,
    pub(super) p99_us: f64,
    pub(super) mean_us: f64,
}

impl Times {
    /// Of times in nanoseconds; all 0 if there are none.
    fn of(mut times: Vec<u64>) -> Times {
        times.sort_unstable();
        let at = |share: f64| {
            let last = times.len().saturating_sub(1);
            let index = (share * last as f64).round() as usize;
            times.get(index).map_or(0.0, |nanos| micros(*nanos))
        };
        let sum: u64 = times.iter().sum();
        Times {
            p50_us: at(0.5),
            p95_us: at(0.95),
            p99_us: at(0.99),
            mean_us: micros(sum) / (times.len().max(1) as f64),
        }
    }
}

fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1e3
}

/// One step.
#[derive(Clone, Debug, Serialize)]
pub(super) struct HopRow {
    /// Where it ends.
    pub(super) until: &'static str,
    /// Who is busy.
    pub(super) part: &'static str,
    /// With what.
    pub(super) what: &'static str,
    #[serde(flatten)]
    pub(super) times: Times,
    /// Of the mean from end to end.
    pub(super) share_percent: f64,
}

/// Something that nobody waits for.
#[derive(Clone, Debug, Serialize)]
pub(super) struct BesideRow {
    pub(super) what: &'static str,
    #[serde(flatten)]
    pub(super) times: Times,
}

/// All of one mode.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ModeFigures {
    /// Tasks whose whole way was told.
    pub(super) told: usize,
    /// Tasks of whose way something is missing: they are in `end_to_end` only.
    pub(super) untold: usize,
    /// One after the other; their means add up to that from end to end, but for `rest_us`.
    pub(super) hops: Vec<HopRow>,
    pub(super) beside: Vec<BesideRow>,
    /// What the client waited.
    pub(super) end_to_end: Times,
    /// The mean from end to end that no hop explains.
    pub(super) rest_us: f64,
    /// What the client waited at a platform that tells nothing, in turns with this one.
    pub(super) silent: Times,
}

impl ModeFigures {
    /// Of what the client saw, what the platform told, and what a silent platform took for each task,
    /// in nanoseconds. `None` if the platform did not tell the whole way of any task.
    pub(super) fn of(seen: &[Seen], told: &Told, silent: Vec<u64>) -> Option<ModeFigures> {
        let ways: Vec<[u64; STEPS]> = seen.iter().filter_map(|seen| told.steps(seen)).collect();
        if ways.is_empty() {
            return None;
        }
        let waited = seen.iter().map(|seen| seen.got.saturating_sub(seen.begun));
        let end_to_end = Times::of(waited.collect());
        let of_step = |number: usize| Times::of(ways.iter().map(|steps| steps[number]).collect());
        let hops: Vec<HopRow> = (WAY.iter().enumerate())
            .map(|(number, step)| {
                let times = of_step(number);
                HopRow {
                    until: step.until.as_str(),
                    part: step.part,
                    what: step.what,
                    times,
                    share_percent: times.mean_us / end_to_end.mean_us * 100.0,
                }
            })
            .collect();
        let beside = BESIDE.map(|(from, to, what)| {
            let times = seen.iter().filter_map(|seen| told.between(seen, from, to));
            let times = Times::of(times.collect());
            BesideRow { what, times }
        });
        let explained: f64 = hops.iter().map(|hop| hop.times.mean_us).sum();
        Some(ModeFigures {
            told: ways.len(),
            untold: seen.len() - ways.len(),
            hops,
            beside: beside.to_vec(),
            end_to_end,
            rest_us: end_to_end.mean_us - explained,
            silent: Times::of(silent),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let times = Times::of((1..=101).rev().map(|number| number * 1_000).collect());
        let expected = Times {
            p50_us: 51.0,
            p95_us: 96.0,
            p99_us: 100.0,
            mean_us: 51.0,
        };
        assert_eq!(times, expected);
        assert_eq!(Times::of(Vec::new()).p99_us, 0.0);
    }

    #[test]
    fn without_a_single_way_there_are_no_figures() {
        assert!(ModeFigures::of(&[], &Told::default(), Vec::new()).is_none());
    }
}
