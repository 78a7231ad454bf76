//! The memory and the quiet pipe that are shared with a child which reads ahead.
//!
//! The memory is a file without a name. The child maps it, because it writes before every run; this
//! side reads and writes it as a file, which is rare. The child opens both through the names that
//! `/proc` has for descriptors of this process, so that no other child inherits them.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU32, Ordering};

use super::child::Ledger;

/// Its size in bytes, and where in it things are: as in `runner.py`.
const SIZE: u64 = 512;
const BEGUN: u64 = 0;
const CAPTURE_READS: u64 = 4;
const TAKEN_BACK: u64 = 256;

/// This side of it.
#[derive(Debug)]
pub(super) struct SharedLedger {
    memory: File,
    quiet: File,
    reads: AtomicU32,
}

impl SharedLedger {
    /// A new one, for one child. `None` where there is no such thing.
    pub(super) fn create() -> Option<SharedLedger> {
        match made() {
            Ok(ledger) => Some(ledger),
            Err(error) => {
                tracing::debug!(%error, "Python processes are given one task at a time");
                None
            }
        }
    }

    /// The names by which the child opens the memory and the quiet pipe.
    pub(super) fn names(&self) -> [String; 2] {
        let me = std::process::id();
        let name = |file: &File| format!("/proc/{me}/fd/{}", file.as_raw_fd());
        [name(&self.memory), name(&self.quiet)]
    }

    fn write(&self, at: u64, bytes: &[u8]) {
        if let Err(error) = self.memory.write_all_at(bytes, at) {
            tracing::warn!(%error, "cannot write to the memory shared with a Python process");
        }
    }
}

#[cfg(target_os = "linux")]
fn made() -> io::Result<SharedLedger> {
    use nix::fcntl::OFlag;
    use nix::sys::memfd::{MFdFlags, memfd_create};

    let memory = File::from(memfd_create("mpcsfaas-ledger", MFdFlags::MFD_CLOEXEC)?);
    memory.set_len(SIZE)?;
    let (quiet, _) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
    Ok(SharedLedger {
        memory,
        quiet: quiet.into(),
        reads: AtomicU32::new(0),
    })
}

#[cfg(not(target_os = "linux"))]
fn made() -> io::Result<SharedLedger> {
    Err(io::ErrorKind::Unsupported.into())
}

impl Ledger for SharedLedger {
    fn begun(&self) -> io::Result<u8> {
        let mut byte = [0];
        self.memory.read_exact_at(&mut byte, BEGUN)?;
        Ok(byte[0])
    }

    fn count_read(&self) {
        let before = self.reads.fetch_add(1, Ordering::Relaxed);
        self.write(CAPTURE_READS, &before.wrapping_add(1).to_le_bytes());
    }

    fn take_back(&self, number: u8, is_taken_back: bool) {
        self.write(TAKEN_BACK + u64::from(number), &[is_taken_back.into()]);
    }

    fn read_quiet(&self, into: &mut [u8]) -> io::Result<usize> {
        (&self.quiet).read(into)
    }
}
