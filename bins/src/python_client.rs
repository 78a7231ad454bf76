//! The Python client that is a part of this program: written under the data directory, and run
//! from there by the Python that runs functions too.
//!
//! What runs of it are drivers: modules of the client that report as JSON lines on standard output.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use mpcsfaas_core::task::Versions;
use mpcsfaas_transport_real::python::environment::{self, EnvironmentError};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::api::Target;
use crate::config::PythonArgs;

macro_rules! sources {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../clients/python/src/mpcsfaas/", $name)))),*]
    };
}

/// The client's files, each with its text.
const SOURCES: [(&str, &str); 13] = sources![
    "__init__.py",
    "_collector.py",
    "_courier.py",
    "_demo.py",
    "_http.py",
    "_ids.py",
    "_pickling.py",
    "_profile.py",
    "_run.py",
    "_study.py",
    "_wire.py",
    "client.py",
    "errors.py",
];

/// Starts a module of the client as a script. Standard input is the lifeline: it ends with this
/// process, and then the driver ends, too. Nothing in the working directory stands in for what the
/// client imports.
const START: &str = r#"
import os, runpy, signal, sys, threading
lifeline, nothing = os.dup(0), os.open(os.devnull, os.O_RDONLY)
os.dup2(nothing, 0)
def end_with_parent():
    while os.read(lifeline, 4096):
        pass
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
threading.Thread(target=end_with_parent, daemon=True).start()
sys.path[:] = [place for place in sys.path if place]
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"#;

