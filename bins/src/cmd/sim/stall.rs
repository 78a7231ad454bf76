//! `mpcsfaas sim stall`: how the Python original stalls, and that ours does not.

use std::ops::Range;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use clap::builder::TypedValueParser;
use mpcsfaas_sim_tests::shared_socket::{self, Sockets};
use mpcsfaas_sim_tests::stall::{self, Machine, Row, Setting};
use serde_json::{Value, json};

use super::report::print;
use super::{SimError, exit_code};

/// Arguments of `mpcsfaas sim stall`.
#[derive(Debug, Args)]
pub(super) struct StallArgs {
    #[command(flatten)]
    crew: CrewArgs,
    /// Threads that share a ZMQ socket, over 200 seeds: which way to use sockets loses wake-ups,
    /// and what that costs.
    #[arg(long, conflicts_with = "CrewArgs")]
    shared_socket: bool,
    /// How many seeds: each is another phase of the original's scan for dead workers.
    ///
    /// 20 if not given, and 200 with --shared-socket.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    seeds: Option<u64>,
    /// Print one JSON object for each row.
    #[arg(long)]
    json: bool,
}

/// What the client does. What is not given is as in the largest measurement of the original.
#[derive(Debug, Args)]
struct CrewArgs {
    /// How many workers are stopped before the first submit [default: 4].
    #[arg(long, value_name = "D", value_parser = count(0))]
    dead: Option<usize>,
    /// How many workers are started in their place; each gets 5 tasks [default: 8].
    #[arg(long, value_name = "L", value_parser = count(1))]
    live: Option<usize>,
    /// How many tasks are submitted at a time, with 0.2 s between [default: 5].
    #[arg(long, value_name = "B", value_parser = count(1))]
    batch: Option<usize>,
    /// From the last beat of the stopped workers to the first submit [default: 7].
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    gap: Option<Duration>,
    /// The silence after which the original's scan removes a worker, above 1 [default: 10].
    ///
    /// Ours keeps to its own 3 s.
    #[arg(long, value_name = "SECONDS", value_parser = timeout)]
    timeout: Option<Duration>,
    /// The stopped workers say goodbye. The original's never do: this is a what-if.
    #[arg(long)]
    goodbye: bool,
    /// Nobody hears that the connections of the stopped workers end, as if their machine were gone.
    #[arg(long, conflicts_with = "goodbye")]
    vanish: bool,
}

/// Seeds of the dead workers, if not given.
const SEEDS: u64 = 20;

/// The most of any number: more takes too long, and shows nothing new.
const MOST: u64 = 1_000;

/// The longest gap or timeout.
const LONGEST: Duration = Duration::from_secs(3_600);

/// The most work, by what it has been seen to take: a quarter of an hour in a debug build.
const MOST_WORK: u64 = 50_000_000;

fn count(least: u64) -> impl TypedValueParser<Value = usize> {
    clap::value_parser!(u64)
        .range(least..=MOST)
        .map(|number| number as usize)
}

fn timeout(text: &str) -> Result<Duration, &'static str> {
    match seconds(text)? {
        time if time > Duration::from_secs(1) => Ok(time),
        _ => Err("workers beat once a second: with 1 s or less live ones would count as dead"),
    }
}

/// `clap` prints the error as it is.
fn seconds(text: &str) -> Result<Duration, &'static str> {
    let number: f64 = text.parse().map_err(|_| "not a number of seconds")?;
    match Duration::try_from_secs_f64(number) {
        Ok(time) if time <= LONGEST => Ok(time),
        Ok(_) => Err("more than an hour"),
        Err(_) => Err("a time is 0 or more"),
    }
}

