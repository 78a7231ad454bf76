//! `cargo xtask test`: everything that CI runs, in order, until the first failure.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::browser::Browser;
use crate::counts;
use crate::process;
use crate::python::Python;
use crate::report::{Error, Screen, Table, human};
use crate::servers::{Launcher, Mode, REDIS_SERVER, Shape, find_redis};
use crate::sim_drivers;
use crate::tidy;
use crate::workspace::Workspace;

/// How long one step may take: several times what the slowest takes from nothing on two cores.
const STEP_LIMIT: Duration = Duration::from_secs(40 * 60);

/// How long the end-to-end tests may take: some four times what they take on two cores.
const END_TO_END_LIMIT: Duration = Duration::from_secs(15 * 60);

/// How long the client's tests against a platform may take.
const LIVE_LIMIT: Duration = Duration::from_secs(600);

/// Where the Python client and its tests are.
const CLIENT: &str = "clients/python";

/// Where the comparison with other systems is.
const COMPARISON: &str = "bench";

/// The fuzz targets, which are no part of the workspace.
const FUZZ: &str = "fuzz/Cargo.toml";

/// What the README must show a newcomer.
const README_COMMANDS: [&str; 2] = ["cargo run --release -- demo", "cargo xtask test"];

type Run = fn(&mut Bench) -> Result<(), Error>;

/// The steps, in the order in which a mistake costs least.
const STEPS: &[(&str, Run)] = &[
    ("fmt", fmt),
    ("tidy", |bench| tidy::check(&bench.workspace)),
    ("readme", |bench| {
        readme(&bench.workspace.root.join("README.md"))
    }),
    ("clippy", clippy),
    ("python-env", |bench| bench.python().map(drop)),
    ("redis-server", |bench| bench.redis().map(drop)),
    ("build", build),
    ("tests", tests),
    ("fuzz-corpus", fuzz_corpus),
    ("doc-tests", doc_tests),
    ("docs", docs),
    ("counts", instruction_counts),
    ("sim-drivers", |bench| sim_drivers::test(&bench.workspace)),
    ("client", client),
    ("comparison", comparison),
    ("end-to-end", end_to_end),
    ("browser", browser),
    ("client-live", client_live),
];

/// Runs all steps, or only those that are named.
///
/// # Errors
/// [`Error::Step`] with the first that fails.
pub(crate) fn run(screen: &Screen, workspace: &Workspace, wanted: &[String]) -> Result<(), Error> {
    if let Some(unknown) = wanted
        .iter()
        .find(|name| STEPS.iter().all(|step| step.0 != *name))
    {
        let names: Vec<&str> = STEPS.iter().map(|step| step.0).collect();
        let names = names.join(", ");
        return Err(Error::Usage(format!("`{unknown}` is not a step ({names})")));
    }
    let steps: Vec<_> = STEPS
        .iter()
        .filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|one| one == name))
        .collect();
    let mut bench = Bench::new(*screen, workspace.clone());
    let mut times = Table::new(&["step", "time"]);
    let mut not_run = Vec::new();
    let started = Instant::now();
    for (number, &&(name, run)) in steps.iter().enumerate() {
        screen.begin(&format!("[{}/{}] {name}", number + 1, steps.len()));
        let begun = Instant::now();
        let ended = run(&mut bench);
        let took = human(begun.elapsed());
        let why = bench.not_run.take();
        let verdict = match (&ended, &why) {
            (Err(_), _) => " FAILED",
            (Ok(()), Some(_)) => " NOT RUN",
            (Ok(()), None) => "",
        };
        times.row(vec![format!("{name}{verdict}"), took.clone()]);
        if let Err(cause) = ended {
            println!("\n{times}");
            let cause = Box::new(cause);
            return Err(Error::Step { name, cause });
        }
        match why {
            Some(why) => not_run.push(format!("{name}: not run: {why}")),
            None => screen.done(&format!("{name}: ok in {took}")),
        }
    }
    times.row(vec!["all".to_owned(), human(started.elapsed())]);
    println!("\n{times}");
    for step in &not_run {
        screen.note(step);
    }
    screen.done(match not_run.is_empty() {
        true => "all steps passed",
        false => "all other steps passed",
    });
    Ok(())
}

