//! `cargo xtask bench`: tasks a second and latency of each mode, measured on the release build.
//!
//! A closed loop of no-op tasks against private servers on this machine: gateway, dispatcher and
//! workers as separate processes over Redis, and `up` on the embedded store. Each run is warmed up
//! first, so that the workers have joined and have loaded the function.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process;
use crate::python::Python;
use crate::report::{Error, Screen, Table};
use crate::servers::{Launcher, Mode, Platform, Redis, Shape, find_redis};
use crate::workspace::Workspace;

/// How long building may take.
const BUILD_LIMIT: Duration = Duration::from_secs(40 * 60);

/// How long one run of the load generator may take.
const RUN_LIMIT: Duration = Duration::from_secs(600);

/// Tasks before the clock starts.
const WARM_UP: u64 = 4_000;

/// Worker counts of the scaling rows, each with one Python process.
const SCALING: [usize; 4] = [1, 2, 4, 8];

/// What to reach on two cores, over Redis, in each mode.
const TASKS_PER_SECOND: f64 = 4_000.0;
const P99_MS: f64 = 15.0;
/// Push with the most workers, as a part of push with one.
const SCALING_RATIO: f64 = 0.8;

/// The options of the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    redis: bool,
    embedded: bool,
    append_only: bool,
    scaling: bool,
    modes: Vec<Mode>,
    tasks: u64,
    connections: u64,
}

impl Options {
    /// Reads the command line.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub(crate) fn parse(arguments: &[String]) -> Result<Options, Error> {
        let mut options = Options {
            redis: true,
            embedded: true,
            append_only: false,
            scaling: true,
            modes: Mode::ALL.to_vec(),
            tasks: 20_000,
            connections: 16,
        };
        let mut arguments = arguments.iter().map(String::as_str);
        while let Some(name) = arguments.next() {
            match name {
                "--redis-only" => options.embedded = false,
                "--embedded" => options.redis = false,
                "--aof" => options.append_only = true,
                "--no-scaling" => options.scaling = false,
                "--modes" => options.modes = modes(arguments.next())?,
                "--tasks" => options.tasks = number(name, arguments.next())?,
                "--connections" => options.connections = number(name, arguments.next())?,
                unknown => return Err(Error::Usage(format!("`{unknown}` is no option of bench"))),
            }
        }
        if !options.redis && !options.embedded {
            let both = "--redis-only and --embedded leave nothing to measure";
            return Err(Error::Usage(both.to_owned()));
        }
        Ok(options)
    }
}

fn number(option: &str, value: Option<&str>) -> Result<u64, Error> {
    value
        .and_then(|text| text.parse().ok())
        .filter(|number| *number > 0)
        .ok_or_else(|| Error::Usage(format!("{option} takes a number, at least 1")))
}

fn modes(value: Option<&str>) -> Result<Vec<Mode>, Error> {
    let named = |name: &str| Mode::ALL.into_iter().find(|mode| mode.as_str() == name);
    value
        .and_then(|list| list.split(',').map(named).collect())
        .ok_or_else(|| Error::Usage("--modes takes a list of local, pull, push".to_owned()))
}

/// Measures, and prints a table.
///
/// # Errors
/// If a server does not start or a task fails. A missed target is shown, and is no error.
pub(crate) fn run(screen: &Screen, workspace: &Workspace, options: &Options) -> Result<(), Error> {
    let python = Python::prepare(screen, workspace)?;
    screen.begin("building the release binary");
    let mut build = workspace.cargo(&["build", "--release", "--locked", "--package", "mpcsfaas"]);
    process::run(&mut build, BUILD_LIMIT)?;
    let mut course = Course {
        screen: *screen,
        workspace,
        options,
        binary: workspace.binary("release"),
        python,
        rows: Vec::new(),
    };
    if options.redis {
        let server = find_redis(screen, workspace, &course.python)?;
        course.modes(Some(&server))?;
        if options.scaling {
            course.scaling(&server)?;
        }
    }
    if options.embedded {
        course.modes(None)?;
    }
    println!("\n{}", table(&course.rows));
    verdicts(screen, &course.rows);
    Ok(())
}

/// The runs of one call.
struct Course<'a> {
    screen: Screen,
    workspace: &'a Workspace,
    options: &'a Options,
    binary: PathBuf,
    python: Python,
    rows: Vec<Row>,
}

