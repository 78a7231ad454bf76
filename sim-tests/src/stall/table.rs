//! What was seen of the original, the model's rows and ours, side by side.

use std::fmt::Write as _;
use std::ops::{Range, RangeFrom};
use std::time::Duration;

use super::figures::{Figure, MEASURED_3, MEASURED_10, MEASURED_15, MEASURED_GOODBYE, PUBLISHED};
use super::{Row, Setting, custom};

/// Everything.
#[derive(Clone, PartialEq, Debug)]
pub struct Table {
    /// One for each thing that it shows.
    pub blocks: Vec<Block>,
}

/// Rows that show one thing.
#[derive(Clone, PartialEq, Debug)]
pub struct Block {
    /// What they show, in a sentence or two.
    pub shows: &'static str,
    /// What was seen of the original in these conditions.
    pub figures: &'static [Figure],
    /// For each condition the original's row and ours.
    pub rows: Vec<Row>,
}

impl Table {
    /// The rows of all blocks.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.blocks.iter().flat_map(|block| &block.rows)
    }
}

/// Runs all conditions.
pub fn table(seeds: Range<u64>) -> Table {
    let block = |shows, figures, settings: Vec<Setting>| Block {
        shows,
        figures,
        rows: settings
            .iter()
            .flat_map(|setting| custom(setting, seeds.clone()))
            .collect(),
    };
    let blocks = vec![
        block(
            "Dead workers are still registered. They have the fewest tasks, so they get the next; later a scan finds them.",
            &MEASURED_10,
            crews(1.., 10, false),
        ),
        block(
            "With 15 s instead of 10 s it is one scan more, and nothing else.",
            &MEASURED_15,
            crews(2.., 15, false),
        ),
        block(
            "Its report does not name the timeout. One of 11 to 14 s gives all three completions; here it is 12 s.",
            &PUBLISHED,
            crews(2.., 12, false),
        ),
        block(
            "What if the original's workers said goodbye? No task would wait for them, whatever the timeout.",
            &MEASURED_GOODBYE,
            crews(2.., 15, true),
        ),
        block(
            "With 3 s the dead are found before the first submit, or within a second of it, by the scan's phase.",
            &MEASURED_3,
            ways(|way| Setting { gap: SEVEN, ..way }),
        ),
        block(
            "Without a gap 3 s do not help. Ours waits only if nobody hears the end of a connection, and not for a scan.",
            &[],
            ways(|way| way),
        ),
        block(
            "They stop 2 ms after the first submit, with tasks in hand. Even with a goodbye the original may lose one.",
            &[],
            ways(|way| Setting {
                overlap: Duration::from_millis(2),
                ..way
            }),
        ),
    ];
    Table { blocks }
}

const SEVEN: Duration = Duration::from_secs(7);

/// As many live workers as were measured, in place of half as many.
fn crews(live: RangeFrom<usize>, timeout_s: u64, goodbye: bool) -> Vec<Setting> {
    let crews = [1, 2, 4, 8].into_iter().filter(|crew| live.contains(crew));
    let setting = |live| Setting {
        dead: live / 2,
        live,
        timeout: Duration::from_secs(timeout_s),
        goodbye,
        ..Setting::default()
    };
    crews.map(setting).collect()
}

/// The ways to go, with the same timeout of 3 s for both machines and no gap.
fn ways(change: impl Fn(Setting) -> Setting) -> Vec<Setting> {
    let ways = [(true, true), (false, true), (false, false)];
    let setting = |(goodbye, closes)| {
        change(Setting {
            gap: Duration::ZERO,
            timeout: Duration::from_secs(3),
            goodbye,
            closes,
            ..Setting::default()
        })
    };
    ways.map(setting).into()
}

/// The blocks in aligned columns, at most 120 wide.
pub fn text(table: &Table) -> String {
    let mut text = String::new();
    for block in &table.blocks {
        text.push_str(block.shows);
        text.push('\n');
        text.push_str(&rows_text(&block.rows, block.figures));
        text.push('\n');
    }
    text.push_str(LEGEND);
    text
}

/// Rows in aligned columns, with a heading, and what was seen of the original in their conditions.
pub fn rows_text(rows: &[Row], figures: &[Figure]) -> String {
    let seen = if figures.is_empty() {
        ""
    } else {
        "the original"
    };
    let mut text = format!(
        "{:<8} {:>4} {:>4} {:>5} {:>6} {:>4}  {:<8} {:>5} {:>5} {:>4} {:>6} {:>6} {:>6} {:>7}  {seen}",
        "",
        "dead",
        "live",
        "batch",
        "gap s",
        "T s",
        "went",
        "stuck",
        "never",
        ">1 s",
        "median",
        "min",
        "max",
        "longest",
    );
    text.truncate(text.trim_end().len());
    text.push('\n');
    for row in rows {
        let seen = figures.iter().filter(|figure| figure.is_of(row));
        let seen: Vec<String> = seen.map(Figure::words).collect();
        let start = text.len();
        // Writing into a string does not fail.
        let _ = write!(
            text,
            "{:<8} {:>4} {:>4} {:>5} {:>6.3} {:>4.1}  {:<8} {:>5} {:>5} {:>4} {:>6.2} {:>6.2} {:>6.2} {:>7.2}  {}",
            row.machine,
            row.dead,
            row.live,
            row.batch,
            row.gap_s,
            row.timeout_s,
            row.went(),
            row.stuck_text(),
            row.unfinished,
            row.late,
            row.completion_s,
            row.completion_min_s,
            row.completion_max_s,
            row.worst_wait_s,
            seen.join(", "),
        );
        text.truncate(start + text[start..].trim_end().len());
        text.push('\n');
    }
    text
}

/// What the columns are.
pub const LEGEND: &str = "\
gap: from the last beat of the stopped workers to the first submit. T: silence after which a worker counts as dead.
went: said goodbye, was killed (the connection closes), or vanished (nobody hears that it closes).
stuck: tasks sent to dead workers (original), or that took longer than they may (ours). >1 s: that took more than that.
median, min, max: seconds from the first submit to the end of the last task, over the phases of the scan.
longest: seconds of one task. never: tasks that never ended, counted to the end of the run.
";

impl Row {
    /// How the stopped workers went.
    pub fn went(&self) -> &'static str {
        match (self.goodbye, self.closes) {
            (true, _) => "goodbye",
            (false, true) => "killed",
            (false, false) => "vanished",
        }
    }

    fn stuck_text(&self) -> String {
        match self.stuck_min == self.stuck_max {
            true => self.stuck.to_string(),
            false => format!("{}-{}", self.stuck_min, self.stuck_max),
        }
    }
}
