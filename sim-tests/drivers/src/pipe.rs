//! A pipe of the operating system: bytes, a capacity, and two ends that may be closed.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{BufMut, BytesMut};
use mpcsfaas_transport_real::python::child::{Sink, Source};
use tokio::sync::Notify;

/// What a pipe holds on Linux, in bytes.
const CAPACITY: usize = 64 << 10;

/// The most that is read at once, in bytes, so that whoever reads sees frames in parts.
const PART: usize = 4 << 10;

#[derive(Debug, Default)]
struct Pipe {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    bytes: VecDeque<u8>,
    is_closed: bool,
}

/// The writing end. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Writer(Arc<Pipe>);

/// The reading end. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Reader(Arc<Pipe>);

/// A new pipe.
pub(crate) fn pipe() -> (Writer, Reader) {
    let pipe = Arc::new(Pipe::default());
    (Writer(Arc::clone(&pipe)), Reader(pipe))
}

impl Pipe {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn until(&self, ready: impl Fn(&State) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if ready(&self.state()) {
                return;
            }
            changed.await;
        }
    }

    fn close(&self) {
        self.state().is_closed = true;
        self.changed.notify_waiters();
    }
}

impl Writer {
    /// Writes all, as a process does that waits for room.
    pub(crate) async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.writable().await?;
            match self.try_write_vectored(&[IoSlice::new(bytes)]) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Reader {
    /// Reads so many bytes, as a process does that waits for them.
    pub(crate) async fn read_exact(&self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let mut filled = 0;
        while filled < length {
            self.readable().await?;
            match self.try_read(&mut bytes[filled..]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(bytes)
    }
}

impl Sink for Writer {
    async fn writable(&self) -> io::Result<()> {
        let room = |state: &State| state.is_closed || state.bytes.len() < CAPACITY;
        self.0.until(room).await;
        Ok(())
    }

    fn try_write_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut state = self.0.state();
        if state.is_closed {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let mut written = 0;
        for part in parts {
            let room = CAPACITY - state.bytes.len();
            let taken = &part[..part.len().min(room)];
            state.bytes.extend(taken);
            written += taken.len();
        }
        drop(state);
        if written == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.0.changed.notify_waiters();
        Ok(written)
    }
}

impl Source for Reader {
    async fn readable(&self) -> io::Result<()> {
        let some = |state: &State| state.is_closed || !state.bytes.is_empty();
        self.0.until(some).await;
        Ok(())
    }

    fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        let mut state = self.0.state();
        let count = into.len().min(state.bytes.len()).min(PART);
        if count == 0 {
            return match state.is_closed {
                true => Ok(0),
                false => Err(ErrorKind::WouldBlock.into()),
            };
        }
        for (place, byte) in into.iter_mut().zip(state.bytes.drain(..count)) {
            *place = byte;
        }
        drop(state);
        self.0.changed.notify_waiters();
        Ok(count)
    }

    fn try_read_buf(&self, into: &mut BytesMut) -> io::Result<usize> {
        let mut part = [0; PART];
        let count = self.try_read(&mut part)?;
        into.put_slice(&part[..count]);
        Ok(count)
    }

    fn read_now(&self, into: &mut [u8]) -> io::Result<usize> {
        self.try_read(into)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.close();
    }
}
