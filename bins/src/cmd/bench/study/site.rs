//! A platform for one part of a study, of real processes on private ports.
//!
//! On the embedded store it is `mpcsfaas up`, which has gateway, store and dispatcher in one
//! process, and its workers. On Redis each part is a process of its own, in a queue shard of its
//! own, so that nothing else in that Redis is touched.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use hyper::Method;
use mpcsfaas_core::store::op::Mode;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;
use thiserror::Error;
use tokio::process::{Child, ChildStdin};

use super::key_space::{KeySpace, KeySpaceError};
use crate::api::{Refusal, Target};
use crate::platform::{self, Logs, Platform, PlatformError, Shape, tail};

/// How long all workers may take to join.
const JOIN_LIMIT: Duration = Duration::from_secs(90);

/// How long one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// The pause between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How long one process may take to end, once told to.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// Why there is no platform, or not any more.
#[derive(Debug, Error)]
pub enum SiteError {
    /// `mpcsfaas up`.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// No port, file or process.
    #[error("cannot start the {part}: {source}")]
    Start {
        /// Which part.
        part: String,
        /// Why not.
        source: io::Error,
    },
    /// A part ended by itself, or not well.
    #[error("the {part} ended with {status}. The end of its log:\n{log}")]
    Ended {
        /// Which part.
        part: String,
        /// How.
        status: ExitStatus,
        /// The log's last lines.
        log: String,
    },
    /// Not all workers are there.
    #[error(
        "{joined} of {expected} workers had joined after {} s ({missing}). The end of a log:\n{log}",
        JOIN_LIMIT.as_secs()
    )]
    NotJoined {
        /// So many are.
        joined: u64,
        /// So many should be.
        expected: u32,
        /// What the gateway says.
        missing: String,
        /// The log's last lines.
        log: String,
    },
    /// A part had to be killed.
    #[error(
        "the {part} was told to stop, did not within {} s, and was killed. The end of its log:\n{log}",
        STOP_LIMIT.as_secs()
    )]
    NotStopped {
        /// Which part.
        part: String,
        /// The log's last lines.
        log: String,
    },
    /// The system does not say what became of a process.
    #[error("cannot wait for the {part}: {source}")]
    Wait {
        /// Which part.
        part: String,
        /// Why not.
        source: io::Error,
    },
    /// What the study has left in Redis.
    #[error(transparent)]
    KeySpace(#[from] KeySpaceError),
}

/// A platform that runs. Its processes are killed when this is dropped; [`Site::stop`] is kinder.
#[derive(Debug)]
pub struct Site {
    kind: Kind,
    /// So many workers must have joined; local mode has one.
    workers: u32,
}

#[derive(Debug)]
enum Kind {
    Embedded(Box<Platform>),
    Redis {
        target: Target,
        workers_at: String,
        space: KeySpace,
        /// In the order of their start.
        parts: Vec<Part>,
    },
}

impl Site {
    /// Starts a platform whose data and logs are in `directory`, which exists.
    ///
    /// # Errors
    /// A process cannot be started.
    pub fn start(
        shape: Shape,
        space: Option<KeySpace>,
        directory: &Path,
        python: &Path,
    ) -> Result<Site, SiteError> {
        let kind = match space {
            None => Kind::Embedded(Box::new(Platform::start(shape, directory, python)?)),
            Some(space) => around_redis(shape, space, directory, python)?,
        };
        let workers = match shape.mode {
            Mode::Local => 1,
            Mode::Pull | Mode::Push => shape.workers,
        };
        Ok(Site { kind, workers })
    }

    /// Its gateway.
    pub fn target(&self) -> &Target {
        match &self.kind {
            Kind::Embedded(platform) => platform.target(),
            Kind::Redis { target, .. } => target,
        }
    }

    /// Where more workers may connect to, in pull and push mode.
    pub fn workers_at(&self) -> &str {
        match &self.kind {
            Kind::Embedded(platform) => platform.workers_at(),
            Kind::Redis { workers_at, .. } => workers_at,
        }
    }

