//! The embedded store: what is acknowledged is on disk, whatever happens to the process.

mod differential;
mod kill;
mod opening;
mod space;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::join_all;
use mpcsfaas_core::id::{Attempt, FunctionId, Incarnation, TaskId};
use mpcsfaas_core::store::op::{Claim, Commit, Submission, Submitted, TaskState, Verdict};
use mpcsfaas_core::store::{Config, Notice, Op, Reply};
use mpcsfaas_core::task::{Options, Outcome, Status};
use mpcsfaas_transport_real::embedded::{Durability, EmbeddedConfig, OpenError, in_memory, open};
use mpcsfaas_transport_real::store::{Link, StoreAway, StoreHandle};
use tokio::time::timeout;

/// Far more than anything here takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Names the store's directory to a test that runs in a child process.
const CHILD_DIRECTORY: &str = "MPCSFAAS_TEST_STORE";

/// A directory of its own, gone with the test.
struct TestDirectory(PathBuf);

impl TestDirectory {
    fn new() -> TestDirectory {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("embedded-{}-{number}", std::process::id());
        TestDirectory(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    fn database(&self) -> PathBuf {
        self.0.join("store.redb")
    }

    fn open(&self) -> StoreHandle {
        self.try_open().expect("the store opens")
    }

    fn try_open(&self) -> Result<StoreHandle, OpenError> {
        open(config_at(&self.0))
    }
}

impl Drop for TestDirectory {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn config_at(path: &Path) -> EmbeddedConfig {
    EmbeddedConfig {
        path: path.to_owned(),
        store: Config::default(),
        durability: Durability::Disk,
    }
}

/// Drops the last handle and waits until the directory is free.
async fn close(handle: StoreHandle) {
    let mut link = handle.link();
    drop(handle);
    let closed = async { while link.changed().await.is_ok() {} };
    timeout(PATIENCE, closed).await.expect("the store closes");
}

/// A child process that runs one ignored test of this binary. It dies with this value.
struct TestChild(Child);

impl TestChild {
    fn start(test: &str, directory: &TestDirectory) -> TestChild {
        // A child that outgrows its file size limit shall see the error, not the signal.
        let child = Command::new("sh")
            .args(["-c", r#"trap "" XFSZ; exec "$0" "$@""#])
            .arg(std::env::current_exe().expect("this binary has a path"))
            .args([test, "--exact", "--ignored", "--nocapture", "--quiet"])
            .env(CHILD_DIRECTORY, &directory.0)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the child starts");
        TestChild(child)
    }
}

impl Drop for TestChild {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn child_directory() -> PathBuf {
    std::env::var_os(CHILD_DIRECTORY)
        .expect("run by its parent test only")
        .into()
}

fn submission(task: TaskId) -> Submission {
    Submission {
        task,
        function: FunctionId(9),
        params: Bytes::from(task.0.to_be_bytes().repeat(16)),
        options: Options::default(),
    }
}

fn result_of(task: TaskId, attempt: Attempt) -> Outcome {
    Outcome::completed(format!("{task} in attempt {attempt}"))
}

/// Says whether the store accepted the task.
async fn submit(store: &StoreHandle, task: TaskId) -> Result<(), StoreAway> {
    let reply = store.call(Op::Submit(vec![submission(task)])).await?;
    assert_eq!(reply, Reply::Submitted(vec![Submitted::Accepted]));
    Ok(())
}

async fn claim(
    store: &StoreHandle,
    incarnation: Incarnation,
    number: u64,
) -> Result<Vec<(TaskId, Attempt)>, StoreAway> {
    let claim = Claim {
        incarnation,
        number,
        max: 8,
        suspects: 8,
        places: 0,
        except: vec![],
    };
    match store.call(Op::Claim(claim)).await? {
        Reply::Claimed(tasks) => Ok(tasks.iter().map(|c| (c.task, c.attempt)).collect()),
        other => panic!("{other:?}"),
    }
}

async fn commit(store: &StoreHandle, task: TaskId, attempt: Attempt) -> Result<(), StoreAway> {
    let commit = Commit {
        task,
        attempt,
        worker: None,
        outcome: result_of(task, attempt),
    };
    let reply = store.call(Op::Commit(vec![commit])).await?;
    assert_eq!(reply, Reply::Committed(vec![Verdict::Ok]));
    Ok(())
}

async fn read(store: &StoreHandle, tasks: &[TaskId]) -> Vec<Option<TaskState>> {
    match store.call(Op::Read(tasks.to_vec())).await {
        Ok(Reply::States(states)) => states,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_answer_comes_when_the_row_is_in_the_file() {
    let directory = TestDirectory::new();
    let store = directory.open();
    for round in 0..8 {
        let tasks: Vec<TaskId> = (0..32).map(|n| TaskId(round * 32 + n)).collect();
        let answers = join_all(tasks.iter().map(|task| submit(&store, *task))).await;
        assert!(answers.iter().all(Result::is_ok));
        // Nobody asks anything now, so the file as it is is all that a crash would leave.
        let crashed = TestDirectory::new();
        std::fs::create_dir_all(&crashed.0).expect("a directory");
        std::fs::copy(directory.database(), crashed.database()).expect("a copy");
        let survivor = crashed.open();
        assert!(read(&survivor, &tasks).await.iter().all(Option::is_some));
        close(survivor).await;
    }
    close(store).await;
}

#[tokio::test]
async fn without_durability_a_store_that_is_closed_keeps_everything() {
    let directory = TestDirectory::new();
    let config = EmbeddedConfig {
        durability: Durability::None,
        ..config_at(&directory.0)
    };
    let store = open(config).expect("the store opens");
    submit(&store, TaskId(1)).await.expect("accepted");
    close(store).await;
    let store = directory.open();
    assert!(read(&store, &[TaskId(1)]).await[0].is_some());
    close(store).await;
}

#[tokio::test]
async fn who_does_not_wait_for_the_disk_waits_for_nobody() {
    let directory = TestDirectory::new();
    let config = EmbeddedConfig {
        durability: Durability::None,
        ..config_at(&directory.0)
    };
    let store = open(config).expect("the store opens");
    let accepted = submit(&store, TaskId(1)).now_or_never();
    assert_eq!(accepted, Some(Ok(())));
    let states = read(&store, &[TaskId(1)]).now_or_never();
    assert!(states.is_some_and(|states| states[0].is_some()));
    close(store).await;
}

#[tokio::test]
async fn results_past_their_retention_leave_the_disk_too() {
    let directory = TestDirectory::new();
    let store = directory.open();
    let dispatcher = Incarnation { boot: 1, epoch: 0 };
    let lease = Op::OpenLease {
        incarnation: dispatcher,
    };
    store.call(lease).await.expect("a lease");
    submit(&store, TaskId(1)).await.expect("accepted");
    assert_eq!(claim(&store, dispatcher, 1).await, Ok(vec![(TaskId(1), 1)]));
    commit(&store, TaskId(1), 1).await.expect("committed");
    submit(&store, TaskId(2)).await.expect("accepted");
    close(store).await;

    let mut config = config_at(&directory.0);
    config.store.retention = Duration::ZERO;
    let store = open(config).expect("the store opens");
    let states = read(&store, &[TaskId(1), TaskId(2)]).await;
    assert_eq!(states[0], None);
    assert_eq!(states[1].as_ref().map(|s| s.status), Some(Status::Queued));
    close(store).await;

    let store = directory.open();
    assert_eq!(read(&store, &[TaskId(1)]).await, [None]);
    close(store).await;
}

#[tokio::test]
async fn a_store_in_memory_answers_and_notifies_the_same_way() {
    let store = in_memory(Config::default());
    let mut notices = store.notices();
    assert_eq!(*store.link().borrow(), Link::Up);
    submit(&store, TaskId(1)).await.expect("accepted");
    let notice = timeout(PATIENCE, notices.recv()).await.expect("in time");
    assert_eq!(notice, Ok(Notice::Queued));
    let states = read(&store, &[TaskId(1), TaskId(2)]).await;
    assert_eq!(
        states.iter().map(Option::is_some).collect::<Vec<_>>(),
        [true, false]
    );
    close(store).await;
}
