//! What was measured and what follows from it, for people and for machines.

use std::io::{self, Write};

use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use super::measure::Measured;
use super::profile::Profile;
use super::rules::{self, Advice, ms, rate};
use crate::cmd::TABLE;

/// Everything.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The function by itself.
    pub(super) profile: Profile,
    /// Through each platform that was tried; the last may be the best mode with one process.
    pub(super) measured: Vec<Measured>,
    /// What to set.
    pub(super) advice: Vec<Advice>,
    /// The command that starts such a platform.
    pub(super) command: String,
    /// Whether it is worth it.
    pub(super) worth: String,
}

impl Report {
    /// Puts it together: `measured` are all modes with as many processes as could be of use, `one`
    /// is the best of them with one process. `None` if there is no mode.
    pub(super) fn of(
        profile: Profile,
        processors: u32,
        measured: Vec<Measured>,
        one: Option<Measured>,
    ) -> Option<Report> {
        let (best, why) = rules::best_mode(&measured)?;
        let mut advice = vec![Advice {
            setting: "mode",
            value: best.mode.as_str().to_owned(),
            why,
        }];
        advice.extend(rules::settings(&profile, processors, best, one.as_ref()));
        let processes = advice.iter().find(|advice| advice.setting == "processes");
        let processes = processes.map_or("1", |advice| advice.value.as_str());
        let command = format!(
            "mpcsfaas up --mode {} --workers 1 --processes {processes}",
            best.mode.as_str()
        );
        let worth = rules::worth(&profile, measured.iter().chain(&one));
        let measured = measured.into_iter().chain(one).collect();
        Some(Report {
            profile,
            measured,
            advice,
            command,
            worth,
        })
    }

    /// Prints it on standard output: tables, or one line of JSON.
    ///
    /// # Errors
    /// Standard output does not take it.
    pub(super) fn print(&self, as_json: bool) -> io::Result<()> {
        let mut stdout = io::stdout();
        if as_json {
            return writeln!(stdout, "{}", serde_json::to_string(self)?);
        }
        writeln!(stdout, "\n{}\n", self.by_itself().trim_fmt())?;
        writeln!(stdout, "{}\n", self.through_platforms().trim_fmt())?;
        writeln!(stdout, "{}\n", self.what_to_set().trim_fmt())?;
        writeln!(stdout, "{}\n\n    {}", self.worth, self.command)
    }

    fn by_itself(&self) -> Table {
        let Profile {
            function,
            runs,
            first_us,
            p50_us,
            p90_us,
            error,
            busy_share,
            pickling_us,
            params_bytes,
            result_bytes,
            ..
        } = &self.profile;
        let mut table = table(&[
            "function",
            "runs",
            "first",
            "p50",
            "p90",
            "p50 is known to",
            "waits",
            "pickling",
            "bytes in",
            "bytes out",
        ]);
        table.add_row([
            function.clone(),
            runs.to_string(),
            ms(first_us / 1e3),
            ms(p50_us / 1e3),
            ms(p90_us / 1e3),
            format!("{:.1} %", error * 100.0),
            format!("{:.0} %", (1.0 - busy_share) * 100.0),
            ms(pickling_us / 1e3),
            params_bytes.to_string(),
            result_bytes.to_string(),
        ]);
        numbers(table)
    }

    fn through_platforms(&self) -> Table {
        let sizes = self.measured.iter().flat_map(|measured| &measured.batches);
        let mut sizes: Vec<u64> = sizes.map(|batches| batches.size).collect();
        sizes.sort_unstable();
        sizes.dedup();
        let mut headings = vec![
            "mode".to_owned(),
            "processes".to_owned(),
            "one by itself".to_owned(),
            "travelling / work".to_owned(),
            "tasks/s".to_owned(),
            "in rounds".to_owned(),
        ];
        headings.extend(sizes.iter().map(|size| format!("by {size}")));
        let mut table = table(&headings);
        for measured in &self.measured {
            let mut row = vec![
                measured.mode.as_str().to_owned(),
                measured.processes.to_string(),
                ms(measured.alone_ms),
                format!("{:.1}", travelling(&self.profile, measured)),
                rate(measured.tasks_per_s),
                format!("{} to {}", rate(measured.range.0), rate(measured.range.1)),
            ];
            row.extend(sizes.iter().map(|size| {
                let batches = measured.batches.iter().find(|of| of.size == *size);
                batches.map_or(String::new(), |batches| rate(batches.tasks_per_s))
            }));
            table.add_row(row);
        }
        numbers(table)
    }

    fn what_to_set(&self) -> Table {
        let mut table = table(&["setting", "advice", "because"]);
        for Advice {
            setting,
            value,
            why,
        } in &self.advice
        {
            table.add_row([&setting.replace('_', " "), value, why]);
        }
        table
    }
}

/// How many times as long as the work itself a lone task takes beyond it.
pub(super) fn travelling(profile: &Profile, measured: &Measured) -> f64 {
    let work_ms = profile.p50_us / 1e3;
    ((measured.alone_ms - work_ms) / work_ms).max(0.0)
}

fn table<T: AsRef<str>>(headings: &[T]) -> Table {
    let mut table = Table::new();
    table.load_preset(TABLE);
    table.set_header(headings.iter().map(AsRef::as_ref));
    table
}

/// Numbers stand below each other by their ends.
fn numbers(mut table: Table) -> Table {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