    /// Its processes that run, by the names of the parts. What they have started is not among them.
    pub fn processes(&self) -> Vec<(String, u32)> {
        match &self.kind {
            Kind::Embedded(platform) => {
                let pid = platform.pid();
                pid.map(|pid| ("up".to_owned(), pid)).into_iter().collect()
            }
            Kind::Redis { parts, .. } => {
                let parts = parts.iter();
                parts
                    .filter_map(|part| Some((part.name.clone(), part.child.id()?)))
                    .collect()
            }
        }
    }

    /// Waits until all workers have joined.
    ///
    /// # Errors
    /// A process ended, or some worker did not join in time.
    pub async fn ready(&mut self) -> Result<(), SiteError> {
        let expected = self.workers;
        let target = self.target().clone();
        let mut seen = Readiness::default();
        let joining = async {
            let joined = joined(&target, expected, &mut seen);
            tokio::time::timeout(JOIN_LIMIT, joined).await.is_ok()
        };
        let (in_time, log) = match &mut self.kind {
            Kind::Embedded(platform) => {
                // It notices when `up` ends before it is ready.
                platform.ready().await?;
                (joining.await, platform.log())
            }
            Kind::Redis { parts, .. } => {
                let log = parts.last().map(|part| part.log.clone());
                let in_time = tokio::select! {
                    in_time = joining => in_time,
                    ended = first_to_end(parts) => return Err(ended),
                };
                (in_time, log.map(|log| tail(&log)).unwrap_or_default())
            }
        };
        match in_time {
            true => Ok(()),
            false => Err(SiteError::NotJoined {
                joined: seen.workers,
                expected,
                missing: seen
                    .missing
                    .unwrap_or_else(|| "nothing else is missing".to_owned()),
                log,
            }),
        }
    }

    /// Tells it to stop, waits until it has, and removes what it left in Redis. `functions` are
    /// those that were registered.
    ///
    /// # Errors
    /// A process did not end well, or Redis is away.
    pub async fn stop(self, functions: &[String]) -> Result<(), SiteError> {
        match self.kind {
            Kind::Embedded(platform) => Ok(platform.stop().await?),
            Kind::Redis { space, parts, .. } => {
                let stopped = stop(parts).await;
                let cleared = space.clear(functions).await;
                stopped?;
                Ok(cleared?)
            }
        }
    }
}

/// What the gateway says of the others.
#[derive(Debug, Default, Deserialize)]
struct Readiness {
    missing: Option<String>,
    #[serde(default)]
    workers: u64,
}

