//! A child as the operating system sees it: spawned, waited for, its group killed, then reaped.
//!
//! Each slot has one thread for this, which lives as long as the pool. The runner asks the kernel
//! to be killed with its parent, and to the kernel "parent" is the *thread* that spawned it.
//!
//! A child's id names its process group too. It may be reused once the child is reaped, so every
//! signal to the group is sent before that, under the lock of [`Group`].

use std::io::{self, IoSlice, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use bytes::BytesMut;
use mpcsfaas_core::worker::child::SlotId;
use nix::sys::signal::Signal;
use nix::unistd::{self, Pid};
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use super::child::{Exit, Launcher, Ledger, Sink, Source, Started};
use super::ledger::SharedLedger;
use super::leftovers::{self, MARK_VARIABLE};
use super::reaper::Reaper;

const RUNNER: &str = include_str!("runner.py");

/// Reads the runner from standard input, in front of the first frame, and runs it. On the command
/// line it would fill every list of processes.
const BOOTSTRAP: &str = "\
import os, sys
size, runner = int(sys.argv.pop()), b''
while part := os.read(0, size - len(runner)):
    runner += part
exec(compile(runner, 'mpcsfaas-runner', 'exec'))";

/// What every child of a pool is started with.
#[derive(Debug)]
pub(super) struct Launch {
    /// The interpreter.
    pub(super) python: PathBuf,
    /// The largest result that a child may send, in bytes.
    pub(super) max_result: usize,
    /// The beginning of all its children's marks.
    pub(super) mark: String,
    /// Who is told of every group.
    pub(super) reaper: Option<Reaper>,
}

/// What is asked of a slot's thread.
#[derive(Debug)]
pub(super) enum Request {
    /// Start a child, and answer before it ends.
    Spawn(oneshot::Sender<io::Result<Spawned>>),
    /// End the thread.
    Stop,
}

/// A child's pipes as the system gives them, and its end.
#[derive(Debug)]
pub(super) struct Spawned {
    requests: ChildStdin,
    replies: ChildStdout,
    capture: ChildStderr,
    exited: oneshot::Receiver<Exit>,
    ledger: Option<SharedLedger>,
}

/// Starts the children of a slot in its thread.
#[derive(Debug)]
pub(super) struct ProcessLauncher {
    /// Where the present child is entered.
    pub(super) group: Arc<Group>,
    /// The slot's thread.
    pub(super) thread: mpsc::Sender<Request>,
}

impl Launcher for ProcessLauncher {
    type Sink = pipe::Sender;
    type Source = pipe::Receiver;

    async fn launch(&mut self) -> io::Result<Started<pipe::Sender, pipe::Receiver>> {
        let gone = || io::Error::other("its slot has been shut down");
        let (answer, answered) = oneshot::channel();
        let asked = self.thread.send(Request::Spawn(answer));
        asked.map_err(|_| gone())?;
        let spawned = answered.await.map_err(|_| gone())??;
        // If this fails the pipes close, and the child ends.
        Ok(Started {
            requests: pipe::Sender::from_owned_fd(spawned.requests.into())?,
            replies: pipe::Receiver::from_owned_fd(spawned.replies.into())?,
            capture: pipe::Receiver::from_owned_fd(spawned.capture.into())?,
            exited: spawned.exited,
            ledger: spawned
                .ledger
                .map(|ledger| Box::new(ledger) as Box<dyn Ledger>),
        })
    }

    fn signal(&self, signal: Signal) {
        self.group.signal(signal);
    }
}

impl Sink for pipe::Sender {
    async fn writable(&self) -> io::Result<()> {
        pipe::Sender::writable(self).await
    }

    fn try_write_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        pipe::Sender::try_write_vectored(self, parts)
    }
}

impl Source for pipe::Receiver {
    async fn readable(&self) -> io::Result<()> {
        pipe::Receiver::readable(self).await
    }

    fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        pipe::Receiver::try_read(self, into)
    }

    fn try_read_buf(&self, into: &mut BytesMut) -> io::Result<usize> {
        pipe::Receiver::try_read_buf(self, into)
    }

    fn read_now(&self, into: &mut [u8]) -> io::Result<usize> {
        Ok(unistd::read(self, into)?)
    }
}

/// The process group of the child in a slot, while there is one.
#[derive(Debug, Default)]
pub(super) struct Group {
    state: Mutex<GroupState>,
}

#[derive(Debug, Default)]
struct GroupState {
    alive: Option<Pid>,
    closed: bool,
}

