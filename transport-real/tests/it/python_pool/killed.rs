//! A worker that is killed without warning leaves no process behind.
//!
//! The worker is this test binary, started again as `a_worker`, and its companion is `a_reaper`.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::worker::child::{ChildFact, ChildOrder};
use mpcsfaas_transport_real::python::{Pool, PoolConfig, ReaperConfig, reaper_main};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::mpsc;

use super::world::{Scratch, Tasks, alive, pids_in, python};
use crate::wait::wait_for;

const SCRATCH: &str = "MPCSFAAS_TEST_SCRATCH";

/// What is promised.
const LIMIT: Duration = Duration::from_secs(2);

/// The command that runs one of the entries below.
fn this_binary(entry: &str) -> Vec<OsString> {
    let binary = std::env::current_exe().expect("the test binary's path");
    let name = format!("python_pool::killed::{entry}");
    let arguments = ["--exact", &name, "--ignored", "--nocapture"];
    let arguments = arguments.into_iter().map(OsString::from);
    std::iter::once(binary.into()).chain(arguments).collect()
}

#[test]
#[ignore = "a process that other tests start"]
fn a_reaper() {
    reaper_main(std::io::stdin()).expect("everything is killed");
}

/// Three children: one waits for two programs, one is stuck in C code, one is idle.
#[tokio::test]
#[ignore = "a process that other tests start"]
async fn a_worker() {
    let scratch = std::env::var_os(SCRATCH).expect("the starting test sets the directory");
    let tasks = Tasks::pickled(scratch.as_ref());
    let (sender, mut facts) = mpsc::channel(16);
    let mut config = PoolConfig::new(python(), 3);
    config.reaper = Some(ReaperConfig {
        command: this_binary("a_reaper"),
    });
    let mut pool = Pool::start(config, sender).expect("the pool starts");
    for slot in 0..3 {
        pool.obey(ChildOrder::Spawn { slot });
    }
    for _ in 0..3 {
        let fact = facts.recv().await;
        assert!(matches!(fact, Some(ChildFact::Ready { .. })), "{fact:?}");
    }
    let names = ["whoami", "wait_with_children", "hang_in_c"];
    for (slot, name) in (0..).zip(names) {
        pool.obey(tasks.execute(slot, TaskId(slot.into()), name));
    }
    while let Some(fact) = facts.recv().await {
        let ChildFact::Replied { outcome, .. } = fact else {
            panic!("{fact:?}");
        };
        let pid = String::from_utf8_lossy(&outcome.output).trim().to_owned();
        std::fs::write(Path::new(&scratch).join("idle.new"), &pid).expect("a file");
        let place = Path::new(&scratch).join("idle");
        std::fs::rename(place.with_extension("new"), place).expect("a file");
    }
}

fn start_worker(scratch: &Scratch) -> Child {
    let command = this_binary("a_worker");
    Command::new(&command[0])
        .args(&command[1..])
        .env(SCRATCH, scratch.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test binary starts")
}

/// The companion of this worker.
fn reaper_of(worker: i32) -> i32 {
    let all = std::fs::read_dir("/proc").expect("/proc");
    let mut pids = all
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.find(|pid: &i32| {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}"));
        let parent = format!("PPid:\t{worker}\n");
        read("status").is_ok_and(|status| status.contains(&parent))
            && read("cmdline").is_ok_and(|command| command.contains("a_reaper"))
    })
    .expect("the worker has a reaper")
}

#[tokio::test]
async fn nothing_outlives_a_worker_that_is_killed() {
    let scratch = Scratch::new();
    let mut worker = start_worker(&scratch);
    let id = i32::try_from(worker.id()).expect("a pid");
    let mut pids = Vec::new();
    for file in ["waiting", "in_c", "idle"] {
        pids.extend(pids_in(&scratch.path().join(file)).await);
    }
    let reaper = reaper_of(id);
    pids.push(reaper);
    assert_eq!((pids.len(), alive(&pids).len()), (6, 6));

    // What a terminal or an init system sends to all processes must not end the reaper first.
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        kill(Pid::from_raw(reaper), signal).expect("the reaper lives");
    }
    worker.kill().expect("the worker lives");
    wait_for("the end of all processes", LIMIT, || {
        let left = alive(&pids);
        left.is_empty().then_some(())
    })
    .await;
    worker.wait().expect("the worker is reaped");
}

/// A companion that is told nothing, or nothing sensible, kills nothing.
#[test]
fn a_reaper_with_nothing_to_do_ends() {
    for list in [
        "",
        "=mark\n",
        "nonsense\n+\n-7\n+x\n+0\n+1\n+-1\n=\n\n\u{e4}\n",
    ] {
        reaper_main(list.as_bytes()).expect(list);
    }
}
