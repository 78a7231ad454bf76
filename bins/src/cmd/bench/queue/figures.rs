//! What was seen while the queue grew and shrank, by how many were in it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

/// A look at a run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Look {
    /// Since the start of the run.
    pub(super) at: Duration,
    /// So many tasks are queued.
    pub(super) queued: u64,
    /// Processor time that each part has taken since its start.
    pub(super) cpu: BTreeMap<String, Duration>,
}

/// A part of a run: as long as so many were queued.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Window {
    /// At least so many.
    pub(super) from: u64,
    /// At most so many.
    pub(super) to: u64,
    pub(super) tasks_per_s: f64,
    /// Processor time of each part for a task, in microseconds.
    pub(super) cpu_us: BTreeMap<String, f64>,
}

/// The bounds of the windows for a queue that becomes so long: its first hundredth, which stands for a
/// short queue, what is left of its first tenth, and each further tenth.
pub(super) fn bounds(tasks: u64) -> Vec<u64> {
    let tenths = (1..=10).map(|tenth| tasks / 10 * tenth + tasks % 10 * tenth / 10);
    [0, tasks / 100].into_iter().chain(tenths).collect()
}

/// Each window of a run in which the queue only grew, or only shrank. A window that no two looks lie
/// in, or in which nothing happened, is left out; if that is each, the run is one window.
pub(super) fn windows(looks: &[Look], bounds: &[u64]) -> Vec<Window> {
    let pairs = bounds.windows(2);
    let windows = pairs.filter_map(|pair| window(looks, pair[0], pair[1]));
    let windows: Vec<Window> = windows.collect();
    match (windows.is_empty(), bounds.last()) {
        (true, Some(all)) => window(looks, 0, *all).into_iter().collect(),
        _ => windows,
    }
}

fn window(looks: &[Look], from: u64, to: u64) -> Option<Window> {
    let inside = looks.iter();
    let inside: Vec<&Look> = inside
        .filter(|look| (from..=to).contains(&look.queued))
        .collect();
    // Of several looks at the same queue, such as an empty one, those next to the change count.
    let (begin, end) = (inside.first()?.queued, inside.last()?.queued);
    let first = inside.iter();
    let first = *first.take_while(|look| look.queued == begin).last()?;
    let last = inside.iter().rev();
    let last = *last.take_while(|look| look.queued == end).last()?;
    let tasks = first.queued.abs_diff(last.queued) as f64;
    let seconds = last.at.checked_sub(first.at)?.as_secs_f64();
    let cpu_us = last.cpu.iter().map(|(part, after)| {
        let before = first.cpu.get(part).copied().unwrap_or_default();
        let spent = after.saturating_sub(before).as_secs_f64();
        (part.clone(), spent * 1e6 / tasks)
    });
    (seconds > 0.0 && tasks > 0.0).then(|| Window {
        from,
        to,
        tasks_per_s: tasks / seconds,
        cpu_us: cpu_us.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(millis: u64, queued: u64, cpu_us: u64) -> Look {
        Look {
            at: Duration::from_millis(millis),
            queued,
            cpu: BTreeMap::from([("store".to_owned(), Duration::from_micros(cpu_us))]),
        }
    }

    #[test]
    fn windows_are_a_hundredth_and_tenths() {
        let expected = [0, 10, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1_000];
        assert_eq!(bounds(1_000), expected);
        assert_eq!(bounds(999).last(), Some(&999));
    }

    #[test]
    fn a_growing_queue_is_told_by_its_length() {
        let looks = [
            look(0, 0, 0),
            look(10, 10, 50),
            look(100, 100, 500),
            look(300, 200, 1_500),
        ];
        let windows = windows(&looks, &[0, 100, 200]);
        let rates: Vec<f64> = windows.iter().map(|window| window.tasks_per_s).collect();
        assert_eq!(rates, [1_000.0, 500.0]);
        let cpu: Vec<f64> = windows
            .iter()
            .map(|window| window.cpu_us["store"])
            .collect();
        assert_eq!(cpu, [5.0, 10.0]);
    }

    #[test]
    fn a_shrinking_queue_is_too_and_the_time_before_and_after_is_none_of_it() {
        let looks = [
            look(0, 200, 0),
            look(1_000, 200, 10),
            look(1_100, 100, 110),
            look(1_400, 0, 310),
            look(9_000, 0, 900),
        ];
        let windows = windows(&looks, &[0, 100, 200]);
        let rates: Vec<f64> = windows.iter().map(|window| window.tasks_per_s).collect();
        assert_eq!(
            rates.iter().map(|rate| rate.round()).collect::<Vec<_>>(),
            [333.0, 1_000.0]
        );
        assert_eq!(windows[0].cpu_us["store"], 2.0);
        assert_eq!(windows[1].cpu_us["store"], 1.0);
    }

    #[test]
    fn what_nobody_looked_at_is_left_out() {
        let looks = [look(0, 0, 0), look(10, 150, 0), look(20, 200, 0)];
        let windows = windows(&looks, &[0, 100, 200]);
        assert_eq!(windows.len(), 1);
        assert_eq!((windows[0].from, windows[0].tasks_per_s), (100, 5_000.0));
    }

    #[test]
    fn what_is_gone_between_two_looks_is_one_window() {
        let looks = [look(0, 200, 0), look(10, 0, 50)];
        let windows = windows(&looks, &[0, 100, 200]);
        assert_eq!(windows.len(), 1);
        assert_eq!((windows[0].from, windows[0].to), (0, 200));
        assert_eq!(windows[0].tasks_per_s, 20_000.0);
    }
}
