//! The figures of all modes, for people and for machines.

use std::collections::BTreeMap;
use std::io::{self, Write};

use comfy_table::{CellAlignment, Table};
use mpcsfaas_core::store::op::Mode;
use serde::Serialize;

use super::figures::{ModeFigures, Times};
use crate::cmd::TABLE;

/// The longest bar, in characters.
const BAR: usize = 24;

/// Everything.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) store: String,
    /// Tasks a second, if they did not wait for each other.
    pub(super) rate: Option<f64>,
    /// Of each platform.
    pub(super) tasks: u32,
    pub(super) modes: BTreeMap<Mode, ModeFigures>,
}

impl Report {
    /// Prints it on standard output: tables, or one line of JSON.
    ///
    /// # Errors
    /// Standard output does not take it.
    pub(super) fn print(&self, as_json: bool) -> io::Result<()> {
        let mut stdout = io::stdout();
        if as_json {
            return writeln!(stdout, "{}", serde_json::to_string(self)?);
        }
        let pace = match self.rate {
            Some(rate) => format!("{rate} a second"),
            None => "one after the other".to_owned(),
        };
        let tasks = self.tasks;
        writeln!(stdout, "\nstore {}; {tasks} tasks, {pace}", self.store)?;
        for (mode, figures) in &self.modes {
            let table = table(mode.as_str(), figures);
            writeln!(stdout, "\n{}", table.trim_fmt())?;
            if figures.untold > 0 {
                let untold = figures.untold;
                writeln!(stdout, "{untold} tasks were not told of from start to end.")?;
            }
        }
        Ok(())
    }
}

fn table(mode: &str, figures: &ModeFigures) -> Table {
    let mut table = Table::new();
    table.load_preset(TABLE).set_header([
        mode, "what", "p50 us", "p95 us", "p99 us", "mean us", "share", "",
    ]);
    let longest = figures.hops.iter().map(|hop| hop.share_percent);
    let longest = longest.fold(f64::EPSILON, f64::max);
    for hop in &figures.hops {
        let share = format!("{:.1} %", hop.share_percent);
        let bar = bar(hop.share_percent / longest);
        table.add_row(row([hop.part, hop.what], &hop.times, [share, bar]));
    }
    let rest = format!("{:.1}", figures.rest_us);
    let share = figures.rest_us / figures.end_to_end.mean_us * 100.0;
    let share = format!("{share:.1} %");
    table.add_row([
        "(rest)",
        "no hop explains it",
        "",
        "",
        "",
        &rest,
        &share,
        "",
    ]);
    let blank = || [String::new(), String::new()];
    let whole = ["client", "end to end"];
    let hundred = ["100.0 %".to_owned(), String::new()];
    table.add_row(row(whole, &figures.end_to_end, hundred));
    let silent = ["client", "end to end, nothing traced"];
    table.add_row(row(silent, &figures.silent, blank()));
    for beside in &figures.beside {
        table.add_row(row(["beside", beside.what], &beside.times, blank()));
    }
    for column in table.column_iter_mut().skip(2).take(5) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn row(names: [&str; 2], times: &Times, end: [String; 2]) -> Vec<String> {
    let figures = [times.p50_us, times.p95_us, times.p99_us, times.mean_us];
    let figures = figures.map(|micros| format!("{micros:.0}"));
    let names = names.map(str::to_owned);
    names.into_iter().chain(figures).chain(end).collect()
}

/// A bar as long as this share of the longest.
fn bar(share: f64) -> String {
    let eighths = (share.clamp(0.0, 1.0) * (BAR * 8) as f64).round() as usize;
    let part = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
    format!("{}{part}", "█".repeat(eighths / 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_have_the_length_of_shares() {
        assert_eq!(bar(1.0), "█".repeat(BAR));
        assert_eq!(bar(0.5), "█".repeat(BAR / 2));
        assert_eq!(bar(1.0 / (BAR * 8) as f64), "▏");
        assert_eq!(bar(0.0), "");
    }
}
