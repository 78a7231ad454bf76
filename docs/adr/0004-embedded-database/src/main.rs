//! fjall and redb as the home of the embedded store: `embedded-database-comparison DIRECTORY`.
//!
//! Both get what the store does: batches of rows, each batch one durable commit; all rows read at
//! start, and none later. Keys are random, like task ids, or in the order of submission.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, process};

use redb::{ReadableDatabase, ReadableTable};

const ROWS: u64 = 100_000;
const ROW_BYTES: usize = 300;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Keys {
    Random,
    Ordered,
}

impl Keys {
    fn key(self, row: u64) -> [u8; 16] {
        let high = (row + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let low = high.rotate_left(31).wrapping_mul(0xd6e8_feb8_6659_fd93);
        match self {
            Keys::Random => (u128::from(high) << 64 | u128::from(low)).to_be_bytes(),
            Keys::Ordered => u128::from(row).to_be_bytes(),
        }
    }
}

type Row = ([u8; 16], Vec<u8>);

trait Store: Sized {
    const NAME: &'static str;

    fn open(path: &Path) -> Self;
    /// Returns when the rows are on disk.
    fn write(&mut self, puts: &[Row], deletes: &[[u8; 16]]);
    fn count(&self) -> usize;
}

struct Fjall {
    database: fjall::Database,
    rows: fjall::Keyspace,
}

impl Store for Fjall {
    const NAME: &'static str = "fjall";

    fn open(path: &Path) -> Fjall {
        let database = fjall::Database::builder(path).open().unwrap();
        let rows = database
            .keyspace("rows", fjall::KeyspaceCreateOptions::default)
            .unwrap();
        Fjall { database, rows }
    }

    fn write(&mut self, puts: &[Row], deletes: &[[u8; 16]]) {
        let mode = Some(fjall::PersistMode::SyncData);
        let mut batch = self.database.batch().durability(mode);
        for (key, row) in puts {
            batch.insert(&self.rows, *key, row.as_slice());
        }
        for key in deletes {
            batch.remove(&self.rows, *key);
        }
        batch.commit().unwrap();
    }

    fn count(&self) -> usize {
        let whole = |row: fjall::Guard| row.into_inner().unwrap().1.len() == ROW_BYTES;
        self.rows
            .iter()
            .filter_map(|row| whole(row).then_some(()))
            .count()
    }
}

struct Redb(redb::Database);

const TABLE: redb::TableDefinition<'_, [u8; 16], &[u8]> = redb::TableDefinition::new("rows");

impl Store for Redb {
    const NAME: &'static str = "redb";

    fn open(path: &Path) -> Redb {
        fs::create_dir_all(path).unwrap();
        let mut builder = redb::Database::builder();
        builder.set_check_integrity_on_open(true);
        let database = builder.create(path.join("rows.redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(TABLE).unwrap();
        transaction.commit().unwrap();
        Redb(database)
    }

    fn write(&mut self, puts: &[Row], deletes: &[[u8; 16]]) {
        let transaction = self.0.begin_write().unwrap();
        {
            let mut table = transaction.open_table(TABLE).unwrap();
            for (key, row) in puts {
                table.insert(key, row.as_slice()).unwrap();
            }
            for key in deletes {
                table.remove(key).unwrap();
            }
        }
        transaction.commit().unwrap();
    }

    fn count(&self) -> usize {
        let transaction = self.0.begin_read().unwrap();
        let table = transaction.open_table(TABLE).unwrap();
        let rows = table.iter().unwrap();
        rows.filter(|row| row.as_ref().unwrap().1.value().len() == ROW_BYTES)
            .count()
    }
}

fn row(keys: Keys, number: u64, version: u64) -> Row {
    let mut state = number * 31 + version;
    let mut byte = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as u8
    };
    (keys.key(number), (0..ROW_BYTES).map(|_| byte()).collect())
}

/// Bytes that a directory takes on disk.
fn space(path: &Path) -> u64 {
    let size = |path: PathBuf| match path.is_dir() {
        true => space(&path),
        false => path.metadata().map_or(0, |meta| meta.blocks() * 512),
    };
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| size(entry.path())).sum()
}

/// Bytes that this process has sent to the disk.
fn written() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap();
    let line = io
        .lines()
        .find_map(|line| line.strip_prefix("write_bytes: "));
    line.unwrap().parse().unwrap()
}