pub(super) fn run(args: &StallArgs) -> Result<ExitCode, SimError> {
    if args.shared_socket {
        return shared_socket(args);
    }
    let seeds = 0..args.seeds.unwrap_or(SEEDS);
    let (rows, text) = match args.crew.setting() {
        Some(setting) => {
            check(&setting, &seeds)?;
            let rows = stall::custom(&setting, seeds);
            let text = stall::rows_text(&rows, &[]) + "\n" + stall::LEGEND;
            (rows, text)
        }
        None => {
            let table = stall::table(seeds);
            let text = stall::text(&table);
            (table.rows().cloned().collect(), text)
        }
    };
    print(&match args.json {
        true => rows
            .iter()
            .map(|row| format!("{}\n", as_json(row)))
            .collect(),
        false => text,
    })?;
    Ok(exit_code(rows.iter().all(is_well)))
}

fn shared_socket(args: &StallArgs) -> Result<ExitCode, SimError> {
    let seeds = args.seeds.map_or(shared_socket::SEEDS, |seeds| 0..seeds);
    let rows = Sockets::ALL.map(|sockets| shared_socket::run(sockets, seeds.clone()));
    print(&match args.json {
        true => rows
            .iter()
            .map(|row| format!("{}\n", socket_json(row)))
            .collect(),
        false => shared_socket::text(&rows),
    })?;
    Ok(ExitCode::SUCCESS)
}

impl CrewArgs {
    /// What the client does, if any of it is given.
    fn setting(&self) -> Option<Setting> {
        let usual = Setting::default();
        let setting = Setting {
            dead: self.dead.unwrap_or(usual.dead),
            live: self.live.unwrap_or(usual.live),
            batch: self.batch.unwrap_or(usual.batch),
            gap: self.gap.unwrap_or(usual.gap),
            timeout: self.timeout.unwrap_or(usual.timeout),
            goodbye: self.goodbye,
            closes: !self.vanish,
            ..usual
        };
        let given = [
            self.dead.is_some(),
            self.live.is_some(),
            self.batch.is_some(),
        ];
        let timed = self.gap.is_some() || self.timeout.is_some();
        (given.contains(&true) || timed || self.goodbye || self.vanish).then_some(setting)
    }
}

/// Whether it is not too much, all together.
fn check(setting: &Setting, seeds: &Range<u64>) -> Result<(), SimError> {
    let workers = setting.dead + setting.live;
    let tasks = setting.live * setting.tasks_per_worker;
    let lasts = setting.completes_within().1 + Duration::from_secs(20);
    // Each task is looked at as long as others of its batch wait, and each worker beats.
    let run = tasks * setting.batch.min(tasks) + 4 * workers * lasts.as_secs() as usize;
    let work = (run as u64).saturating_mul(seeds.end - seeds.start);
    match work > MOST_WORK {
        true => Err(SimError::TooMuch),
        false => Ok(()),
    }
}

/// Whether ours kept what it promises. The original promises nothing.
fn is_well(row: &Row) -> bool {
    row.machine == Machine::Original.name()
        || (row.broken, row.stuck_max, row.unfinished) == (0, 0, 0)
}

fn as_json(row: &Row) -> Value {
    json!({
        "machine": row.machine,
        "dead": row.dead,
        "live": row.live,
        "batch": row.batch,
        "gap_s": row.gap_s,
        "timeout_s": row.timeout_s,
        "goodbye": row.goodbye,
        "stuck": row.stuck,
        "completion_s": row.completion_s,
        "worst_wait_s": row.worst_wait_s,
        "stuck_min": row.stuck_min,
        "stuck_max": row.stuck_max,
        "completion_min_s": row.completion_min_s,
        "completion_max_s": row.completion_max_s,
        "late": row.late,
        "unfinished": row.unfinished,
        "went": row.went(),
        "broken": row.broken,
    })
}

fn socket_json(row: &shared_socket::Row) -> Value {
    json!({
        "sockets": row.sockets.name(),
        "seeds": row.seeds,
        "stalls": row.stalls,
        "late": row.late,
        "p99_ms": row.p99.as_secs_f64() * 1e3,
        "max_ms": row.max.as_secs_f64() * 1e3,
        "alone_messages": row.alone_messages,
        "alone_late": row.alone_late,
    })
}
