//! No space left: the store goes away, memory does not run ahead, and it comes back.

use std::io::{BufRead, BufReader, Write, stdout};

use mpcsfaas_core::id::TaskId;
use mpcsfaas_transport_real::embedded::open;
use mpcsfaas_transport_real::store::Link;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::time::timeout;

use super::{PATIENCE, TestChild, TestDirectory, child_directory, close, config_at, read, submit};

#[tokio::test]
async fn a_store_without_space_goes_away_and_comes_back_with_all_it_acknowledged() {
    let directory = TestDirectory::new();
    let mut child = TestChild::start("embedded::space::child_that_fills_its_disk", &directory);
    let output = BufReader::new(child.0.stdout.take().expect("its output is ours"));
    let mut accepted = 0;
    for line in output.lines() {
        let line = line.expect("its output is text");
        if let Some(count) = line.strip_prefix("accepted ") {
            accepted = count.parse().expect("a count");
        }
    }
    assert!(child.0.wait().expect("the child ends").success());
    assert!(accepted > 100, "accepted {accepted}");
    let store = directory.open();
    let tasks: Vec<TaskId> = (0..accepted).map(TaskId).collect();
    assert!(read(&store, &tasks).await.iter().all(Option::is_some));
    close(store).await;
}

#[tokio::test]
#[ignore = "the child of a_store_without_space_goes_away_and_comes_back_with_all_it_acknowledged"]
async fn child_that_fills_its_disk() {
    let directory = child_directory();
    let store = open(config_at(&directory)).expect("the store opens");
    let mut link = store.link();
    let (_, most) = getrlimit(Resource::RLIMIT_FSIZE).expect("the limit");
    let limit = |bytes| setrlimit(Resource::RLIMIT_FSIZE, bytes, most).expect("a limit");
    let size = std::fs::metadata(directory.join("store.redb")).expect("the file");
    limit(size.len() + 100_000);

    let mut accepted = 0;
    let refusal = loop {
        match submit(&store, TaskId(accepted)).await {
            Ok(()) => accepted += 1,
            Err(refusal) => break refusal,
        }
    };
    assert!(refusal.0.starts_with("no space"), "{refusal}");
    assert!(matches!(&*link.borrow(), Link::Down(why) if refusal.0 == *why));
    let again = submit(&store, TaskId(accepted)).await;
    assert!(again.is_err(), "accepted without space");

    limit(most);
    let up = link.wait_for(|link| *link == Link::Up);
    timeout(PATIENCE, up).await.expect("in time").expect("open");
    submit(&store, TaskId(accepted)).await.expect("accepted");
    close(store).await;
    writeln!(stdout(), "accepted {}", accepted + 1).expect("the parent listens");
}
