//! A platform of this program's own: `mpcsfaas up` as a child process on private ports.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use hyper::Method;
use mpcsfaas_core::store::op::Mode;
use mpcsfaas_transport_real::hops;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;
use thiserror::Error;
use tokio::process::{Child, ChildStdin, Command};

use crate::api::Target;

/// How long a platform may take from its start until it can run tasks.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// How long one answer may take meanwhile.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// The pause between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How long a platform may take to end, once told to. It has no more tasks then, or short ones.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// How many lines of a log an error shows.
const TAIL_LINES: usize = 20;

/// Why there is no platform, or not any more.
#[derive(Debug, Error)]
pub enum PlatformError {
    /// No port, no program file, no log file or no process.
    #[error("cannot start the platform: {0}")]
    Start(#[source] io::Error),
    /// It ended by itself, or not well.
    #[error("the platform ended with {status}. The end of its log:\n{log}")]
    Ended {
        /// How.
        status: ExitStatus,
        /// The log's last lines.
        log: String,
    },
    /// It takes too long.
    #[error(
        "the platform was not ready after {} s: {missing}. The end of its log:\n{log}",
        READY_LIMIT.as_secs()
    )]
    NotReady {
        /// What was missing last.
        missing: String,
        /// The log's last lines.
        log: String,
    },
    /// It had to be killed.
    #[error(
        "the platform was told to stop, did not within {} s, and was killed. The end of its \
         log:\n{log}",
        STOP_LIMIT.as_secs()
    )]
    NotStopped {
        /// The log's last lines.
        log: String,
    },
    /// The system does not say what became of it.
    #[error("cannot wait for the platform: {0}")]
    Wait(#[source] io::Error),
}

/// What to start.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// How tasks get to workers.
    pub mode: Mode,
    /// How many workers; local mode makes one of them. 0 in the other modes: they come by themselves.
    pub workers: u32,
    /// Python processes of each.
    pub processes: u32,
    /// What its processes log.
    pub logs: Logs,
}

/// What the processes of a platform log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Logs {
    /// Lines for people.
    Text,
    /// JSON, with an event at each place on the way of a task.
    Hops,
}

/// A platform that runs. It is killed when this is dropped; [`Platform::stop`] is kinder.
#[derive(Debug)]
pub struct Platform {
    target: Target,
    /// Where workers connect to.
    workers_at: String,
    child: Child,
    log: PathBuf,
    /// The platform ends when this end of the pipe closes, however this process ends.
    _lifeline: Option<ChildStdin>,
}

impl Platform {
    /// Starts a platform that keeps its store and its log (`up.log`) in `directory`, which exists.
    ///
    /// # Errors
    /// [`PlatformError::Start`].
    pub fn start(shape: Shape, directory: &Path, python: &Path) -> Result<Platform, PlatformError> {
        let log = directory.join("up.log");
        let ports = free_ports().map_err(PlatformError::Start)?;
        let child = up(shape, ports, directory, python, &log).map_err(PlatformError::Start)?;
        Ok(Platform::of(child, ports, log))
    }

    fn of(mut child: Child, (port, zmq_port): (u16, u16), log: PathBuf) -> Platform {
        Platform {
            target: Target::on_loopback(port),
            workers_at: workers_at(zmq_port),
            // Waiting for a child closes its standard input, unless it is held elsewhere.
            _lifeline: child.stdin.take(),
            child,
            log,
        }
    }

    /// Its gateway.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Where more workers may connect to, in pull and push mode.
    pub fn workers_at(&self) -> &str {
        &self.workers_at
    }

    /// The process; `None` once it has ended.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        tail(&self.log)
    }

    /// Waits until tasks can run.
    ///
    /// # Errors
    /// [`PlatformError::Ended`], or [`PlatformError::NotReady`] after a minute.
    pub async fn ready(&mut self) -> Result<(), PlatformError> {
        let mut missing = "the gateway does not answer".to_owned();
        tokio::select! {
            ended = self.child.wait() => {
                let status = ended.map_err(PlatformError::Wait)?;
                Err(PlatformError::Ended { status, log: tail(&self.log) })
            }
            waited = tokio::time::timeout(READY_LIMIT, answers(&self.target, &mut missing)) => {
                waited.map_err(|_| PlatformError::NotReady { missing, log: tail(&self.log) })
            }
        }
    }

    /// Tells it to stop and waits until it has.
    ///
    /// # Errors
    /// [`PlatformError::NotStopped`] if it had to be killed, [`PlatformError::Ended`] if its exit
    /// code is not 0.
    pub async fn stop(self) -> Result<(), PlatformError> {
        self.stop_within(STOP_LIMIT).await
    }

    async fn stop_within(mut self, limit: Duration) -> Result<(), PlatformError> {
        if let Some(pid) = self.child.id() {
            // An error says that it has ended already.
            let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM);
        }
        let log = || tail(&self.log);
        match tokio::time::timeout(limit, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(PlatformError::Ended { status, log: log() }),
            Ok(Err(error)) => Err(PlatformError::Wait(error)),
            Err(_) => {
                self.child.kill().await.map_err(PlatformError::Wait)?;
                Err(PlatformError::NotStopped { log: log() })
            }
        }
    }
}

/// A port for workers, as they name it.
pub fn workers_at(port: u16) -> String {
    format!("tcp://127.0.0.1:{port}")
}

/// Two ports that are free now.
pub fn free_ports() -> io::Result<(u16, u16)> {
    // Both are taken before either is let go, so they differ.
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let (first, second) = (bind()?, bind()?);
    Ok((first.local_addr()?.port(), second.local_addr()?.port()))
}

