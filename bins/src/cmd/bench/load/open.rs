//! What an open loop measured, for people and for machines.

use std::io::{self, Write};

use comfy_table::{CellAlignment, Table};
use serde_json::{Map, Value, json};

use crate::cmd::TABLE;
use crate::load::{OpenReport, Times, Verdict};

/// The percentiles of the report: name in JSON, heading, fraction.
const PERCENTILES: [(&str, &str, f64); 5] = [
    ("p50_ms", "p50 ms", 0.5),
    ("p90_ms", "p90 ms", 0.9),
    ("p99_ms", "p99 ms", 0.99),
    ("p999_ms", "p99.9 ms", 0.999),
    ("max_ms", "max ms", 1.0),
];

/// Prints the report on standard output: tables and what they describe, or one line of JSON.
///
/// # Errors
/// Standard output does not take it.
pub(super) fn print(report: &OpenReport, as_json: bool) -> io::Result<()> {
    let mut stdout = io::stdout();
    if as_json {
        return writeln!(stdout, "{}", json_of(report));
    }
    writeln!(stdout, "\n{}\n", throughput(report).trim_fmt())?;
    writeln!(stdout, "{}\n", latencies(report).trim_fmt())?;
    let failed = report.figures.failed();
    if failed > 0 {
        let errors = report.figures.errors.iter();
        let errors: Vec<String> = errors.map(|(kind, n)| format!("{n} {kind}")).collect();
        writeln!(stdout, "Without a right result: {}.", errors.join(", "))?;
    }
    match report.figures.open_ended() {
        0 => {}
        open => writeln!(
            stdout,
            "{open} tasks had not ended; they are in the latencies with the time until the run was \
             over, so those are too short."
        )?,
    }
    writeln!(stdout, "{}", Verdict::of(report))
}

fn throughput(report: &OpenReport) -> Table {
    let mut table = table([
        "tasks/s due",
        "tasks/s done",
        "tasks",
        "completed",
        "failed",
        "seconds",
        "processors used",
    ]);
    table.add_row([
        format!("{:.0}", report.pace.rate),
        format!("{:.0}", report.tasks_per_second()),
        report.pace.tasks.to_string(),
        report.figures.completed.to_string(),
        report.figures.failed().to_string(),
        format!("{:.2}", report.seconds),
        format!("{:.0} %", report.processor_share() * 100.0),
    ]);
    align(table)
}

fn latencies(report: &OpenReport) -> Table {
    let mut table = table(std::iter::once("").chain(PERCENTILES.map(|(_, heading, _)| heading)));
    let mut row = |what: &str, times: &Times| {
        let times = PERCENTILES.map(|(_, _, quantile)| format!("{:.2}", times.ms(quantile)));
        table.add_row(std::iter::once(what.to_owned()).chain(times));
    };
    row("latency, from when it was due", &report.figures.latency);
    row("  from when it was submitted", &report.figures.service);
    row("  no connection was free", &report.waited);
    row("  the generator was late", &report.own_lateness);
    align(table)
}

fn table<'a>(headings: impl IntoIterator<Item = &'a str>) -> Table {
    let mut table = Table::new();
    table.load_preset(TABLE);
    table.set_header(headings);
    table
}

/// Numbers stand below each other by their ends.
fn align(mut table: Table) -> Table {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn json_of(report: &OpenReport) -> Value {
    let figures = &report.figures;
    let errors: Map<String, Value> = figures
        .errors
        .iter()
        .map(|(kind, count)| (kind.to_string(), json!(count)))
        .collect();
    let verdict = Verdict::of(report);
    let mut all = json!({
        "rate": report.pace.rate,
        "tasks": report.pace.tasks,
        "batch": report.pace.batch,
        "connections": report.connections,
        "completed": figures.completed,
        "failed": figures.failed(),
        "errors": errors,
        "open_ended": figures.open_ended(),
        "seconds": report.seconds,
        "tasks_per_s": report.tasks_per_second(),
        "service": times(&figures.service),
        "waited_for_connection": times(&report.waited),
        "submissions_that_waited": report.submissions_that_waited,
        "generator_late": times(&report.own_lateness),
        "generator_processor_share": report.processor_share(),
        "describes": verdict.word(),
        "why": verdict.to_string(),
    });
    if let (Value::Object(all), Value::Object(latency)) = (&mut all, times(&figures.latency)) {
        all.extend(latency);
    }
    all
}

fn times(times: &Times) -> Value {
    PERCENTILES
        .iter()
        .map(|(name, _, quantile)| ((*name).to_owned(), json!(times.ms(*quantile))))
        .collect::<Map<String, Value>>()
        .into()
}