/// What the steps share: each thing is made when the first step needs it.
struct Bench {
    screen: Screen,
    workspace: Workspace,
    python: Option<Python>,
    redis: Option<PathBuf>,
    /// Why the present step has done nothing, if so: the summary says it.
    not_run: Option<String>,
}

impl Bench {
    fn new(screen: Screen, workspace: Workspace) -> Bench {
        Bench {
            screen,
            workspace,
            python: None,
            redis: None,
            not_run: None,
        }
    }

    fn python(&mut self) -> Result<Python, Error> {
        if self.python.is_none() {
            self.python = Some(Python::prepare(&self.screen, &self.workspace)?);
        }
        Ok(self.python.clone().expect("it has just been set"))
    }

    fn redis(&mut self) -> Result<PathBuf, Error> {
        if self.redis.is_none() {
            let python = self.python()?;
            self.redis = Some(find_redis(&self.screen, &self.workspace, &python)?);
        }
        Ok(self.redis.clone().expect("it has just been set"))
    }

    fn cargo(&self, arguments: &[&str]) -> Result<(), Error> {
        process::run(&mut self.workspace.cargo(arguments), STEP_LIMIT)
    }

    /// pytest in a directory of the workspace with what tests look for.
    fn pytest(&mut self, directory: &str, arguments: &[&str]) -> Result<Command, Error> {
        let python = self.python()?.interpreter;
        let mut command = Command::new(&python);
        command
            .args(["-m", "pytest", "-p", "no:cacheprovider"])
            .args(arguments)
            .current_dir(self.workspace.root.join(directory))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("MPCSFAAS_TEST_PYTHON", &python);
        Ok(command)
    }
}

fn fmt(bench: &mut Bench) -> Result<(), Error> {
    bench.cargo(&["fmt", "--all", "--check"])?;
    bench.cargo(&["fmt", "--manifest-path", FUZZ, "--check"])
}

fn readme(path: &Path) -> Result<(), Error> {
    let text = std::fs::read_to_string(path).map_err(Error::at(path))?;
    match README_COMMANDS
        .iter()
        .find(|command| !text.contains(**command))
    {
        None => Ok(()),
        Some(missing) => Err(Error::Readme(missing)),
    }
}

fn clippy(bench: &mut Bench) -> Result<(), Error> {
    bench.cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ])
}

/// All targets at once, so that the tests after it find everything built with the same features.
fn build(bench: &mut Bench) -> Result<(), Error> {
    bench.cargo(&["build", "--workspace", "--all-targets", "--locked"])
}

fn tests(bench: &mut Bench) -> Result<(), Error> {
    let (python, redis) = (bench.python()?, bench.redis()?);
    let arguments: &[&str] = if bench.workspace.has_cargo_subcommand("nextest") {
        &["nextest", "run", "--workspace", "--locked"]
    } else {
        &[
            "test",
            "--workspace",
            "--lib",
            "--bins",
            "--tests",
            "--locked",
        ]
    };
    let mut command = bench.workspace.cargo(arguments);
    command
        .env("MPCSFAAS_TEST_PYTHON", &python.interpreter)
        .env("MPCSFAAS_BIN", bench.workspace.binary("debug"))
        .env(REDIS_SERVER, redis);
    process::run(&mut command, STEP_LIMIT)
}

/// Every input of every fuzz target's corpus, without a fuzzer.
fn fuzz_corpus(bench: &mut Bench) -> Result<(), Error> {
    let targets = ["--manifest-path", FUZZ, "--all-targets", "--locked"];
    bench.cargo(&[&["clippy"], &targets[..], &["--", "-D", "warnings"]].concat())?;
    bench.cargo(&[
        "test",
        "--manifest-path",
        FUZZ,
        "--locked",
        "--lib",
        "--tests",
    ])
}