impl Course<'_> {
    /// Each mode with two workers of two processes.
    fn modes(&mut self, redis: Option<&Path>) -> Result<(), Error> {
        for &mode in &self.options.modes {
            let shape = Shape {
                mode,
                workers: 2,
                processes: 2,
            };
            self.measure(shape, redis, false)?;
        }
        Ok(())
    }

    /// Push with ever more workers of one process.
    fn scaling(&mut self, redis: &Path) -> Result<(), Error> {
        for workers in SCALING {
            let shape = Shape {
                mode: Mode::Push,
                workers,
                processes: 1,
            };
            self.measure(shape, Some(redis), true)?;
        }
        Ok(())
    }

    /// One run on fresh servers; without a Redis server, on the embedded store.
    fn measure(&mut self, shape: Shape, redis: Option<&Path>, scaling: bool) -> Result<(), Error> {
        let store = if redis.is_some() { "Redis" } else { "embedded" };
        let Shape {
            mode,
            workers,
            processes,
        } = shape;
        let mode = mode.as_str();
        self.screen.begin(&format!(
            "{store}, {mode}, {workers} workers x {processes} processes"
        ));
        let scratch = self.workspace.fresh("bench")?;
        let launcher = Launcher {
            binary: &self.binary,
            python: &self.python,
            scratch: &scratch,
            screen: self.screen,
        };
        // Declared before the platform, so that it outlives it.
        let server = redis
            .map(|binary| Redis::start(binary, &scratch, self.options.append_only))
            .transpose()?;
        let mut platform = match &server {
            Some(redis) => launcher.separate(shape, redis)?,
            None => launcher.up(shape)?,
        };
        let figures = self.load(&mut platform, &scratch);
        if figures.is_err() {
            platform.show_logs(&self.screen);
        }
        let figures = figures?;
        let Figures {
            per_second, p99, ..
        } = figures;
        self.screen
            .done(&format!("{per_second:.0} tasks/s, p99 {p99:.1} ms"));
        self.rows.push(Row {
            store,
            shape,
            scaling,
            figures,
        });
        Ok(())
    }

    fn load(&self, platform: &mut Platform, scratch: &Path) -> Result<Figures, Error> {
        let run = |tasks: u64| {
            let mut command = Command::new(&self.binary);
            command
                .args(["bench", "load", "--json", "--url", &platform.url])
                .args(["--tasks", &tasks.to_string()])
                .args(["--connections", &self.options.connections.to_string()]);
            process::read(&mut command, scratch, RUN_LIMIT)
        };
        run(WARM_UP)?;
        let report = run(self.options.tasks)?;
        platform.alive()?;
        Figures::of(&report)
    }
}

/// What the load generator reported.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Figures {
    per_second: f64,
    p50: f64,
    p95: f64,
    p99: f64,
}

impl Figures {
    fn of(report: &str) -> Result<Figures, Error> {
        let figure = |name| {
            json_number(report, name).ok_or_else(|| Error::NoFigure {
                name,
                report: report.trim().to_owned(),
            })
        };
        Ok(Figures {
            per_second: figure("tasks_per_s")?,
            p50: figure("p50_ms")?,
            p95: figure("p95_ms")?,
            p99: figure("p99_ms")?,
        })
    }
}

/// The number under `name` in a flat JSON object.
fn json_number(object: &str, name: &str) -> Option<f64> {
    let (_, rest) = object.split_once(&format!("\"{name}\":"))?;
    let end = rest.find([',', '}'])?;
    rest[..end].trim().parse().ok()
}

/// One measured run.
struct Row {
    store: &'static str,
    shape: Shape,
    scaling: bool,
    figures: Figures,
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new(&["run", "tasks/s", "p50 ms", "p95 ms", "p99 ms"]);
    for row in rows {
        let Shape {
            mode,
            workers,
            processes,
        } = row.shape;
        let mode = mode.as_str();
        let figures = row.figures;
        table.row(vec![
            format!("{}, {mode}, {workers} x {processes}", row.store),
            format!("{:.0}", figures.per_second),
            format!("{:.2}", figures.p50),
            format!("{:.2}", figures.p95),
            format!("{:.2}", figures.p99),
        ]);
    }
    table
}

/// Says which targets are met. They are for Redis; the embedded store has none.
fn verdicts(screen: &Screen, rows: &[Row]) {
    let say = |met: bool, text: String| {
        screen.note(&format!(
            "{} {text}",
            if met { "met:   " } else { "missed:" }
        ));
    };
    for row in rows
        .iter()
        .filter(|row| row.store == "Redis" && !row.scaling)
    {
        let Figures {
            per_second, p99, ..
        } = row.figures;
        say(
            per_second >= TASKS_PER_SECOND && p99 <= P99_MS,
            format!(
                "{}: {per_second:.0} tasks/s of {TASKS_PER_SECOND:.0}, \
                 p99 {p99:.1} ms of at most {P99_MS:.0}",
                row.shape.mode.as_str()
            ),
        );
    }
    let mut scaling = rows.iter().filter(|row| row.scaling);
    if let (Some(one), Some(most)) = (scaling.next(), scaling.next_back()) {
        let ratio = most.figures.per_second / one.figures.per_second;
        say(
            ratio >= SCALING_RATIO,
            format!(
                "push, {} workers to {}: {ratio:.2} of at least {SCALING_RATIO}",
                most.shape.workers, one.shape.workers
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, Error> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::parse(&arguments)
    }

    #[test]
    fn without_options_everything_is_measured() {
        let options = parse("").unwrap();
        assert!(options.redis && options.embedded && options.scaling && !options.append_only);
        assert_eq!((options.tasks, options.connections), (20_000, 16));
        assert_eq!(options.modes, Mode::ALL);
    }

    #[test]
    fn options_narrow_it() {
        let options = parse("--redis-only --aof --modes push,local --tasks 5").unwrap();
        assert!(options.redis && !options.embedded && options.append_only);
        assert_eq!(options.modes, [Mode::Push, Mode::Local]);
        assert_eq!(options.tasks, 5);
        for wrong in [
            "--tasks",
            "--tasks 0",
            "--modes pus",
            "--modes",
            "--fast",
            "--redis-only --embedded",
        ] {
            assert!(matches!(parse(wrong), Err(Error::Usage(_))), "{wrong}");
        }
    }

    #[test]
    fn figures_come_from_the_load_generators_report() {
        let report = r#"{"completed":5,"p50_ms":0.5,"p95_ms":1,"p99_ms":2.25,"tasks_per_s":1e3}"#;
        let figures = Figures::of(report).unwrap();
        assert_eq!((figures.p50, figures.p99), (0.5, 2.25));
        assert_eq!(figures.per_second, 1_000.0);
        let error = Figures::of(r#"{"completed":5}"#).unwrap_err();
        assert!(error.to_string().contains("tasks_per_s"), "{error}");
    }
}
