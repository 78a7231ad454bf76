//! What others have seen of the original: its report's figures, and measurements of it.

use super::{Machine, Row};

/// A number that somebody has seen of the original.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Figure {
    /// Where it is from: `its report`, or `measured` on the original.
    pub source: &'static str,
    /// Workers stopped.
    pub dead: usize,
    /// Workers started.
    pub live: usize,
    /// The timeout, if it is known.
    pub timeout_s: Option<f64>,
    /// Whether the workers were made to say goodbye.
    pub goodbye: bool,
    /// Tasks that were stuck, if they were counted.
    pub stuck: Option<usize>,
    /// From the first submit to the end of the last task, if it was taken.
    pub completion_s: Option<f64>,
}

/// From the original's report, which does not name the timeout. One of 11 to 14 s gives all three,
/// and 15 s if the last beat was older than the gap, by up to the second between two.
pub const PUBLISHED: [Figure; 3] = [
    published(1, 2, 7.67),
    published(2, 4, 9.13),
    published(4, 8, 8.25),
];

/// Measured on the original, with a timeout of 10 s.
pub const MEASURED_10: [Figure; 4] = [
    measured((0, 1), 10.0, Some(0), None),
    measured((1, 2), 10.0, Some(3), Some(4.13)),
    measured((2, 4), 10.0, Some(4), Some(6.93)),
    measured((4, 8), 10.0, Some(4), Some(6.88)),
];

/// Measured on the original, with 15 s.
pub const MEASURED_15: [Figure; 3] = [
    measured((1, 2), 15.0, None, Some(9.06)),
    measured((2, 4), 15.0, None, Some(11.92)),
    measured((4, 8), 15.0, None, Some(11.93)),
];

/// Measured on the original, with 15 s and a goodbye. The second is 0.4 s longer than its batches,
/// a nap and the runs, which nothing here explains.
pub const MEASURED_GOODBYE: [Figure; 3] = [
    with_goodbye(measured((1, 2), 15.0, None, Some(0.33))),
    with_goodbye(measured((2, 4), 15.0, None, Some(1.29))),
    with_goodbye(measured((4, 8), 15.0, None, Some(1.63))),
];

/// Measured on the original, with 3 s and the usual gap.
pub const MEASURED_3: [Figure; 1] = [measured((4, 8), 3.0, Some(0), None)];

const fn published(dead: usize, live: usize, completion_s: f64) -> Figure {
    Figure {
        source: "its report",
        dead,
        live,
        timeout_s: None,
        goodbye: false,
        stuck: None,
        completion_s: Some(completion_s),
    }
}

const fn measured(
    (dead, live): (usize, usize),
    timeout_s: f64,
    stuck: Option<usize>,
    completion_s: Option<f64>,
) -> Figure {
    Figure {
        source: "measured",
        dead,
        live,
        timeout_s: Some(timeout_s),
        goodbye: false,
        stuck,
        completion_s,
    }
}

const fn with_goodbye(figure: Figure) -> Figure {
    Figure {
        goodbye: true,
        ..figure
    }
}

impl Figure {
    /// Whether a row of the model stands for it. Without a goodbye workers were killed.
    pub(super) fn is_of(&self, row: &Row) -> bool {
        let original = row.machine == Machine::Original.name();
        let crew = (self.dead, self.live) == (row.dead, row.live);
        original && crew && self.goodbye == row.goodbye && row.closes
    }

    pub(super) fn words(&self) -> String {
        let stuck = self.stuck.map(|stuck| format!("{stuck} stuck"));
        let took = self.completion_s.map(|took| format!("{took:.2} s"));
        let seen: Vec<String> = stuck.into_iter().chain(took).collect();
        format!("{}: {}", self.source, seen.join(", "))
    }
}
