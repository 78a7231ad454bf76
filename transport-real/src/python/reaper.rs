//! A tiny companion process that outlives a worker killed without warning, to kill its children.
//!
//! The kernel kills each child with its parent (`PR_SET_PDEATHSIG`, set by the runner), but not
//! what a task had started. So a companion keeps a list of the process groups, told to it over a
//! pipe, and when the pipe ends it kills those still on the list:
//!
//! ```text
//!   =MARK     the mark that all children of the pool carry
//!   +GROUP    a child was started
//!   -GROUP    a child and its group are gone
//! ```

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use nix::unistd::Pid;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use super::leftovers;

/// How to start the companion.
#[derive(Clone, Debug)]
pub struct ReaperConfig {
    /// Program and arguments of a process that calls [`reaper_main`] with its standard input.
    pub command: Vec<OsString>,
}

/// The companion's whole life: reads the list from `orders` until it ends, then kills every group
/// that is still on it. Returns when they are gone, or after two seconds.
///
/// From the call on SIGINT, SIGTERM and SIGHUP do nothing to this process: one that is sent to
/// every process of a service must not end the companion before the worker.
///
/// # Errors
/// What the operating system says if signals cannot be caught, or if a process survives being
/// killed.
///
/// # Panics
/// In an async task; it blocks.
pub fn reaper_main(orders: impl Read) -> io::Result<()> {
    catch_signals()?;
    let mut groups = BTreeSet::new();
    let mut mark = None;
    for line in BufReader::new(orders).lines().map_while(Result::ok) {
        // 1 and below are never a child's, and mean many processes at once to the kernel.
        let group = |text: &str| text.parse().ok().filter(|id| *id > 1).map(Pid::from_raw);
        match line.split_at_checked(1) {
            Some(("+", text)) => groups.extend(group(text)),
            Some(("-", text)) => drop(group(text).map(|group| groups.remove(&group))),
            // An empty one would match the children of every pool.
            Some(("=", text)) if !text.is_empty() => mark = Some(text.to_owned()),
            _ => {}
        }
    }
    // Without a mark nothing was started.
    mark.map_or(Ok(()), |mark| {
        leftovers::kill_all(&Vec::from_iter(groups), &mark)
    })
}

/// Gives the signals a handler, which the whole process keeps; nobody reads what it notes.
fn catch_signals() -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let _context = runtime.enter();
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ] {
        // The handler outlives this stream.
        drop(signal(kind)?);
    }
    Ok(())
}

/// The worker's side of the companion.
#[derive(Debug)]
pub(super) struct Reaper {
    process: Child,
    list: Mutex<ChildStdin>,
}

impl Reaper {
    /// Starts the companion in a process group of its own, out of reach of a terminal's Ctrl-C.
    ///
    /// # Errors
    /// The command is empty or cannot be started.
    pub(super) fn start(config: &ReaperConfig, mark: &str) -> io::Result<Reaper> {
        let (program, arguments) = config
            .command
            .split_first()
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let mut process = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let list = process.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let reaper = Reaper {
            process,
            list: Mutex::new(list),
        };
        reaper.tell(&format!("={mark}\n"));
        Ok(reaper)
    }

    /// Puts a child's group on the list.
    pub(super) fn enlist(&self, group: Pid) {
        self.tell(&format!("+{group}\n"));
    }

    /// Takes a child's group off the list. Call it before the leader is reaped: afterwards the id
    /// may be somebody else's.
    pub(super) fn strike(&self, group: Pid) {
        self.tell(&format!("-{group}\n"));
    }

    fn tell(&self, line: &str) {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = list.write_all(line.as_bytes()) {
            tracing::warn!(%error, "the reaper is gone: tasks may outlive a killed worker");
        }
    }
}

impl Drop for Reaper {
    /// The children are gone, so nothing is left for the companion to do.
    fn drop(&mut self) {
        let ended = self.process.kill().and_then(|()| self.process.wait());
        if let Err(error) = ended {
            tracing::warn!(%error, "cannot end the reaper");
        }
    }
}
