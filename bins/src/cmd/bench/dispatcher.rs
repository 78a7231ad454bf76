//! `mpcsfaas bench dispatcher`: what a dispatcher alone costs, by what a socket alone costs.
//!
//! ```text
//!   store thread ◀── channel ──▶ hub thread ◀── TCP ──▶ thread of stub workers
//!   (in memory)                  dispatcher, guard,      answer each Run at once
//!                                ROUTER; then an echo
//! ```
//!
//! The hub thread is set up as `mpcsfaas dispatcher` sets itself up: one thread for the machine, its
//! guard and its socket. Only its processor time is counted. Then a bare ROUTER of the `zeromq` crate
//! on such a thread answers the same messages, as many and as large, and once more the same bytes with
//! a message for each task: what a dispatcher without batches would leave to its socket alone. All
//! are repeated in turn, so that what else the machine does meets all.

mod hub;
mod stub;

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use comfy_table::{CellAlignment, Table};
use mpcsfaas_transport_real::store::StoreAway;
use mpcsfaas_transport_real::zmq::BindError;
use serde_json::{Value, json};
use thiserror::Error;

use self::hub::{Echo, Traffic};
use crate::cmd::TABLE;

/// Arguments of `mpcsfaas bench dispatcher`.
#[derive(Clone, Debug, Args)]
pub(super) struct DispatcherArgs {
    /// Tasks of each round. They are in the queue before it begins.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    tasks: u64,
    /// Stub workers: each has a connection, and answers at once.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=200))]
    workers: u32,
    /// How many tasks a worker would hold.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    credit: u32,
    /// Bytes of a task's parameters.
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = clap::value_parser!(u32).range(0..=65_536))]
    params: u32,
    /// Bytes of a result.
    #[arg(long, value_name = "BYTES", default_value_t = 32, value_parser = clap::value_parser!(u32).range(0..=65_536))]
    result: u32,
    /// How often everything is measured. The medians are told.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Measure the dispatcher only: no guard left out, no echo.
    #[arg(long)]
    alone: bool,
    /// Print one JSON object for each row.
    #[arg(long)]
    json: bool,
}

