//! The store's rows in a redb database: one file, one table a kind of row.
//!
//! A task's key is its place in the order of submission, not its random id. Tasks are submitted,
//! claimed, committed and forgotten in about that order, so the rows of one batch lie on few
//! neighbouring pages (docs/adr/0004: 12 times fewer bytes written than by id).

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::path::Path;

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use mpcsfaas_core::id::{FunctionId, TaskId};
use mpcsfaas_core::store::{Row, Store};
use mpcsfaas_core::task::Function;
use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, TableError,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::{EmbeddedConfig, OpenFault};

/// The database, in the store's directory.
pub(super) const DATABASE_FILE: &str = "store.redb";

/// A database in the making. It gets its name when it is complete, so that a kill during the very
/// first start leaves nothing that could be mistaken for a broken store.
const UNFINISHED_FILE: &str = "store.redb.new";

/// Locked as long as the store is open, the database's making included.
const LOCK_FILE: &str = "lock";

/// The format of the rows. It changes with every change of [`Row`] or [`Function`] that bincode
/// can see.
const FORMAT: u64 = 1;

/// Memory that the database may keep pages in. It is read at start only, so that only the inner
/// pages of its trees are worth keeping.
const PAGE_CACHE_BYTES: usize = 32 << 20;

/// No row is near this: parameters and results are limited to a few MiB long before.
const ROW_LIMIT: usize = 1 << 30;

const ROW_CODING: Configuration<LittleEndian, Varint, Limit<ROW_LIMIT>> =
    bincode::config::standard().with_limit();

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const META_FORMAT: &str = "format";
const FUNCTIONS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("functions");
const TASKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("tasks");

/// What is wrong with a row.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// It is not what this version writes.
    #[error(transparent)]
    Malformed(#[from] bincode::error::DecodeError),
    /// It goes on after its end.
    #[error("{0} bytes too many")]
    TrailingBytes(usize),
}

/// An open database. Dropped, it is closed and its directory free.
#[derive(Debug)]
pub(super) struct Disk {
    database: Database,
    /// Where each task's row is: the machine no longer knows that of a task it has forgotten.
    places: HashMap<TaskId, u64>,
    _lock: File,
}

impl Disk {
    /// Opens or makes the database of a directory and reads the machine back from it.
    pub(super) fn open(config: &EmbeddedConfig) -> Result<(Disk, Store), OpenFault> {
        fs::create_dir_all(&config.path)?;
        let directory = config.path.canonicalize()?;
        let lock = lock(&directory)?;
        let file = directory.join(DATABASE_FILE);
        if !file.try_exists()? {
            create(&directory)?;
        }
        let database = builder().open(file)?;
        let transaction = database.begin_read()?;
        check_format(&transaction)?;
        let functions = read_functions(&transaction)?;
        let tasks = read_tasks(&transaction)?;
        transaction.close()?;
        let disk = Disk {
            database,
            places: tasks.iter().map(|(id, row)| (*id, row.seq)).collect(),
            _lock: lock,
        };
        Ok((disk, Store::restore(config.store, functions, tasks, [])))
    }