/// Why the client cannot run.
#[derive(Debug, Error)]
pub enum ClientError {
    /// No Python with dill and requests.
    #[error(transparent)]
    Python(#[from] EnvironmentError),
    /// The data directory cannot be used.
    #[error("cannot write the Python client to {}: {source}", .path.display())]
    Write {
        /// Where to.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The interpreter does not start.
    #[error("cannot run {}: {source}", .python.display())]
    Start {
        /// The interpreter.
        python: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The driver's standard output cannot be read.
    #[error("cannot read what the Python client reports: {0}")]
    Read(#[source] io::Error),
}

/// The client on disk, and the Python that runs it.
#[derive(Clone, Debug)]
pub struct PythonClient {
    python: PathBuf,
    sources: PathBuf,
}

impl PythonClient {
    /// Finds or makes the Python and writes the client's files, if need be. `say` is told what
    /// takes long.
    ///
    /// # Errors
    /// [`ClientError::Python`] or [`ClientError::Write`].
    pub async fn prepare(
        args: &PythonArgs,
        say: impl Fn(&str),
    ) -> Result<PythonClient, ClientError> {
        let data = args.data_dir();
        let python = match &args.python {
            Some(python) => python.clone(),
            None => environment::ensure(&data, say).await?,
        };
        environment::check_client(&python).await?;
        let sources = install(&data)?;
        Ok(PythonClient { python, sources })
    }

    /// The interpreter.
    pub fn python(&self) -> &Path {
        &self.python
    }

    /// Its versions.
    ///
    /// # Errors
    /// [`ClientError::Python`].
    pub async fn versions(&self) -> Result<Versions, ClientError> {
        Ok(environment::check_client(&self.python).await?)
    }

    /// A driver that is to work against `target`. Its arguments and its standard error are still to
    /// be set; [`Driver::start`] does the rest.
    pub fn command(&self, module: &str, target: &Target) -> Command {
        let mut command = self.offline(module);
        command
            .args(["--url", &target.to_string()])
            // What this program itself asks goes straight to the gateway, so this does, too.
            .env("no_proxy", without_proxy(target.host(), proxy_exceptions()));
        command
    }

    /// The same for a driver that needs no platform.
    pub fn offline(&self, module: &str) -> Command {
        let mut command = Command::new(&self.python);
        command
            .args(["-c", START, module])
            .env("PYTHONPATH", with(&self.sources, "PYTHONPATH"));
        command
    }
}

/// Writes the client's files to a directory that is named by what is in them.
fn install(data: &Path) -> Result<PathBuf, ClientError> {
    let mut hasher = DefaultHasher::new();
    SOURCES.hash(&mut hasher);
    let directory = data.join(format!("client-{:016x}", hasher.finish()));
    if directory.exists() {
        return Ok(directory);
    }
    // Whole or not at all: another process may be looking for it, or writing it, just now.
    let unfinished = directory.with_extension(format!("{:016x}", rand::random::<u64>()));
    let written = write_sources(&unfinished).and_then(|()| {
        std::fs::rename(&unfinished, &directory).or_else(|error| match directory.exists() {
            true => std::fs::remove_dir_all(&unfinished),
            false => Err(error),
        })
    });
    match written {
        Ok(()) => Ok(directory),
        Err(source) => {
            let _ = std::fs::remove_dir_all(&unfinished);
            Err(ClientError::Write {
                path: directory,
                source,
            })
        }
    }
}

fn write_sources(directory: &Path) -> io::Result<()> {
    let package = directory.join("mpcsfaas");
    std::fs::create_dir_all(&package)?;
    let mut files = SOURCES.iter();
    files.try_for_each(|(name, text)| std::fs::write(package.join(name), text))
}

/// A search path from the environment, with a place before all others.
fn with(first: &Path, variable: &str) -> std::ffi::OsString {
    let mut path = first.as_os_str().to_owned();
    if let Some(rest) = std::env::var_os(variable).filter(|rest| !rest.is_empty()) {
        path.push(":");
        path.push(rest);
    }
    path
}

fn proxy_exceptions() -> Option<String> {
    let names = ["no_proxy", "NO_PROXY"].into_iter();
    names.filter_map(|name| std::env::var(name).ok()).next()
}

fn without_proxy(host: &str, others: Option<String>) -> String {
    let host = host.trim_matches(['[', ']']);
    match others.filter(|others| !others.is_empty()) {
        Some(others) => format!("{others},{host}"),
        None => host.to_owned(),
    }
}

/// A driver at work. It is killed when this is dropped.
#[derive(Debug)]
pub struct Driver {
    child: Child,
    lines: BufReader<ChildStdout>,
    /// What has been read of a line. Kept, so that giving up a wait for an event loses nothing.
    line: Vec<u8>,
    _lifeline: Option<ChildStdin>,
}

impl Driver {
    /// Starts it, in a process group of its own: what Ctrl-C does is for this process to say.
    ///
    /// # Errors
    /// [`ClientError::Start`].
    pub fn start(mut command: Command) -> Result<Driver, ClientError> {
        let started = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn();
        let cannot = |source| ClientError::Start {
            python: PathBuf::from(command.as_std().get_program()),
            source,
        };
        let mut child = started.map_err(cannot)?;
        let unpiped = || cannot(io::ErrorKind::BrokenPipe.into());
        let stdout = child.stdout.take().ok_or_else(unpiped)?;
        Ok(Driver {
            lines: BufReader::new(stdout),
            line: Vec::new(),
            // Waiting for a child closes its standard input, unless it is held elsewhere.
            _lifeline: child.stdin.take(),
            child,
        })
    }

    /// The next event, or `None` when there will be no more. Other lines are skipped: a start-up
    /// file of Python's may print. May be given up and called again.
    ///
    /// # Errors
    /// [`ClientError::Read`].
    pub async fn event<E: DeserializeOwned>(&mut self) -> Result<Option<E>, ClientError> {
        loop {
            let read = self.lines.read_until(b'\n', &mut self.line).await;
            read.map_err(ClientError::Read)?;
            if self.line.is_empty() {
                return Ok(None);
            }
            let line = std::mem::take(&mut self.line);
            match serde_json::from_slice(&line) {
                Ok(event) => return Ok(Some(event)),
                Err(error) => {
                    tracing::debug!(%error, line = %String::from_utf8_lossy(&line), "no event");
                }
            }
        }
    }

    /// Kills it at once, with all that it has started and that is still in its process group.
    ///
    /// # Errors
    /// [`ClientError::Read`].
    pub async fn kill(&mut self) -> Result<ExitStatus, ClientError> {
        // Until it has been waited for, its number is nobody else's.
        if let Some(pid) = self.child.id() {
            // An error says that there is nobody left.
            let _ = killpg(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
        }
        self.ended().await
    }

    /// Waits until the driver has ended.
    ///
    /// # Errors
    /// [`ClientError::Read`].
    pub async fn ended(&mut self) -> Result<ExitStatus, ClientError> {
        self.child.wait().await.map_err(ClientError::Read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory that is removed.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new() -> Scratch {
            let name = format!("mpcsfaas-client-{:016x}", rand::random::<u64>());
            Scratch(std::env::temp_dir().join(name))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn every_file_of_the_client_is_a_part_of_this_program() {
        let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients/python/src/mpcsfaas");
        let files = std::fs::read_dir(package).unwrap();
        let mut names: Vec<String> = files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".py"))
            .collect();
        names.sort();
        assert_eq!(names, SOURCES.map(|(name, _)| name));
    }

    #[test]
    fn the_client_is_written_once_and_whole() {
        let data = Scratch::new();
        let first = install(&data.0).unwrap();
        let text = std::fs::read_to_string(first.join("mpcsfaas/errors.py")).unwrap();
        assert!(text.contains("class TaskFailed"));
        std::fs::write(first.join("mark"), "").unwrap();
        assert_eq!(install(&data.0).unwrap(), first);
        assert!(first.join("mark").exists(), "it was not written again");
        assert_eq!(std::fs::read_dir(&data.0).unwrap().count(), 1);
    }

    #[test]
    fn a_data_directory_that_is_none_is_named() {
        let error = install(Path::new("/dev/null")).unwrap_err().to_string();
        assert!(error.contains("/dev/null/client-"), "{error}");
    }

    #[test]
    fn the_gateway_is_asked_without_a_proxy() {
        assert_eq!(without_proxy("127.0.0.1", None), "127.0.0.1");
        assert_eq!(without_proxy("[::1]", Some("a,b".to_owned())), "a,b,::1");
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Number {
        number: u32,
    }

    fn shell(script: &str) -> Driver {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Driver::start(command).unwrap()
    }

    #[tokio::test]
    async fn events_come_line_by_line_and_other_lines_are_skipped() {
        let mut driver = shell(
            r#"echo hello; printf '\377\n\n'; echo '{"number": 1}'; printf '{"number": 2}'; exit 3"#,
        );
        assert_eq!(driver.event().await.unwrap(), Some(Number { number: 1 }));
        assert_eq!(driver.event().await.unwrap(), Some(Number { number: 2 }));
        assert_eq!(driver.event::<Number>().await.unwrap(), None);
        assert_eq!(driver.ended().await.unwrap().code(), Some(3));
    }

    #[tokio::test]
    async fn half_a_line_survives_a_wait_that_is_given_up() {
        let mut driver = shell(r#"printf '{"number"'; read line; echo ': 7}'"#);
        let soon = std::time::Duration::from_millis(50);
        let given_up = tokio::time::timeout(soon, driver.event::<Number>()).await;
        assert!(given_up.is_err());
        drop(driver._lifeline.take());
        assert_eq!(driver.event().await.unwrap(), Some(Number { number: 7 }));
    }
}