async fn joined(target: &Target, expected: u32, seen: &mut Readiness) {
    loop {
        let asked = target.ask::<Readiness>(Method::GET, "/readyz", ANSWER_LIMIT);
        match asked.await {
            Ok(Ok(ready)) => {
                *seen = ready;
                if seen.workers >= u64::from(expected) {
                    return;
                }
            }
            Ok(Err(Refusal { body, .. })) => {
                *seen = serde_json::from_str(&body).unwrap_or_default();
            }
            // It has not bound its port yet.
            Err(_) => {}
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn around_redis(
    shape: Shape,
    space: KeySpace,
    directory: &Path,
    python: &Path,
) -> Result<Kind, SiteError> {
    let (port, zmq_port) = platform::free_ports().map_err(|source| SiteError::Start {
        part: "gateway".to_owned(),
        source,
    })?;
    let redis = ["--shard", space.shard()].map(str::to_owned);
    let owned = |items: &[&str]| {
        items
            .iter()
            .map(|item| (*item).to_owned())
            .collect::<Vec<_>>()
    };
    let python = owned(&["--python", &python.to_string_lossy()]);
    let mut parts = Vec::new();
    let mut start = |name: String, subcommand: &str, arguments: Vec<String>| {
        let place = (space.url(), directory, shape.logs);
        let started = Part::start(&name, subcommand, &arguments, place);
        started
            .map(|part| parts.push(part))
            .map_err(|source| SiteError::Start { part: name, source })
    };
    let gateway = owned(&["--host", "127.0.0.1", "--port", &port.to_string()]);
    start(
        "gateway".to_owned(),
        "gateway",
        [&gateway[..], &redis].concat(),
    )?;
    let pool = (shape.workers * shape.processes).to_string();
    let mut dispatcher = owned(&[
        "--mode",
        shape.mode.as_str(),
        "--port",
        &zmq_port.to_string(),
    ]);
    if shape.mode == Mode::Local {
        dispatcher.extend(owned(&["--workers", &pool]));
    }
    let dispatcher = [&dispatcher[..], &redis, &python].concat();
    start("dispatcher".to_owned(), "dispatcher", dispatcher)?;
    let address = platform::workers_at(zmq_port);
    if shape.mode != Mode::Local {
        let worker = owned(&[shape.mode.as_str(), &shape.processes.to_string(), &address]);
        for number in 1..=shape.workers {
            let arguments = [&worker[..], &python].concat();
            start(format!("worker {number}"), "worker", arguments)?;
        }
    }
    Ok(Kind::Redis {
        target: Target::on_loopback(port),
        workers_at: address,
        space,
        parts,
    })
}

/// One process of a platform.
#[derive(Debug)]
struct Part {
    name: String,
    child: Child,
    log: PathBuf,
    /// The process ends when this end of the pipe closes, however this process ends.
    _lifeline: Option<ChildStdin>,
}

impl Part {
    fn start(
        name: &str,
        subcommand: &str,
        arguments: &[String],
        (redis, directory, logs): (&str, &Path, Logs),
    ) -> io::Result<Part> {
        let log = directory.join(format!("{}.log", name.replace(' ', "-")));
        let mut child = platform::own_command(subcommand, &log, logs)?
            .args(arguments)
            // Not as an argument: it may have a password in it.
            .env("REDIS_URL", redis)
            .spawn()?;
        Ok(Part {
            name: name.to_owned(),
            // Waiting for a child closes its standard input, unless it is held elsewhere.
            _lifeline: child.stdin.take(),
            child,
            log,
        })
    }

    fn ended(&self, status: ExitStatus) -> SiteError {
        SiteError::Ended {
            part: self.name.clone(),
            status,
            log: tail(&self.log),
        }
    }

    fn tell_to_stop(&self) {
        if let Some(pid) = self.child.id() {
            // An error says that it has ended already.
            let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM);
        }
    }

    async fn stopped(&mut self) -> Result<(), SiteError> {
        let wait = |part: &Part, source| SiteError::Wait {
            part: part.name.clone(),
            source,
        };
        match tokio::time::timeout(STOP_LIMIT, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(self.ended(status)),
            Ok(Err(source)) => Err(wait(self, source)),
            Err(_) => {
                let killed = self.child.kill().await;
                killed.map_err(|source| wait(self, source))?;
                Err(SiteError::NotStopped {
                    part: self.name.clone(),
                    log: tail(&self.log),
                })
            }
        }
    }
}

/// Waits until any of them has ended by itself.
async fn first_to_end(parts: &mut [Part]) -> SiteError {
    loop {
        for part in parts.iter_mut() {
            match part.child.try_wait() {
                Ok(None) => {}
                Ok(Some(status)) => return part.ended(status),
                Err(source) => {
                    let part = part.name.clone();
                    return SiteError::Wait { part, source };
                }
            }
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Workers leave first, all at once, then the dispatcher, then the gateway: what a worker still
/// runs is committed before the dispatcher goes.
async fn stop(mut parts: Vec<Part>) -> Result<(), SiteError> {
    let mut result = Ok(());
    let workers = parts.split_off(parts.len().min(2));
    workers.iter().for_each(Part::tell_to_stop);
    for mut worker in workers {
        result = result.and(worker.stopped().await);
    }
    for mut part in parts.into_iter().rev() {
        part.tell_to_stop();
        result = result.and(part.stopped().await);
    }
    result
}
