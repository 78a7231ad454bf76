//! What the Python client reports, and what is made of it for people and for machines.

use std::fmt;
use std::io::{self, Write};

use comfy_table::{CellAlignment, Table};
use mpcsfaas_core::store::op::Mode;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::cmd::TABLE;

/// How many wrong results are named; there may be one for each task.
const NAMED: usize = 20;

/// A line of the Python client; see its `_demo.py`.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event {
    /// Some tasks of a workload have ended.
    Progress {
        workload: String,
        done: u64,
        total: u64,
    },
    /// A result is not what it must be.
    Wrong(Wrong),
    /// A workload is done.
    Workload(Row),
}

/// One workload in one mode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    mode: String,
    workload: String,
    tasks: u64,
    failed_as_expected: u64,
    wrong: u64,
    seconds: f64,
    /// Tasks a second.
    throughput: f64,
    p50_ms: Option<f64>,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
}

impl Row {
    /// For the screen.
    pub(super) fn line(&self) -> String {
        let Row {
            mode,
            workload,
            tasks,
            seconds,
            wrong,
            ..
        } = self;
        let wrong = match wrong {
            0 => String::new(),
            wrong => format!(", {wrong} WRONG"),
        };
        format!("{mode:<5}  {workload:<6} {tasks} tasks in {seconds:.1} s{wrong}")
    }
}

/// A result that is not what it must be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Wrong {
    #[serde(default)]
    mode: String,
    workload: String,
    /// Its number in the workload.
    task: u64,
    task_id: Option<String>,
    expected: String,
    got: String,
}

impl Wrong {
    /// The client does not say in which mode; there is one client for each.
    pub(super) fn in_mode(self, mode: Mode) -> Wrong {
        let mode = mode.as_str().to_owned();
        Wrong { mode, ..self }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Wrong {
            mode,
            workload,
            task,
            expected,
            got,
            ..
        } = self;
        let id = self.task_id.as_deref().unwrap_or("not submitted");
        write!(
            f,
            "{mode}: {workload}, task {task} ({id}): expected {expected}, got {got}"
        )
    }
}

/// What has come of all modes.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) rows: Vec<Row>,
    pub(super) wrong: Vec<Wrong>,
}

impl Report {
    /// Whether nothing was wrong.
    pub(super) fn is_right(&self) -> bool {
        self.wrong.is_empty() && self.rows.iter().all(|row| row.wrong == 0)
    }

    /// The table and a closing sentence, or one line of JSON, on standard output; what was wrong
    /// is named on standard error. A report that is not complete claims nothing.
    pub(super) fn print(&self, as_json: bool, complete: bool) -> io::Result<()> {
        let mut stdout = io::stdout();
        if as_json {
            let ok = complete && self.is_right();
            let report = json!({"ok": ok, "workloads": self.rows, "wrong": self.wrong});
            writeln!(stdout, "{report}")?;
        } else if !self.rows.is_empty() {
            writeln!(stdout, "\n{}\n", self.table().trim_fmt())?;
        }
        for wrong in self.wrong.iter().take(NAMED) {
            eprintln!("wrong: {wrong}");
        }
        if let Some(more) = self.wrong.len().checked_sub(NAMED).filter(|more| *more > 0) {
            eprintln!("wrong: {more} more");
        }
        match complete && !as_json {
            true => writeln!(stdout, "{}", self.verdict()),
            false => Ok(()),
        }
    }

