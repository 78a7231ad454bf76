//! `kill -9` at any moment: what was acknowledged is there, and the work goes on.

use std::io::{BufRead, BufReader, Write, stdout};
use std::sync::atomic::{AtomicU64, Ordering};

use mpcsfaas_core::id::{Attempt, Incarnation, TaskId};
use mpcsfaas_core::store::{Op, Reply};
use mpcsfaas_core::task::Status;
use mpcsfaas_transport_real::embedded::open;
use mpcsfaas_transport_real::store::StoreHandle;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{
    TestChild, TestDirectory, child_directory, claim, close, commit, config_at, read, result_of,
    submit,
};

const ROUNDS: u64 = 8;
const SUBMITTERS: u64 = 6;

/// What the child printed when the store had acknowledged it.
#[derive(Default)]
struct Acknowledged {
    submitted: Vec<TaskId>,
    claimed: Vec<(TaskId, Attempt)>,
    committed: Vec<(TaskId, Attempt)>,
}

impl Acknowledged {
    fn count(&self) -> usize {
        self.submitted.len() + self.claimed.len() + self.committed.len()
    }

    /// Takes in one line; what the test harness prints is not one of ours.
    fn note(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let task = |word: &str| word.parse().expect("a task");
        let attempt = |word: &str| word.parse().expect("an attempt");
        match words[..] {
            ["submitted", id] => self.submitted.push(task(id)),
            ["claimed", id, number] => self.claimed.push((task(id), attempt(number))),
            ["committed", id, number] => self.committed.push((task(id), attempt(number))),
            _ => {}
        }
    }
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_to_a_kill() {
    let directory = TestDirectory::new();
    let seed = 0x5eed;
    let mut rng = StdRng::seed_from_u64(seed);
    let mut all = Acknowledged::default();
    for round in 0..ROUNDS {
        // The first round is killed while it makes the database, the others at work.
        let patience = match round {
            0 => 0,
            _ => rng.random_range(1..400),
        };
        kill_after(patience, &directory, &mut all);
        let store = directory.open();
        check(&store, &all).await;
        close(store).await;
    }
    let store = directory.open();
    finish(&store).await;
    let states = read(&store, &all.submitted).await;
    assert!(
        states
            .iter()
            .all(|s| s.as_ref().is_some_and(|s| s.status == Status::Completed))
    );
    close(store).await;
}

/// Runs the child until it has acknowledged so many things, then kills it.
fn kill_after(acknowledgements: usize, directory: &TestDirectory, all: &mut Acknowledged) {
    let mut child = TestChild::start("embedded::kill::child_that_works", directory);
    let mut lines = BufReader::new(child.0.stdout.take().expect("its output is ours"));
    let target = all.count() + acknowledgements;
    let mut line = String::new();
    let mut killed = false;
    loop {
        if !killed && all.count() >= target {
            child.0.kill().expect("the child is killed");
            killed = true;
        }
        line.clear();
        let read = lines.read_line(&mut line).expect("its output is text");
        if read == 0 {
            break;
        }
        // Without its end the line may be the first half of another id.
        if let Some(line) = line.strip_suffix('\n') {
            all.note(line);
        }
    }
    assert!(killed, "the child ended by itself");
}

async fn check(store: &StoreHandle, all: &Acknowledged) {
    for (task, state) in all.submitted.iter().zip(read(store, &all.submitted).await) {
        assert!(state.is_some(), "{task} was accepted and is gone");
    }
    for (task, attempt) in &all.claimed {
        let view = match store.call(Op::Inspect { task: *task }).await {
            Ok(Reply::Inspected(Some(view))) => view,
            other => panic!("{task} was claimed: {other:?}"),
        };
        assert!(
            view.attempt >= *attempt,
            "{task} may run twice as {attempt}"
        );
    }
    for (task, attempt) in &all.committed {
        let state = read(store, &[*task]).await.remove(0);
        let outcome = state.and_then(|state| state.outcome);
        assert_eq!(outcome, Some(result_of(*task, *attempt)), "{task}");
    }
}

/// Does all the work that is left, as a dispatcher does after a restart.
async fn finish(store: &StoreHandle) {
    let dispatcher = Incarnation { boot: 0, epoch: 1 };
    let lease = Op::OpenLease {
        incarnation: dispatcher,
    };
    store.call(lease).await.expect("a lease");
    while let Ok(Reply::Reaped { more: true, .. }) = store.call(Op::Reap).await {}
    for number in 1.. {
        let tasks = claim(store, dispatcher, number).await.expect("claimed");
        if tasks.is_empty() {
            break;
        }
        for (task, attempt) in tasks {
            commit(store, task, attempt).await.expect("committed");
        }
    }
}

fn say(what: std::fmt::Arguments<'_>) {
    writeln!(stdout(), "{what}").expect("the parent listens");
}

#[tokio::test]
#[ignore = "the child of nothing_acknowledged_is_lost_to_a_kill"]
async fn child_that_works() {
    let store = open(config_at(&child_directory())).expect("the store opens");
    let boot = u64::from(std::process::id());
    let next = AtomicU64::new(0);
    let submitters = (0..SUBMITTERS).map(|_| async {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let task = TaskId(u128::from(boot) << 64 | u128::from(number));
            submit(&store, task).await.expect("accepted");
            say(format_args!("submitted {task}"));
        }
    });
    let dispatcher = async {
        let incarnation = Incarnation { boot, epoch: 0 };
        let lease = Op::OpenLease { incarnation };
        store.call(lease).await.expect("a lease");
        for number in 1.. {
            let tasks = claim(&store, incarnation, number).await.expect("claimed");
            for (task, attempt) in &tasks {
                say(format_args!("claimed {task} {attempt}"));
            }
            for (task, attempt) in tasks {
                commit(&store, task, attempt).await.expect("committed");
                say(format_args!("committed {task} {attempt}"));
            }
        }
    };
    futures_util::future::join(futures_util::future::join_all(submitters), dispatcher).await;
}