fn commits<S: Store>(store: &mut S, keys: Keys, rows: u64, count: u64) {
    let before = written();
    let mut times = Vec::new();
    for commit in 0..count {
        let puts: Vec<Row> = (0..rows).map(|n| row(keys, commit * rows + n, 2)).collect();
        let start = Instant::now();
        store.write(&puts, &[]);
        times.push(start.elapsed());
    }
    times.sort();
    let (total, at) = (times.iter().sum::<Duration>(), |of: f64| {
        times[(count as f64 * of) as usize]
    });
    println!(
        "  commits of {rows} rows: {:.0}/s, p50 {:?}, p99 {:?}, {} bytes each",
        count as f64 / total.as_secs_f64(),
        at(0.5),
        at(0.99),
        (written() - before) / count
    );
}

fn starts<S: Store>(root: &Path, path: &Path, keys: Keys) {
    for end in ["a close", "a kill"] {
        let start = Instant::now();
        let store = S::open(path);
        let rows = store.count();
        println!(
            "  start with {rows} rows after {end}: {:?}",
            start.elapsed()
        );
        drop(store);
        let child = Command::new(env::current_exe().unwrap())
            .arg(root)
            .args([S::NAME, &format!("{keys:?}")])
            .status();
        assert!(!child.unwrap().success());
    }
}

/// 100,000 tasks are submitted, claimed, committed and, when 10,000 younger ones are there,
/// forgotten.
fn churn<S: Store>(store: &mut S, path: &Path, keys: Keys) {
    let (before, start, mut most) = (written(), Instant::now(), 0);
    for batch in 0..1_000 {
        let first = ROWS + batch * 100;
        for version in 0..3 {
            let puts: Vec<Row> = (first..first + 100)
                .map(|n| row(keys, n, version))
                .collect();
            let old = (first - 10_000..first - 9_900).filter(|n| version == 2 && *n >= ROWS);
            let deletes: Vec<_> = old.map(|n| keys.key(n)).collect();
            store.write(&puts, &deletes);
        }
        most = most.max(space(path));
    }
    println!(
        "  100,000 task lives in commits of 100 rows: {:?}, {} MB written, at most {} MB taken",
        start.elapsed(),
        (written() - before) / 1_000_000,
        most / 1_000_000
    );
}

fn run<S: Store>(root: &Path, keys: Keys) {
    println!("{}, keys {keys:?}", S::NAME);
    let path = root.join(S::NAME);
    let mut store = S::open(&path);
    for batch in 0..ROWS / 100 {
        let puts: Vec<Row> = (0..100).map(|n| row(keys, batch * 100 + n, 1)).collect();
        store.write(&puts, &[]);
    }
    println!("  {ROWS} rows take {} MB", space(&path) / 1_000_000);
    commits(&mut store, keys, 1, 2_000);
    commits(&mut store, keys, 16, 1_000);
    commits(&mut store, keys, 100, 500);
    drop(store);
    starts::<S>(root, &path, keys);
    churn(&mut S::open(&path), &path, keys);
    fs::remove_dir_all(&path).unwrap();
}

/// Writes a little and dies without closing anything.
fn die<S: Store>(root: &Path, keys: Keys) -> ! {
    let mut store = S::open(&root.join(S::NAME));
    for number in 0..100 {
        store.write(&[row(keys, number, 3)], &[]);
    }
    process::abort();
}

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let root = PathBuf::from(args.first().expect("a directory"));
    let keys = match args.get(2).map(String::as_str) {
        Some("Random") => Keys::Random,
        _ => Keys::Ordered,
    };
    match args.get(1).map(String::as_str) {
        Some(Fjall::NAME) => die::<Fjall>(&root, keys),
        Some(Redb::NAME) => die::<Redb>(&root, keys),
        _ => {}
    }
    for keys in [Keys::Random, Keys::Ordered] {
        run::<Fjall>(&root, keys);
        run::<Redb>(&root, keys);
    }
}