/// Why there is no figure.
#[derive(Debug, Error)]
pub enum BenchDispatcherError {
    /// A port.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The store in memory.
    #[error("the tasks cannot be queued: {0}")]
    Store(#[from] StoreAway),
    /// A thread, its runtime or its clock.
    #[error("a thread cannot be measured: {0}")]
    Thread(#[source] io::Error),
    /// A socket of a stub or of the echo.
    #[error("a stub worker has no connection: {0}")]
    Socket(String),
    /// Nobody answers any more.
    #[error("after {0:?} without an answer the round was given up")]
    Stuck(Duration),
    /// Standard output.
    #[error("cannot print the report: {0}")]
    Print(#[source] io::Error),
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Subject {
    Dispatcher,
    WithoutGuard,
    /// The same messages.
    Echo,
    /// The same bytes, each task's in a message by itself.
    EchoEach,
}

/// What one round of one subject came to.
#[derive(Clone, Copy, Debug)]
struct Round {
    wall: Duration,
    /// Of the hub thread.
    cpu: Duration,
    traffic: Traffic,
}

/// All rounds of a subject, in the order they were run in.
#[derive(Debug)]
struct Row {
    subject: Subject,
    rounds: Vec<Round>,
}

/// Measures and prints the table.
///
/// # Errors
/// See [`BenchDispatcherError`].
pub(super) async fn run(args: DispatcherArgs) -> Result<(), BenchDispatcherError> {
    let subjects: &[Subject] = match args.alone {
        true => &[Subject::Dispatcher],
        false => &[
            Subject::Dispatcher,
            Subject::WithoutGuard,
            Subject::Echo,
            Subject::EchoEach,
        ],
    };
    let mut rows: Vec<Row> = subjects.iter().map(|subject| Row::new(*subject)).collect();
    for _ in 0..args.rounds {
        let mut traffic = Traffic::default();
        for row in &mut rows {
            let round = match row.subject {
                Subject::Dispatcher => hub::dispatch(&args, true).await?,
                Subject::WithoutGuard => hub::dispatch(&args, false).await?,
                Subject::Echo => hub::echo(Echo::of(traffic, &args)).await?,
                Subject::EchoEach => hub::echo(Echo::of(traffic.each(args.tasks), &args)).await?,
            };
            traffic = round.traffic;
            row.rounds.push(round);
        }
    }
    print(&args, &rows).map_err(BenchDispatcherError::Print)
}

impl Subject {
    const fn name(self) -> &'static str {
        match self {
            Subject::Dispatcher => "dispatcher",
            Subject::WithoutGuard => "without its guard",
            Subject::Echo => "echo of its messages",
            Subject::EchoEach => "echo, a message a task",
        }
    }
}

impl Row {
    const fn new(subject: Subject) -> Row {
        let rounds = Vec::new();
        Row { subject, rounds }
    }

    /// The median of a figure.
    fn median(&self, figure: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(figure).collect())
    }

    /// The median of the quotients of rounds that were run one after the other.
    fn by(&self, base: &Row) -> f64 {
        let pairs = self.rounds.iter().zip(&base.rounds);
        let quotient = |(round, base): (&Round, &Round)| {
            round.cpu.as_secs_f64() / base.cpu.as_secs_f64().max(f64::MIN_POSITIVE)
        };
        median(pairs.map(quotient).collect())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn print(args: &DispatcherArgs, rows: &[Row]) -> io::Result<()> {
    let mut stdout = io::stdout();
    let base = Base {
        echo: rows.iter().find(|row| row.subject == Subject::Echo),
        each: rows.iter().find(|row| row.subject == Subject::EchoEach),
    };
    match args.json {
        true => rows
            .iter()
            .try_for_each(|row| writeln!(stdout, "{}", as_json(args, row, &base))),
        false => writeln!(stdout, "{}\n{}", as_table(args, rows, &base), LEGEND),
    }
}

const LEGEND: &str = "\
cpu: processor time of the thread that has the dispatcher, its guard and its socket, for each task.
could: tasks a second if that thread had a processor for itself. tasks/s: as it was, with the store and all
stub workers beside it. in, out: messages for each task. x echo: cpu by that of a bare ROUTER of the zeromq
crate that takes and gives as many messages of the same size; x each: by that of one that takes and gives a
message for each task, and the same bytes.";

/// What the others are compared with, if it was measured.
struct Base<'a> {
    echo: Option<&'a Row>,
    each: Option<&'a Row>,
}

/// The figures of a row, for `tasks` tasks.
struct Figures {
    per_second: f64,
    cpu_us: f64,
    messages_in: f64,
    messages_out: f64,
    bytes_in: f64,
    bytes_out: f64,
}

impl Figures {
    fn of(row: &Row, tasks: u64) -> Figures {
        let tasks = tasks as f64;
        Figures {
            per_second: row.median(|round| tasks / round.wall.as_secs_f64()),
            cpu_us: row.median(|round| round.cpu.as_secs_f64() * 1e6 / tasks),
            messages_in: row.median(|round| round.traffic.messages_in as f64 / tasks),
            messages_out: row.median(|round| round.traffic.messages_out as f64 / tasks),
            bytes_in: row.median(|round| round.traffic.bytes_in as f64 / tasks),
            bytes_out: row.median(|round| round.traffic.bytes_out as f64 / tasks),
        }
    }

    fn could(&self) -> f64 {
        1e6 / self.cpu_us
    }
}

fn as_json(args: &DispatcherArgs, row: &Row, base: &Base<'_>) -> Value {
    let figures = Figures::of(row, args.tasks);
    json!({
        "what": row.subject.name(),
        "tasks": args.tasks,
        "workers": args.workers,
        "credit": args.credit,
        "rounds": args.rounds,
        "tasks_per_s": figures.per_second,
        "cpu_us_per_task": figures.cpu_us,
        "could_per_s": figures.could(),
        "messages_in_per_task": figures.messages_in,
        "messages_out_per_task": figures.messages_out,
        "bytes_in_per_task": figures.bytes_in,
        "bytes_out_per_task": figures.bytes_out,
        "times_echo": base.echo.map(|base| row.by(base)),
        "times_echo_each": base.each.map(|base| row.by(base)),
    })
}

fn as_table(args: &DispatcherArgs, rows: &[Row], base: &Base<'_>) -> Table {
    let mut table = Table::new();
    table.load_preset(TABLE).set_header([
        "",
        "tasks/s",
        "cpu us",
        "could",
        "in",
        "out",
        "bytes in",
        "bytes out",
        "x echo",
        "x each",
    ]);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for row in rows {
        let figures = Figures::of(row, args.tasks);
        table.add_row([
            row.subject.name().to_owned(),
            format!("{:.0}", figures.per_second),
            format!("{:.2}", figures.cpu_us),
            format!("{:.0}", figures.could()),
            format!("{:.3}", figures.messages_in),
            format!("{:.3}", figures.messages_out),
            format!("{:.0}", figures.bytes_in),
            format!("{:.0}", figures.bytes_out),
            times(row, base.echo),
            times(row, base.each),
        ]);
    }
    table
}

fn times(row: &Row, base: Option<&Row>) -> String {
    base.map_or_else(String::new, |base| format!("{:.2}", row.by(base)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(alone: bool) -> DispatcherArgs {
        DispatcherArgs {
            tasks: 300,
            workers: 2,
            credit: 8,
            params: 10,
            result: 5,
            rounds: 1,
            alone,
            json: false,
        }
    }

    #[tokio::test]
    async fn every_task_travels_both_ways_with_and_without_the_guard() {
        for guarded in [true, false] {
            let round = hub::dispatch(&args(true), guarded).await.expect("a round");
            let Traffic {
                messages_in,
                messages_out,
                bytes_in,
                bytes_out,
            } = round.traffic;
            assert!(messages_in > 0 && messages_out > messages_in);
            assert!(bytes_in > 300 * 5 && bytes_out > 300 * 10);
        }
    }

    #[tokio::test]
    async fn the_echo_takes_and_gives_as_many_messages_of_the_same_size() {
        let traffic = Traffic {
            messages_in: 100,
            messages_out: 250,
            bytes_in: 10_000,
            bytes_out: 50_000,
        };
        let round = hub::echo(Echo::of(traffic, &args(false)))
            .await
            .expect("a round");
        let near = |is: u64, wanted: u64| is.abs_diff(wanted) * 10 <= wanted;
        assert!(near(round.traffic.messages_in, 100), "{round:?}");
        assert!(near(round.traffic.messages_out, 250), "{round:?}");
        assert!(near(round.traffic.bytes_in, 10_000), "{round:?}");
        assert!(near(round.traffic.bytes_out, 50_000), "{round:?}");
    }
}