fn up(
    shape: Shape,
    (port, zmq_port): (u16, u16),
    directory: &Path,
    python: &Path,
    log: &Path,
) -> io::Result<Child> {
    own_command("up", log, shape.logs)?
        .args(["--mode", shape.mode.as_str()])
        .args(["--workers", &shape.workers.to_string()])
        .args(["--processes", &shape.processes.to_string()])
        .args(["--port", &port.to_string()])
        .args(["--zmq-port", &zmq_port.to_string()])
        .arg("--data")
        .arg(directory)
        .arg("--python")
        .arg(python)
        .spawn()
}

/// A subcommand of this program as a child process that logs to a file. It ends with this process:
/// whoever starts it holds the other end of its standard input.
pub fn own_command(subcommand: &str, log: &Path, logs: Logs) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    // What is not said here is to be the default, and not what the caller's environment says for
    // platforms of his own. Only how much is logged is his to say.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("MPCSFAAS_") && name != "MPCSFAAS_LOG" {
            command.env_remove(name.as_ref());
        }
    }
    match logs {
        Logs::Text => command.args(["--log-format", "text"]),
        Logs::Hops => {
            command.args(["--log-format", "json"]);
            command.args(["--log", &format!("info,{}=trace", hops::TARGET)])
        }
    };
    command
        .args([subcommand, "--with-parent"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(File::create(log)?)
        // In a group of its own: what Ctrl-C does is for this process to say.
        .process_group(0)
        .kill_on_drop(true);
    Ok(command)
}

/// Asks until the answer is that tasks can run. Says meanwhile what is missing.
async fn answers(target: &Target, missing: &mut String) {
    #[derive(Deserialize)]
    struct Readiness {
        missing: Option<String>,
    }
    loop {
        match target
            .ask::<Readiness>(Method::GET, "/readyz", ANSWER_LIMIT)
            .await
        {
            Ok(Ok(_)) => return,
            Ok(Err(refusal)) => {
                let told = serde_json::from_str::<Readiness>(&refusal.body);
                let part = told.ok().and_then(|readiness| readiness.missing);
                *missing = part.unwrap_or_else(|| refusal.to_string());
            }
            // It has not bound its port yet.
            Err(_) => {}
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// The last lines of a log, or of anything that somebody else wrote to a file.
pub fn tail(log: &Path) -> String {
    let bytes = match std::fs::read(log) {
        Ok(bytes) => bytes,
        Err(error) => return format!("(cannot read {}: {error})", log.display()),
    };
    let text = String::from_utf8_lossy(&bytes);
    let skipped = text.lines().count().saturating_sub(TAIL_LINES);
    let lines: Vec<&str> = text.lines().skip(skipped).collect();
    match lines.is_empty() {
        true => "(it is empty)".to_owned(),
        false => lines.join("\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A platform that is a shell script, whose log is what `print` prints.
    fn shell(script: &str) -> Platform {
        let name = format!("mpcsfaas-platform-{:016x}.log", rand::random::<u64>());
        let log = std::env::temp_dir().join(name);
        let mut command = Command::new("sh");
        command
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .kill_on_drop(true);
        let ports = free_ports().unwrap();
        Platform::of(command.spawn().unwrap(), ports, log)
    }

    /// Waits for the script's first line.
    async fn started(platform: &mut Platform) {
        use tokio::io::AsyncReadExt;
        let stdout = platform.child.stdout.as_mut().unwrap();
        assert!(stdout.read_u8().await.is_ok());
    }

    #[test]
    fn free_ports_differ() {
        let (first, second) = free_ports().unwrap();
        assert_ne!(first, second);
    }

    #[tokio::test]
    async fn a_platform_that_ends_by_itself_is_not_waited_for() {
        let mut platform = shell("echo no room >&2; exit 3");
        let error = platform.ready().await.unwrap_err().to_string();
        assert!(
            error.contains("exit status: 3") && error.ends_with("no room"),
            "{error}"
        );
        std::fs::remove_file(&platform.log).unwrap();
    }

    #[tokio::test]
    async fn a_platform_is_told_to_stop_and_killed_if_it_does_not() {
        let mut kind = shell("trap 'exit 0' TERM; echo; while :; do read line; done");
        started(&mut kind).await;
        let log = kind.log.clone();
        kind.stop().await.unwrap();
        std::fs::remove_file(log).unwrap();

        let mut stubborn = shell("trap 'echo never >&2' TERM; echo; while :; do read line; done");
        started(&mut stubborn).await;
        let log = stubborn.log.clone();
        let stopped = stubborn.stop_within(Duration::from_millis(100)).await;
        let Err(PlatformError::NotStopped { log: shown }) = stopped else {
            panic!("{stopped:?}");
        };
        assert_eq!(shown, "never");
        std::fs::remove_file(log).unwrap();
    }

    #[test]
    fn a_log_is_shown_by_its_end() {
        let log =
            std::env::temp_dir().join(format!("mpcsfaas-tail-{:016x}", rand::random::<u64>()));
        assert!(tail(&log).starts_with("(cannot read "));
        std::fs::write(&log, "").unwrap();
        assert_eq!(tail(&log), "(it is empty)");
        let lines: Vec<String> = (0..100).map(|line| line.to_string()).collect();
        std::fs::write(&log, lines.join("\n")).unwrap();
        assert_eq!(tail(&log), lines[80..].join("\n"));
        std::fs::remove_file(&log).unwrap();
    }
}
