//! What a start makes of a directory: locked, foreign, damaged, half made.

use std::fs;

use mpcsfaas_core::id::TaskId;
use mpcsfaas_transport_real::embedded::OpenFault;
use redb::{Database, TableDefinition};

use super::{TestDirectory, close, read, submit};

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const TASKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("tasks");

/// A store that was closed with two tasks in it.
async fn closed_store() -> TestDirectory {
    let directory = TestDirectory::new();
    let store = directory.open();
    submit(&store, TaskId(1)).await.expect("accepted");
    submit(&store, TaskId(2)).await.expect("accepted");
    close(store).await;
    directory
}

/// Changes a closed store behind its back, as another version or another program would.
fn tamper(directory: &TestDirectory, change: impl FnOnce(&redb::WriteTransaction)) {
    let database = Database::open(directory.database()).expect("the database opens");
    let transaction = database.begin_write().expect("a transaction");
    change(&transaction);
    transaction.commit().expect("a commit");
}

fn fault(directory: &TestDirectory) -> OpenFault {
    let error = directory.try_open().expect_err("the store does not open");
    let text = error.to_string();
    let named = directory.0.to_str().expect("a path in UTF-8");
    assert!(text.contains(named), "the directory is not named: {text}");
    error.fault
}

#[tokio::test]
async fn a_directory_in_use_is_refused_by_name_and_free_after_the_close() {
    let directory = TestDirectory::new();
    let store = directory.open();
    assert!(matches!(fault(&directory), OpenFault::InUse));
    close(store).await;
    close(directory.open()).await;
}

#[tokio::test]
async fn another_format_is_refused_and_left_alone() {
    let directory = closed_store().await;
    let set_format = |format: u64| {
        tamper(&directory, |transaction| {
            let mut meta = transaction.open_table(META).expect("the table");
            meta.insert("format", format).expect("an insert");
        });
    };
    set_format(99);
    let found = fault(&directory);
    assert!(
        matches!(
            found,
            OpenFault::Format {
                found: 99,
                expected: 1
            }
        ),
        "{found:?}"
    );
    set_format(1);
    let store = directory.open();
    assert!(read(&store, &[TaskId(1)]).await[0].is_some());
    close(store).await;
}

#[tokio::test]
async fn a_row_that_does_not_decode_is_named() {
    let directory = closed_store().await;
    let mut row = Vec::new();
    tamper(&directory, |transaction| {
        let mut tasks = transaction.open_table(TASKS).expect("the table");
        let stored = tasks.insert(1, [0xff; 40].as_slice()).expect("an insert");
        row = stored
            .expect("the first task has number 1")
            .value()
            .to_vec();
    });
    let found = fault(&directory);
    assert!(
        matches!(found, OpenFault::DamagedTask { seq: 1, .. }),
        "{found:?}"
    );
    tamper(&directory, |transaction| {
        row.push(0);
        let mut tasks = transaction.open_table(TASKS).expect("the table");
        tasks.insert(1, row.as_slice()).expect("an insert");
    });
    let text = fault(&directory).to_string();
    assert!(text.contains("1 bytes too many"), "{text}");
}

#[tokio::test]
async fn a_file_of_somebody_else_is_refused_and_left_alone() {
    let directory = TestDirectory::new();
    fs::create_dir_all(&directory.0).expect("a directory");
    fs::write(directory.database(), "a shopping list").expect("a file");
    assert!(matches!(fault(&directory), OpenFault::Foreign));
    let kept = fs::read_to_string(directory.database()).expect("the file");
    assert_eq!(kept, "a shopping list");

    fs::remove_file(directory.database()).expect("the file");
    drop(Database::create(directory.database()).expect("a database of another program"));
    assert!(matches!(fault(&directory), OpenFault::Foreign));
}

#[tokio::test]
async fn a_path_that_cannot_be_a_directory_is_an_error() {
    let directory = TestDirectory::new();
    fs::write(&directory.0, "a file").expect("a file");
    assert!(matches!(fault(&directory), OpenFault::Io(_)));
    fs::remove_file(&directory.0).expect("the file");
}

#[tokio::test]
async fn what_a_kill_during_the_first_start_left_is_made_anew() {
    let directory = TestDirectory::new();
    fs::create_dir_all(&directory.0).expect("a directory");
    fs::write(directory.0.join("store.redb.new"), [0; 4096]).expect("a file");
    let store = directory.open();
    submit(&store, TaskId(1)).await.expect("accepted");
    close(store).await;
}

#[tokio::test]
async fn no_flipped_byte_makes_it_panic_or_change_a_row() {
    let directory = closed_store().await;
    let whole = fs::read(directory.database()).expect("the file");
    let store = directory.open();
    let rows = read(&store, &[TaskId(1), TaskId(2)]).await;
    close(store).await;
    let used: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
    let mut refused = 0;
    for at in used.iter().step_by(used.len() / 150 + 1) {
        let mut damaged = whole.clone();
        damaged[*at] ^= 0x55;
        fs::write(directory.database(), damaged).expect("the file");
        match directory.try_open() {
            Ok(store) => {
                assert_eq!(read(&store, &[TaskId(1), TaskId(2)]).await, rows);
                close(store).await;
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 0, "no byte that was flipped mattered");
}
