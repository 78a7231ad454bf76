//! What a slot needs of the children that it keeps: to start one, to signal it, and its pipes.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};

use bytes::BytesMut;
use nix::sys::signal::Signal;
use tokio::sync::oneshot;

/// Starts the children of one slot, one after the other, and signals the present one.
pub trait Launcher: Send + 'static {
    /// The pipe to a child.
    type Sink: Sink;
    /// A pipe from a child.
    type Source: Source;

    /// Starts a child.
    ///
    /// # Errors
    /// There is none, and why.
    fn launch(
        &mut self,
    ) -> impl Future<Output = io::Result<Started<Self::Sink, Self::Source>>> + Send;

    /// Signals the child and what it started; nothing happens if there is none.
    fn signal(&self, signal: Signal);
}

/// A child that was started.
#[derive(Debug)]
pub struct Started<W, R> {
    /// Its fd 0.
    pub requests: W,
    /// Its fd 1.
    pub replies: R,
    /// Its fd 2.
    pub capture: R,
    /// Resolves when it is reaped and its group is gone.
    pub exited: oneshot::Receiver<Exit>,
    /// What it takes to give it tasks ahead; `None`: it is given one at a time.
    pub ledger: Option<Box<dyn Ledger>>,
}

/// What is shared with a child that reads ahead, as `runner.py`'s header has it. No call waits, and
/// all work after the child's end, too.
pub trait Ledger: fmt::Debug + Send + Sync {
    /// The number of the run that was begun last.
    ///
    /// # Errors
    /// It cannot be read.
    fn begun(&self) -> io::Result<u8>;

    /// Counts that the capture pipe is about to be read.
    fn count_read(&self);

    /// Says whether a run may not be begun any more.
    fn take_back(&self, number: u8, is_taken_back: bool);

    /// Reads from the quiet pipe. 0 bytes: nothing is there.
    ///
    /// # Errors
    /// Nothing is there, or it is gone.
    fn read_quiet(&self, into: &mut [u8]) -> io::Result<usize>;
}

/// How a child ended.
#[derive(Clone, Copy, Debug)]
pub struct Exit {
    /// Its exit code, if it exited.
    pub code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
}

/// The writing end of a pipe. No call but `writable` waits.
pub trait Sink: Send + Sync {
    /// Waits until something can be written, or the other end is closed.
    fn writable(&self) -> impl Future<Output = io::Result<()>> + Send;

    /// Writes as much as there is room for.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if there is none; else the other end is closed.
    fn try_write_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize>;
}

/// The reading end of a pipe. No call but `readable` waits; 0 bytes are its end.
pub trait Source: Send + Sync {
    /// Waits until something can be read, or the other end is closed.
    fn readable(&self) -> impl Future<Output = io::Result<()>> + Send;

    /// Reads what is there.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if that is nothing.
    fn try_read(&self, into: &mut [u8]) -> io::Result<usize>;

    /// The same, into the room that a buffer has.
    ///
    /// # Errors
    /// As `try_read`.
    fn try_read_buf(&self, into: &mut BytesMut) -> io::Result<usize>;

    /// The same, past a runtime that may not have heard yet that there is something.
    ///
    /// # Errors
    /// As `try_read`.
    fn read_now(&self, into: &mut [u8]) -> io::Result<usize>;
}

impl Exit {
    /// Nothing is known: there was no process.
    pub(super) const UNKNOWN: Exit = Exit {
        code: None,
        signal: None,
    };
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "exit code {code}"),
            (None, Some(signal)) => write!(f, "signal {signal}"),
            (None, None) => write!(f, "reason unknown"),
        }
    }
}