fn doc_tests(bench: &mut Bench) -> Result<(), Error> {
    bench.cargo(&["test", "--workspace", "--doc", "--locked"])
}

fn docs(bench: &mut Bench) -> Result<(), Error> {
    let mut command = bench
        .workspace
        .cargo(&["doc", "--workspace", "--no-deps", "--locked"]);
    process::run(command.env("RUSTDOCFLAGS", "-D warnings"), STEP_LIMIT)
}

/// What the core takes for a task. Where it cannot be compared the summary says so.
fn instruction_counts(bench: &mut Bench) -> Result<(), Error> {
    if let Err(why) = counts::check(&bench.screen, &bench.workspace)? {
        bench.screen.note(&format!("not run: {why}"));
        bench.not_run = Some(why);
    }
    Ok(())
}

fn client(bench: &mut Bench) -> Result<(), Error> {
    process::run(&mut bench.pytest(CLIENT, &[])?, STEP_LIMIT)
}

/// The arithmetic, the tables and the guard of the comparison; nothing is measured.
fn comparison(bench: &mut Bench) -> Result<(), Error> {
    process::run(&mut bench.pytest(COMPARISON, &[])?, STEP_LIMIT)
}

/// Real processes in all their troubles. They build nothing: the binary is that of the build step.
fn end_to_end(bench: &mut Bench) -> Result<(), Error> {
    let redis = bench.redis()?;
    let binary = bench.workspace.binary("debug");
    // Four tests at a time, and then those that compare latencies, one after the other.
    for which in [&[][..], &["-m", "alone", "-n", "0"]] {
        let mut command = bench.pytest("bins/tests/e2e", which)?;
        command
            .env("MPCSFAAS_BIN", &binary)
            .env(REDIS_SERVER, &redis);
        process::run(&mut command, END_TO_END_LIMIT)?;
    }
    Ok(())
}

/// Pages in a real browser. Without one the summary says so.
fn browser(bench: &mut Bench) -> Result<(), Error> {
    let found = match Browser::find()? {
        Ok(found) => found,
        Err(why) => {
            bench.screen.note(&format!("not run: {why}"));
            bench.not_run = Some(why);
            return Ok(());
        }
    };
    let redis = bench.redis()?;
    let binary = bench.workspace.binary("debug");
    let mut command = bench.pytest("bins/tests/e2e", &["-m", "browser", "-n", "0"])?;
    command
        .env("MPCSFAAS_BIN", binary)
        .env(REDIS_SERVER, redis)
        .env("MPCSFAAS_CHROMIUM", found.chromium)
        .env("MPCSFAAS_CHROMEDRIVER", found.driver);
    process::run(&mut command, END_TO_END_LIMIT)
}

/// The client's tests that need a platform, against one of our own.
fn client_live(bench: &mut Bench) -> Result<(), Error> {
    let python = bench.python()?;
    let binary = bench.workspace.binary("debug");
    let scratch = bench.workspace.fresh("client-live")?;
    let launcher = Launcher {
        binary: &binary,
        python: &python,
        scratch: &scratch,
        screen: bench.screen,
    };
    let mut platform = launcher.up(Shape {
        mode: Mode::Push,
        workers: 2,
        processes: 2,
    })?;
    let mut command = bench.pytest(CLIENT, &["-m", "live"])?;
    let ended = process::run(command.env("MPCSFAAS_TEST_URL", &platform.url), LIVE_LIMIT);
    let ended = ended.and_then(|()| platform.alive());
    if ended.is_err() {
        platform.show_logs(&bench.screen);
    }
    ended
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_readme_without_a_command_is_found_out() {
        let path = std::env::temp_dir().join(format!("xtask-readme-{}", std::process::id()));
        std::fs::write(&path, "run `cargo run --release -- demo`").unwrap();
        assert!(matches!(
            readme(&path),
            Err(Error::Readme("cargo xtask test"))
        ));
        std::fs::write(&path, "`cargo run --release -- demo`\n`cargo xtask test`").unwrap();
        assert!(readme(&path).is_ok());
        std::fs::remove_file(path).unwrap();
    }
}
