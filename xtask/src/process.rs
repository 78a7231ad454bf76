//! Child processes: every one has a time limit and none outlives its owner.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::report::Error;

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(20);

/// How long a server may take to end after SIGTERM before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// Runs `command` to its end with the terminal's output and no standard input.
///
/// # Errors
/// If it cannot be started, ends with a failure, or takes longer than `limit`; then it is killed.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Result<(), Error> {
    let what = describe(command);
    let child = command
        .stdin(Stdio::null())
        .spawn()
        .map_err(Error::io(what.clone()))?;
    let mut child = Running {
        what: what.clone(),
        child,
        log: PathBuf::new(),
    };
    match wait_until(&what, limit, || child.ended())? {
        status if status.success() => Ok(()),
        status => Err(Error::Failed { what, status }),
    }
}

/// Runs `command` to its end and returns what it wrote to standard output, which goes through a
/// file in `scratch`.
///
/// # Errors
/// As [`run`], and if the output is not text.
pub(crate) fn read(
    command: &mut Command,
    scratch: &Path,
    limit: Duration,
) -> Result<String, Error> {
    let path = scratch.join("output.txt");
    let file = File::create(&path).map_err(Error::at(&path))?;
    let ended = run(command.stdout(file), limit);
    let text = std::fs::read_to_string(&path).map_err(Error::at(&path))?;
    ended.map(|()| text)
}

/// Looks until `probe` has an answer.
///
/// # Errors
/// [`Error::TimedOut`] after `limit`, and what `probe` says.
pub(crate) fn wait_until<T>(
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> Result<Option<T>, Error>,
) -> Result<T, Error> {
    let started = Instant::now();
    loop {
        if let Some(answer) = probe()? {
            return Ok(answer);
        }
        if started.elapsed() > limit {
            return Err(Error::TimedOut {
                what: what.to_owned(),
                limit,
            });
        }
        pause();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "there is no runtime here whose thread could be blocked"
)]
fn pause() {
    std::thread::sleep(POLL);
}

/// A child that is stopped when its owner drops it: SIGTERM, a grace, SIGKILL.
#[derive(Debug)]
pub(crate) struct Running {
    what: String,
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts a server whose output goes to `logs/NAME.log`.
    pub(crate) fn start(name: &str, command: &mut Command, logs: &Path) -> Result<Running, Error> {
        let log = logs.join(format!("{name}.log"));
        let out = File::create(&log).map_err(Error::at(&log))?;
        let err = out.try_clone().map_err(Error::at(&log))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(Error::io(describe(command)))?;
        Ok(Running {
            what: name.to_owned(),
            child,
            log,
        })
    }

    /// Where its output goes.
    pub(crate) fn log(&self) -> &PathBuf {
        &self.log
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.child.try_wait().map_err(Error::io(self.what.clone()))
    }

    /// Nothing while it runs.
    ///
    /// # Errors
    /// [`Error::Died`] once it has ended.
    pub(crate) fn alive(&mut self) -> Result<(), Error> {
        match self.ended()? {
            None => Ok(()),
            Some(status) => Err(Error::Died {
                what: format!("{} (see {})", self.what, self.log.display()),
                status,
            }),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !matches!(self.ended(), Ok(None)) {
            return;
        }
        // The standard library has no SIGTERM, and this crate forbids unsafe code.
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status();
        if asked.is_ok_and(|status| status.success()) {
            let _ended_in_time = wait_until("the end", GRACE, || self.ended());
        }
        // Both fail only if it has ended already, which is what is wanted.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A port of 127.0.0.1 that was free a moment ago.
pub(crate) fn free_port() -> Result<u16, Error> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(Error::io("a free port"))?;
    let address = listener.local_addr().map_err(Error::io("a free port"))?;
    Ok(address.port())
}

fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program());
    let mut text = name.to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_takes_too_long_is_ended() {
        let started = Instant::now();
        let error = run(Command::new("sleep").arg("60"), Duration::from_millis(50));
        assert!(matches!(error, Err(Error::TimedOut { .. })), "{error:?}");
        assert!(started.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_failure_names_the_command() {
        let error = run(Command::new("sh").args(["-c", "exit 3"]), GRACE).unwrap_err();
        assert!(
            error.to_string().starts_with("`sh -c exit 3` failed"),
            "{error}"
        );
    }

    #[test]
    fn a_server_ends_with_its_owner() {
        let logs = std::env::temp_dir();
        let name = format!("xtask-process-test-{}", std::process::id());
        let mut server = Running::start(&name, Command::new("sleep").arg("60"), &logs).unwrap();
        server.alive().unwrap();
        let proc = PathBuf::from(format!("/proc/{}", server.child.id()));
        let log = server.log().clone();
        let had_proc = proc.exists();
        drop(server);
        assert!(!had_proc || !proc.exists(), "it is still there");
        std::fs::remove_file(log).unwrap();
    }
}