impl Group {
    /// Signals the group; nothing happens if the slot is empty.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(group) = self.lock().alive {
            leftovers::signal_group(group, signal);
        }
    }

    /// Kills the group, and every group that is still to come.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.signal(Signal::SIGKILL);
    }

    fn enter(&self, group: Pid) {
        let mut state = self.lock();
        state.alive = Some(group);
        if state.closed {
            leftovers::signal_group(group, Signal::SIGKILL);
        }
    }

    /// Runs `reap`, after which the group's id means nothing.
    fn leave<T>(&self, reap: impl FnOnce() -> T) -> T {
        let mut state = self.lock();
        state.alive = None;
        reap()
    }

    fn lock(&self) -> MutexGuard<'_, GroupState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread of a slot.
#[derive(Debug)]
pub(super) struct Keeper {
    /// Which slot.
    pub(super) slot: SlotId,
    /// How its children are started.
    pub(super) launch: Arc<Launch>,
    /// Where the present child is entered.
    pub(super) group: Arc<Group>,
}

impl Keeper {
    /// Starts one child after the other, as asked.
    pub(super) fn serve(&self, requests: &mpsc::Receiver<Request>) {
        let mut life = 0_u64;
        while let Ok(Request::Spawn(answer)) = requests.recv() {
            life += 1;
            let mark = format!("{}{}.{life}.", self.launch.mark, self.slot);
            match self.spawn(&mark) {
                Ok((child, spawned, exit)) => {
                    // If nobody waits for the answer the pipes close, and the child ends.
                    let _ = answer.send(Ok(spawned));
                    let _ = exit.send(self.see_off(child, &mark));
                }
                Err(error) => {
                    let _ = answer.send(Err(error));
                }
            }
        }
    }

    fn spawn(&self, mark: &str) -> io::Result<(Child, Spawned, oneshot::Sender<Exit>)> {
        let ledger = SharedLedger::create();
        let names = ledger.as_ref().map(SharedLedger::names);
        let mut child = Command::new(&self.launch.python)
            .args(["-u", "-c", BOOTSTRAP])
            .arg(self.launch.max_result.to_string())
            .args(names.unwrap_or_default())
            .arg(RUNNER.len().to_string())
            .env(MARK_VARIABLE, mark)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let group = group_of(&child);
        self.group.enter(group);
        if let Some(reaper) = &self.launch.reaper {
            reaper.enlist(group);
        }
        let missing = || io::Error::from(io::ErrorKind::BrokenPipe);
        let (exit, exited) = oneshot::channel();
        let mut requests = child.stdin.take().ok_or_else(missing)?;
        // It fits the pipe, so this does not wait. A child that is gone already is told by its exit.
        let _ = requests.write_all(RUNNER.as_bytes());
        let spawned = Spawned {
            requests,
            replies: child.stdout.take().ok_or_else(missing)?,
            capture: child.stderr.take().ok_or_else(missing)?,
            exited,
            ledger,
        };
        Ok((child, spawned, exit))
    }

    /// Waits for the child's end, kills what is left of it and reaps it.
    fn see_off(&self, mut child: Child, mark: &str) -> Exit {
        let group = group_of(&child);
        await_end(group);
        if let Err(error) = leftovers::kill_all(&[group], mark) {
            tracing::warn!(slot = self.slot, %group, %error, "processes of a child are still there");
        }
        if let Some(reaper) = &self.launch.reaper {
            reaper.strike(group);
        }
        let status = self.group.leave(|| child.wait());
        if let Err(error) = &status {
            tracing::warn!(slot = self.slot, %group, %error, "cannot reap a child");
        }
        Exit {
            code: status.as_ref().ok().and_then(ExitStatus::code),
            signal: status.as_ref().ok().and_then(ExitStatus::signal),
        }
    }
}

fn group_of(child: &Child) -> Pid {
    // Ids are positive 32-bit integers wherever this builds; nothing has the group i32::MAX.
    Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX))
}

/// Waits until the child has ended, and leaves it a zombie, so that its id stays its own.
#[cfg(target_os = "linux")]
fn await_end(child: Pid) {
    use nix::errno::Errno;
    use nix::sys::wait::{Id, WaitPidFlag, waitid};

    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    while waitid(Id::Pid(child), flags) == Err(Errno::EINTR) {}
}

/// Waits until the child has ended, and leaves it a zombie, so that its id stays its own.
#[cfg(not(target_os = "linux"))]
fn await_end(child: Pid) {
    use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};

    let Ok(id) = usize::try_from(child.as_raw()) else {
        return;
    };
    let flags = EvFlags::EV_ADD | EvFlags::EV_ONESHOT;
    let ended = FilterFlag::NOTE_EXIT;
    let change = KEvent::new(id, EventFilter::EVFILT_PROC, flags, ended, 0, 0);
    let mut events = [change];
    if let Ok(queue) = Kqueue::new() {
        // An error means that the child has ended before it could be watched.
        let _ = queue.kevent(&[change], &mut events, None);
    }
}
