//! `mpcsfaas demo`: the whole platform, tried out in each mode with real Python functions.
//!
//! ```text
//!   demo ──starts──▶ up (gateway, store, dispatcher, workers)      one after the other,
//!     │                ▲ HTTP                                      for each mode
//!     └────starts──▶ Python client ──JSON lines──▶ demo
//! ```
//!
//! The Python client submits, computes what must come of each task by itself, and compares.

mod bar;
mod report;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use mpcsfaas_core::store::op::Mode;
use thiserror::Error;
use tokio::process::Command;

use self::bar::Bar;
use self::report::{Event, Report};
use super::dispatcher::ModeArg;
use crate::config::PythonArgs;
use crate::platform::{self, Logs, Platform, PlatformError, Shape};
use crate::python_client::{ClientError, Driver, PythonClient};
use crate::shutdown::{self, Shutdown};

/// Workers and their Python processes in each mode; in local mode one worker has all of them.
const WORKERS: u32 = 2;
const PROCESSES: u32 = 2;

/// How long the Python client may be silent: a little longer than it waits for one result.
const SILENCE_LIMIT: Duration = Duration::from_secs(330);

/// Arguments of `mpcsfaas demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// How many tasks of each workload, in each mode.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    tasks: u32,
    /// Which modes, in this order.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "local,pull,push"
    )]
    modes: Vec<ModeArg>,
    /// Print the report as one line of JSON.
    #[arg(long)]
    json: bool,
    /// Keep the stores and logs, and say where they are.
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    python: PythonArgs,
}

/// Why the demo could not be carried through.
#[derive(Debug, Error)]
pub enum DemoError {
    /// The Python client cannot run.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A platform did not start, run or stop as it should.
    #[error("{} mode: {source}", .mode.as_str())]
    Platform {
        /// Which one.
        mode: Mode,
        /// What happened.
        source: PlatformError,
    },
    /// The Python client ended before all was done.
    #[error("{} mode: the Python client ended with {status}. It said:\n{said}", .mode.as_str())]
    Broken {
        /// In which mode.
        mode: Mode,
        /// How.
        status: std::process::ExitStatus,
        /// The end of its standard error.
        said: String,
    },
    /// Nothing happens any more.
    #[error(
        "{} mode: nothing happened for {} s. The end of the platform's log:\n{log}",
        .mode.as_str(),
        SILENCE_LIMIT.as_secs()
    )]
    Silent {
        /// In which mode.
        mode: Mode,
        /// The log's last lines.
        log: String,
    },
    /// The temporary directory.
    #[error("cannot use {}: {source}", .path.display())]
    Scratch {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Ctrl-C or SIGTERM.
    #[error("interrupted; the platform has been stopped")]
    Interrupted,
    /// Standard output.
    #[error("cannot print the report: {0}")]
    Print(#[source] io::Error),
    /// Signals.
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] io::Error),
}

impl DemoError {
    /// What the process ends with: 130 after Ctrl-C, else 1.
    pub const fn exit_code(&self) -> u8 {
        match self {
            DemoError::Interrupted => super::INTERRUPTED,
            _ => super::FAILED,
        }
    }
}

/// Runs all modes and prints the report: 0 if every result was right, 1 if one was wrong.
///
/// # Errors
/// See [`DemoError`]. What was measured until then is printed all the same.
pub async fn run(args: DemoArgs) -> Result<ExitCode, DemoError> {
    let shutdown = shutdown::listen().map_err(DemoError::Signals)?;
    let client = tokio::select! {
        client = PythonClient::prepare(&args.python, |line| eprintln!("{line}")) => client?,
        () = shutdown.clone().asked() => return Err(DemoError::Interrupted),
    };
    let scratch = Scratch::make(args.keep)?;
    if args.keep {
        eprintln!("stores and logs: {}", scratch.path.display());
    }
    let demo = Demo {
        tasks: args.tasks,
        client,
        scratch,
        shutdown,
    };
    let mut report = Report::default();
    let mut ended = Ok(());
    for mode in args.modes {
        ended = demo.mode(mode.into(), &mut report).await;
        if ended.is_err() {
            break;
        }
    }
    let complete = ended.is_ok();
    report
        .print(args.json, complete)
        .map_err(DemoError::Print)?;
    ended?;
    Ok(match report.is_right() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(super::FAILED),
    })
}

