//! The store machine on an embedded durable database: acknowledged means on disk.
//!
//! ```text
//!  StoreHandle ──requests──▶ ┌───────────────── thread "store" ─────────────────┐
//!              ◀─answers──── │ take what waits ─▶ Store::apply each ─▶ write all │
//!              ◀─notices──── │ changed rows, one commit, one fsync ─▶ answer     │
//!                            └──────────────────────────────────────────────────┘
//! ```
//!
//! All rows live in memory, in core's [`Store`]; the disk is read at start only. While one batch
//! is being synced the next one gathers in the channel, so the batch grows with the load and a
//! lone request never waits for company. The thread is a plain one: no task of the runtime ever
//! waits for the disk.
//!
//! With [`Durability::None`] nobody waits for the disk, so nobody asks the thread: who has a handle
//! carries out each request at once, and the thread writes what has changed twenty times a second.
//! That spares every request two wake-ups of a thread.
//!
//! # What is not on disk: leases
//! A lease record lives in memory only. The directory has one process, and that process holds the
//! store and all its dispatchers: no incarnation outlives the records. After a restart
//! - R1: nobody is left who could repeat a claim of an old incarnation. The claimed rows, with
//!   their attempts, are on disk before a claim is answered, so no attempt number is given twice.
//! - R2, R3, R6: they compare what is in the row (attempt, owner, seat), which is on disk.
//! - R4: an owner without a lease record counts as expired, and nobody reaps within one lease of
//!   its own start. Surviving workers thus have the same time for their Hello (P12) as if the old
//!   lease, which had at most that long to live, had been kept.
//!
//! So a renewal each few seconds, and the empty claims of an idle dispatcher, write nothing.
//!
//! # When the disk fails
//! The machine has then run ahead of the disk, so it is thrown away, every request of that batch
//! is answered [`StoreAway`](crate::store::StoreAway) and the link goes down. Where the cause was
//! a lack of space the thread reads the rows back from disk until that succeeds (a dispatcher then
//! finds its lease gone, and R4 says what it does). After any other error it stays away until the
//! process is restarted: what the kernel did not write it may still show, so nothing that is read
//! back can be trusted to be durable, and a person should look at the disk first.
//!
//! Reading order: this file, `owner` (the thread), `desk` (the machine, for all who use it), `disk`
//! (rows in a database).

mod desk;
mod disk;
mod owner;
mod store_clock;

use std::io;
use std::path::PathBuf;
use std::thread;

use mpcsfaas_core::id::FunctionId;
use mpcsfaas_core::store::{self, Store};
use thiserror::Error;

pub use self::disk::DecodeError;
use self::disk::Disk;
use self::owner::Owner;
use crate::store::{StoreHandle, channel};

/// Where and how to keep a store.
#[derive(Clone, Debug)]
pub struct EmbeddedConfig {
    /// The directory, made if it is missing. One process at a time may have it open.
    pub path: PathBuf,
    /// The limits and times of the store.
    pub store: store::Config,
    /// When an operation counts as done.
    pub durability: Durability,
}

/// When an operation counts as done.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Durability {
    /// When its rows have been synced to disk: a crash of the machine loses nothing acknowledged.
    #[default]
    Disk,
    /// When it is in memory. Rows go to disk about once a second: a crash of the process loses
    /// what was acknowledged since. What is on disk stays consistent.
    None,
}

/// Why a store cannot be opened.
#[derive(Debug, Error)]
#[error("cannot open the store in {}: {fault}", path.display())]
pub struct OpenError {
    /// The directory.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub fault: OpenFault,
}

/// What is wrong with a store's directory.
#[derive(Debug, Error)]
pub enum OpenFault {
    /// The directory is locked.
    #[error("another process is using it; stop that one or choose another directory")]
    InUse,
    /// The rows were written by another version of this program.
    #[error("its rows have format {found}, and this version reads format {expected} only")]
    Format {
        /// The format on disk.
        found: u64,
        /// The format of this program.
        expected: u64,
    },
    /// The file is not a database, or one of somebody else's.
    #[error("its file {} is not a store of this program", disk::DATABASE_FILE)]
    Foreign,
    /// The database itself is damaged, or the disk failed under it.
    #[error("its database cannot be read: {0}")]
    Database(#[source] Box<redb::Error>),
    /// A function's row does not decode.
    #[error("the row of function {id} is damaged: {source}")]
    DamagedFunction {
        /// Which function.
        id: FunctionId,
        /// What is wrong with the row.
        source: DecodeError,
    },
    /// A task's row does not decode.
    #[error("the row of the task with number {seq} is damaged: {source}")]
    DamagedTask {
        /// The task's place in the order of submission.
        seq: u64,
        /// What is wrong with the row.
        source: DecodeError,
    },
    /// The directory or a file in it cannot be made, read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Opens the store in a directory, or makes a new one, and starts the thread that owns it.
///
/// Blocks until all rows are read (about half a second for 100,000 of them), so call it before the
/// runtime has other work. The thread ends when the last handle is dropped; the directory is free
/// again when the handle's [`link`](StoreHandle::link) is closed.
///
/// # Errors
/// [`OpenError`] if the directory is in use, cannot be read or written, or holds what this version
/// does not understand.
pub fn open(config: EmbeddedConfig) -> Result<StoreHandle, OpenError> {
    let fault = |fault| OpenError {
        path: config.path.clone(),
        fault,
    };
    let (disk, machine) = Disk::open(&config).map_err(fault)?;
    start(|served| Owner::on_disk(served, config.clone(), disk, machine))
        .map_err(|error| fault(error.into()))
}

/// The same store without a disk, for tests and benchmarks. It is gone with its last handle.
///
/// # Panics
/// If the system cannot start a thread.
pub fn in_memory(config: store::Config) -> StoreHandle {
    start(|served| Owner::in_memory(served, Store::new(config))).expect("a thread can be started")
}

fn start(owner: impl FnOnce(crate::store::StoreOwner) -> Owner) -> io::Result<StoreHandle> {
    let (handle, served) = channel();
    let owner = owner(served);
    let handle = owner.serve_at(handle);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    thread::Builder::new()
        .name("store".to_owned())
        .spawn(move || owner.run(&runtime))?;
    Ok(handle)
}