    /// Writes rows, all or none. With `sync` they, and all that was written before, are on disk when
    /// it returns.
    ///
    /// After an error it is unknown whether they are, and this value accepts nothing any more.
    pub(super) fn write(&mut self, rows: Rows, sync: bool) -> Result<(), redb::Error> {
        let mut transaction = self.database.begin_write()?;
        if !sync {
            transaction.set_durability(redb::Durability::None)?;
        }
        if !rows.functions.is_empty() {
            let mut table = transaction.open_table(FUNCTIONS)?;
            for (id, row) in &rows.functions {
                table.insert(id.0, row.as_slice())?;
            }
        }
        if !rows.tasks.is_empty() {
            let mut table = transaction.open_table(TASKS)?;
            for (id, row) in &rows.tasks {
                if let Some((seq, row)) = row {
                    table.insert(seq, row.as_slice())?;
                    self.places.insert(*id, *seq);
                } else if let Some(seq) = self.places.remove(id) {
                    table.remove(seq)?;
                }
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

/// Rows as they are written.
#[derive(Debug, Default)]
pub(super) struct Rows {
    functions: Vec<(FunctionId, Vec<u8>)>,
    /// Nothing for one that is forgotten.
    tasks: Vec<(TaskId, Option<Placed>)>,
}

/// A task's place, and its row.
type Placed = (u64, Vec<u8>);

impl Rows {
    /// Those that have changed since the last time.
    pub(super) fn changed(store: &mut Store) -> Rows {
        let changes = store.take_changes();
        let functions = changes.functions.iter().filter_map(|id| {
            let function = store.function(*id)?;
            Some((*id, encode(function)))
        });
        let tasks = changes.tasks.iter().map(|id| {
            let row = store.task(*id);
            (*id, row.map(|row| (row.seq, encode(&(id, row)))))
        });
        Rows {
            functions: functions.collect(),
            tasks: tasks.collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.functions.is_empty() && self.tasks.is_empty()
    }
}

/// Takes the directory for this process. The system gives it back when the process ends, however.
fn lock(directory: &Path) -> Result<File, OpenFault> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(directory.join(LOCK_FILE))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenFault::InUse),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Makes an empty database that is whole or not there.
fn create(directory: &Path) -> Result<(), OpenFault> {
    let unfinished = directory.join(UNFINISHED_FILE);
    if unfinished.try_exists()? {
        fs::remove_file(&unfinished)?;
    }
    let database = builder().create(&unfinished)?;
    let transaction = database.begin_write()?;
    transaction.open_table(META)?.insert(META_FORMAT, FORMAT)?;
    transaction.open_table(FUNCTIONS)?;
    transaction.open_table(TASKS)?;
    transaction.commit()?;
    drop(database);
    fs::rename(unfinished, directory.join(DATABASE_FILE))?;
    // A file is only as durable as its name.
    File::open(directory)?.sync_all()?;
    if let Some(parent) = directory.parent() {
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

/// Every page is read at start anyway, so its checksum may as well be checked: a file that was
/// altered behind the database's back is an error then and not a panic.
fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(PAGE_CACHE_BYTES);
    builder.set_check_integrity_on_open(true);
    builder
}

fn check_format(transaction: &ReadTransaction) -> Result<(), OpenFault> {
    let table = match transaction.open_table(META) {
        Ok(table) => table,
        Err(TableError::Storage(error)) => return Err(error.into()),
        Err(_) => return Err(OpenFault::Foreign),
    };
    match table.get(META_FORMAT)?.map(|format| format.value()) {
        Some(FORMAT) => Ok(()),
        Some(found) => Err(OpenFault::Format {
            found,
            expected: FORMAT,
        }),
        None => Err(OpenFault::Foreign),
    }
}

fn read_functions(transaction: &ReadTransaction) -> Result<Vec<(FunctionId, Function)>, OpenFault> {
    let mut functions = Vec::new();
    for entry in transaction.open_table(FUNCTIONS)?.iter()? {
        let (key, value) = entry?;
        let id = FunctionId(key.value());
        let function =
            decode(value.value()).map_err(|source| OpenFault::DamagedFunction { id, source })?;
        functions.push((id, function));
    }
    Ok(functions)
}

fn read_tasks(transaction: &ReadTransaction) -> Result<Vec<(TaskId, Row)>, OpenFault> {
    let mut tasks = Vec::new();
    for entry in transaction.open_table(TASKS)?.iter()? {
        let (key, value) = entry?;
        let seq = key.value();
        let task =
            decode(value.value()).map_err(|source| OpenFault::DamagedTask { seq, source })?;
        tasks.push(task);
    }
    Ok(tasks)
}

fn encode(row: &impl Serialize) -> Vec<u8> {
    bincode::serde::encode_to_vec(row, ROW_CODING).expect("no field of a row refuses to be encoded")
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let (row, read) = bincode::serde::decode_from_slice(bytes, ROW_CODING)?;
    match bytes.len() - read {
        0 => Ok(row),
        more => Err(DecodeError::TrailingBytes(more)),
    }
}

impl From<redb::Error> for OpenFault {
    fn from(error: redb::Error) -> OpenFault {
        match error {
            redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => {
                OpenFault::InUse
            }
            redb::Error::UpgradeRequired(_) => OpenFault::Foreign,
            redb::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                OpenFault::Foreign
            }
            redb::Error::Io(error) => OpenFault::Io(error),
            error => OpenFault::Database(Box::new(error)),
        }
    }
}

macro_rules! open_fault_from {
    ($($error:ty),*) => {
        $(impl From<$error> for OpenFault {
            fn from(error: $error) -> OpenFault {
                redb::Error::from(error).into()
            }
        })*
    };
}

open_fault_from!(
    redb::CommitError,
    redb::DatabaseError,
    redb::StorageError,
    redb::TransactionError,
    TableError
);
