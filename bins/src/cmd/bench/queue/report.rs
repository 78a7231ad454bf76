//! The figures, for people and for machines.

use std::collections::BTreeSet;
use std::io::{self, Write};

use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use super::course::{IdleRow, QueueFigures};
use super::figures::Window;
use crate::cmd::TABLE;

/// Everything.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) store: String,
    pub(super) tasks: u64,
    pub(super) bytes: u32,
    /// Empty if nobody watched.
    pub(super) idle: Vec<IdleRow>,
    pub(super) queue: QueueFigures,
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
        let Report {
            store,
            tasks,
            bytes,
            idle,
            queue,
        } = self;
        writeln!(stdout, "\nstore {store}; {tasks} tasks of {bytes} bytes")?;
        if !idle.is_empty() {
            writeln!(stdout, "\n{}", at_rest(idle).trim_fmt())?;
        }
        for (heading, windows) in [("submitting", &queue.fill), ("draining", &queue.drain)] {
            writeln!(stdout, "\n{}", by_length(heading, windows).trim_fmt())?;
            if let Some(ratio) = long_to_short(windows) {
                writeln!(stdout, "The longest queue to the shortest: {ratio:.2}.")?;
            }
        }
        writeln!(stdout, "\n{}", memory(queue).trim_fmt())
    }
}

/// The rate at the longest queue over that at the shortest.
fn long_to_short(windows: &[Window]) -> Option<f64> {
    let short = windows.iter().min_by_key(|window| window.from)?;
    let long = windows.iter().max_by_key(|window| window.from)?;
    (long.from > short.from).then(|| long.tasks_per_s / short.tasks_per_s)
}

fn at_rest(rows: &[IdleRow]) -> Table {
    let mut table = Table::new();
    let header = ["idle", "% of a processor", "MiB"];
    table.load_preset(TABLE).set_header(header);
    for row in rows {
        let cpu = format!("{:.2}", row.cpu_percent);
        table.add_row([row.process.clone(), cpu, mebi(row.taken.memory_kib)]);
    }
    let all = rows.iter().map(|row| row.cpu_percent).sum::<f64>();
    let memory = rows.iter().map(|row| row.taken.memory_kib).sum();
    table.add_row(["all".to_owned(), format!("{all:.2}"), mebi(memory)]);
    numbers(table)
}

fn by_length(heading: &str, windows: &[Window]) -> Table {
    let parts: BTreeSet<&String> = windows
        .iter()
        .flat_map(|window| window.cpu_us.keys())
        .collect();
    let mut header = vec![format!("{heading}, queued"), "tasks/s".to_owned()];
    header.extend(parts.iter().map(|part| format!("{part}, us a task")));
    let mut table = Table::new();
    table.load_preset(TABLE).set_header(header);
    for window in windows {
        let mut row = vec![
            format!("{} to {}", window.from, window.to),
            format!("{:.0}", window.tasks_per_s),
        ];
        row.extend(parts.iter().map(|part| {
            let cpu = window.cpu_us.get(*part);
            cpu.map_or(String::new(), |us| format!("{us:.1}"))
        }));
        table.add_row(row);
    }
    numbers(table)
}

fn memory(queue: &QueueFigures) -> Table {
    let mut table = Table::new();
    let header = ["MiB", "empty", "full", "drained", "peak"];
    table.load_preset(TABLE).set_header(header);
    for part in queue.memory_empty_kib.keys() {
        let columns = [
            &queue.memory_empty_kib,
            &queue.memory_full_kib,
            &queue.memory_drained_kib,
            &queue.memory_peak_kib,
        ];
        let held = columns.map(|column| mebi(column.get(part).copied().unwrap_or(0)));
        table.add_row([part.clone()].into_iter().chain(held));
    }
    numbers(table)
}

fn mebi(kib: u64) -> String {
    format!("{:.1}", kib as f64 / 1024.0)
}

/// All columns but the first to the right.
fn numbers(mut table: Table) -> Table {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from: u64, tasks_per_s: f64) -> Window {
        Window {
            from,
            to: from + 10,
            tasks_per_s,
            cpu_us: [("store".to_owned(), 1.0)].into(),
        }
    }

    #[test]
    fn the_longest_queue_is_compared_with_the_shortest() {
        let windows = [window(0, 200.0), window(10, 150.0), window(20, 190.0)];
        assert_eq!(long_to_short(&windows), Some(0.95));
        assert_eq!(long_to_short(&windows[..1]), None);
        assert_eq!(long_to_short(&[]), None);
    }
}