    fn verdict(&self) -> String {
        let tasks: u64 = self.rows.iter().map(|row| row.tasks).sum();
        let wrong: u64 = self.rows.iter().map(|row| row.wrong).sum();
        match wrong {
            0 => format!(
                "All {tasks} results are right: each is what the Python client computed by itself.\n\
                 The figures are those of 16 callers in one Python process, its own pace included.\n\
                 Your turn: `mpcsfaas up`, then `mpcsfaas run FILE.py:FUNCTION ARGS`."
            ),
            wrong => format!("{wrong} of {tasks} results are wrong."),
        }
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_preset(TABLE);
        table.set_header([
            "mode",
            "workload",
            "tasks",
            "failed,\nas planned",
            "tasks/s",
            "p50 ms",
            "p95 ms",
            "p99 ms",
        ]);
        let mut mode = "";
        for row in &self.rows {
            // Each mode is named once.
            let shown = if row.mode == mode { "" } else { &row.mode };
            mode = &row.mode;
            let ms = |time: Option<f64>| time.map_or(String::new(), |ms| format!("{ms:.1}"));
            table.add_row([
                shown.to_owned(),
                row.workload.clone(),
                row.tasks.to_string(),
                row.failed_as_expected.to_string(),
                format!("{:.0}", row.throughput),
                ms(row.p50_ms),
                ms(row.p95_ms),
                ms(row.p99_ms),
            ]);
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(mode: &str, workload: &str, failed_as_expected: u64) -> Row {
        Row {
            mode: mode.to_owned(),
            workload: workload.to_owned(),
            tasks: 1_000,
            failed_as_expected,
            wrong: 0,
            seconds: 0.5,
            throughput: 2_000.4,
            p50_ms: Some(7.25),
            p95_ms: Some(12.0),
            p99_ms: Some(104.96),
        }
    }

    fn event(line: &str) -> Event {
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn the_clients_lines_are_understood() {
        let progress = event(r#"{"event": "progress", "workload": "cpu", "done": 3, "total": 9}"#);
        let expected = Event::Progress {
            workload: "cpu".to_owned(),
            done: 3,
            total: 9,
        };
        assert_eq!(progress, expected);

        let workload = event(
            r#"{"event": "workload", "mode": "push", "workload": "raise", "tasks": 1000,
                "failed_as_expected": 1000, "wrong": 0, "seconds": 0.5, "throughput": 2000.4,
                "p50_ms": 7.25, "p95_ms": 12, "p99_ms": 104.96}"#,
        );
        assert_eq!(workload, Event::Workload(row("push", "raise", 1_000)));

        let Event::Wrong(wrong) = event(
            r#"{"event": "wrong", "workload": "noop", "task": 7, "task_id": null,
                "expected": "None", "got": "RequestFailed(400, 'no')"}"#,
        ) else {
            panic!("it was another event");
        };
        assert_eq!(
            wrong.in_mode(Mode::Pull).to_string(),
            "pull: noop, task 7 (not submitted): expected None, got RequestFailed(400, 'no')"
        );
    }

    #[test]
    fn the_table_is_aligned_and_fits_a_terminal() {
        let report = Report {
            rows: vec![
                row("local", "noop", 0),
                row("local", "raise", 1_000),
                row("push", "noop", 0),
            ],
            wrong: Vec::new(),
        };
        let text = format!("\n{}", report.table().trim_fmt());
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        let expected = "
 mode    workload   tasks      failed,   tasks/s   p50 ms   p95 ms   p99 ms
                            as planned
────────────────────────────────────────────────────────────────────────────
 local   noop        1000            0      2000      7.2     12.0    105.0
         raise       1000         1000      2000      7.2     12.0    105.0
 push    noop        1000            0      2000      7.2     12.0    105.0";
        assert_eq!(text, expected);
        assert!(report.is_right());
        assert!(report.verdict().starts_with("All 3000 results are right"));
    }

    #[test]
    fn a_wrong_result_is_no_success() {
        let mut wrong = row("push", "noop", 0);
        wrong.wrong = 2;
        assert!(wrong.line().ends_with("2 WRONG"), "{}", wrong.line());
        let report = Report {
            rows: vec![row("local", "noop", 0), wrong],
            wrong: Vec::new(),
        };
        assert!(!report.is_right());
        assert_eq!(report.verdict(), "2 of 2000 results are wrong.");
    }
}