/// What all modes share.
struct Demo {
    tasks: u32,
    client: PythonClient,
    scratch: Scratch,
    shutdown: Shutdown,
}

impl Demo {
    /// One mode, from the start of its platform to the end of it.
    async fn mode(&self, mode: Mode, report: &mut Report) -> Result<(), DemoError> {
        let directory = self.scratch.directory(mode.as_str())?;
        let broken = |source| DemoError::Platform { mode, source };
        let shape = Shape {
            mode,
            workers: WORKERS,
            processes: PROCESSES,
            logs: Logs::Text,
        };
        eprintln!(
            "{:<5}  starting gateway, dispatcher and workers",
            mode.as_str()
        );
        let mut platform =
            Platform::start(shape, &directory, self.client.python()).map_err(broken)?;
        let worked = tokio::select! {
            worked = self.work(mode, &mut platform, &directory, report) => worked,
            () = self.shutdown.clone().asked() => Err(DemoError::Interrupted),
        };
        let stopped = platform.stop().await.map_err(broken);
        // If both went wrong, the first is the cause.
        worked.and(stopped)
    }

    /// All workloads, on a platform that has been started.
    async fn work(
        &self,
        mode: Mode,
        platform: &mut Platform,
        directory: &Path,
        report: &mut Report,
    ) -> Result<(), DemoError> {
        let ready = platform.ready().await;
        ready.map_err(|source| DemoError::Platform { mode, source })?;
        let said = directory.join("client.log");
        let mut driver = Driver::start(self.command(mode, platform, &said)?)?;
        let mut right = true;
        let mut bar = Bar::new(mode);
        loop {
            let event = tokio::time::timeout(SILENCE_LIMIT, driver.event()).await;
            let event = event.map_err(|_| DemoError::Silent {
                mode,
                log: platform.log(),
            })?;
            match event? {
                Some(Event::Progress {
                    workload,
                    done,
                    total,
                }) => bar.show(&workload, done, total),
                Some(Event::Workload(row)) => {
                    bar.finish(&row);
                    report.rows.push(row);
                }
                Some(Event::Wrong(wrong)) => {
                    right = false;
                    report.wrong.push(wrong.in_mode(mode));
                }
                None => break,
            }
        }
        let status = driver.ended().await?;
        // It ends with 1 after wrong results, and Python does so after any exception.
        if status.success() || (status.code() == Some(1) && !right) {
            return Ok(());
        }
        let said = platform::tail(&said);
        Err(DemoError::Broken { mode, status, said })
    }

    fn command(&self, mode: Mode, platform: &Platform, said: &Path) -> Result<Command, DemoError> {
        let file = File::create(said).map_err(unusable(said))?;
        let mut command = self.client.command("mpcsfaas._demo", platform.target());
        command
            .args(["--json", "--mode", mode.as_str()])
            .args(["--tasks", &self.tasks.to_string()])
            .stderr(file);
        Ok(command)
    }
}

/// A temporary directory, removed at the end unless it is to be kept.
struct Scratch {
    path: PathBuf,
    keep: bool,
}

impl Scratch {
    fn make(keep: bool) -> Result<Scratch, DemoError> {
        let name = format!("mpcsfaas-demo-{:016x}", rand::random::<u64>());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).map_err(unusable(&path))?;
        Ok(Scratch { path, keep })
    }

    /// A new directory in it; the same name twice is two.
    fn directory(&self, name: &str) -> Result<PathBuf, DemoError> {
        let path = (1..)
            .map(|number| self.path.join(format!("{name}-{number}")))
            .find(|path| !path.exists())
            .unwrap_or_else(|| self.path.join(name));
        std::fs::create_dir(&path).map_err(unusable(&path))?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.keep
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::warn!(%error, "{} could not be removed", self.path.display());
        }
    }
}

fn unusable(path: &Path) -> impl FnOnce(io::Error) -> DemoError + use<'_> {
    move |source| DemoError::Scratch {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_behind_unless_asked_for() {
        let scratch = Scratch::make(false).unwrap();
        let first = scratch.directory("push").unwrap();
        assert_ne!(scratch.directory("push").unwrap(), first);
        drop(scratch);
        assert!(!first.exists());

        let scratch = Scratch::make(true).unwrap();
        let path = scratch.path.clone();
        drop(scratch);
        assert!(path.exists());
        std::fs::remove_dir_all(path).unwrap();
    }
}
