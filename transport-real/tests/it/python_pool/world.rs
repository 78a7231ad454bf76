//! A pool with the real runner, and tasks pickled by the real dill.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use mpcsfaas_core::id::{FunctionId, TaskId};
use mpcsfaas_core::task::{Function, Options, Outcome, Versions};
use mpcsfaas_core::wire::message::TaskRef;
use mpcsfaas_core::worker::child::{ChildFact, ChildOrder, SlotId};
use mpcsfaas_transport_real::python::{Pool, PoolConfig};
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::wait::wait_for;

/// Longer than anything here takes, on however busy a machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The interpreter that the tests use.
pub(super) fn python() -> PathBuf {
    std::env::var_os("MPCSFAAS_TEST_PYTHON")
        .expect("set MPCSFAAS_TEST_PYTHON to a Python that has dill; `cargo xtask test` does")
        .into()
}

/// A directory that is removed at the end.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mpcsfaas-pool-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a temporary directory");
        Scratch(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An executable shell script, for everything that the real Python does not do.
///
/// Another program writes it: a file that this process has open for writing cannot be executed, and
/// a test in another thread might just then start a process that inherits it.
pub(super) fn script(scratch: &Scratch, text: &str) -> PathBuf {
    let path = scratch.path().join("python");
    let write = r#"printf '#!/bin/sh\n%s\n' "$1" > "$0"; chmod +x "$0""#;
    let status = Command::new("sh")
        .args(["-c", write])
        .arg(&path)
        .arg(text)
        .status();
    assert!(status.is_ok_and(|status| status.success()));
    path
}

/// The process ids that a task left in a file.
pub(super) async fn pids_in(path: &Path) -> Vec<i32> {
    let text = wait_for(&format!("{}", path.display()), PATIENCE, || {
        std::fs::read_to_string(path).ok()
    })
    .await;
    let pids = text
        .split_whitespace()
        .map(|pid| pid.parse().expect("a pid"));
    pids.collect()
}

/// Whether a process exists and is no zombie.
pub(super) fn is_alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(") ")
            .next()
            .unwrap_or_default()
            .starts_with('Z')
    })
}

/// The living ones of these processes, and of those in their groups.
pub(super) fn alive(pids: &[i32]) -> Vec<i32> {
    let of_group = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let group = stat
            .rsplit(") ")
            .next()
            .and_then(|rest| rest.split(' ').nth(2)?.parse().ok());
        group.is_some_and(|group: i32| pids.contains(&group))
    };
    let all = std::fs::read_dir("/proc").expect("/proc");
    all.flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| (pids.contains(pid) || of_group(pid)) && is_alive(*pid))
        .collect()
}

#[derive(Deserialize)]
struct Pickled {
    body: String,
    params: String,
    result: String,
}

/// The tasks of `tasks.py`.
pub(super) struct Tasks(HashMap<String, Pickled>);

impl Tasks {
    pub(super) fn pickled(scratch: &Path) -> Tasks {
        let made = Command::new(python())
            .args(["-c", include_str!("tasks.py")])
            .arg(scratch)
            .output()
            .expect("MPCSFAAS_TEST_PYTHON runs");
        let problem = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "tasks.py failed: {problem}");
        Tasks(serde_json::from_slice(&made.stdout).expect("tasks.py prints JSON"))
    }

    fn get(&self, name: &str) -> &Pickled {
        self.0.get(name).unwrap_or_else(|| panic!("no task {name}"))
    }

    /// The function's id: any number that is the same for the same name.
    fn id(name: &str) -> FunctionId {
        let bytes = name
            .bytes()
            .fold(0_u128, |id, byte| id.wrapping_mul(257) + u128::from(byte));
        FunctionId(bytes)
    }

    pub(super) fn expected(&self, name: &str) -> Bytes {
        decode(&self.get(name).result)
    }

    pub(super) fn execute(&self, slot: SlotId, task: TaskId, name: &str) -> ChildOrder {
        let pickled = self.get(name);
        ChildOrder::Execute {
            slot,
            task,
            attempt: 3,
            function: Tasks::id(name),
            body: Arc::new(Function {
                name: name.to_owned(),
                body: decode(&pickled.body),
                options: Options::default(),
                pickled_by: Versions::default(),
            }),
            params: decode(&pickled.params),
        }
    }
}

fn decode(text: &str) -> Bytes {
    BASE64.decode(text).expect("base64").into()
}

/// A pool, its facts, and the tasks it can run.
pub(super) struct World {
    pub(super) pool: Pool,
    pub(super) scratch: Scratch,
    pub(super) tasks: Tasks,
    pub(super) facts: mpsc::Receiver<ChildFact>,
    pub(super) last_task: u128,
}

impl World {
    /// A pool of one child, which is ready.
    pub(super) async fn new() -> World {
        World::with(|_| ()).await
    }

    /// The same, configured otherwise; all slots are filled.
    pub(super) async fn with(configure: impl FnOnce(&mut PoolConfig)) -> World {
        let mut config = PoolConfig::new(python(), 1);
        configure(&mut config);
        let processes = config.processes;
        let mut world = World::empty(config);
        for slot in 0..processes {
            world.pool.obey(ChildOrder::Spawn { slot });
            let fact = world.fact().await;
            assert!(matches!(fact, ChildFact::Ready { .. }), "{fact:?}");
        }
        world
    }

    /// A pool without children.
    pub(super) fn empty(config: PoolConfig) -> World {
        let scratch = Scratch::new();
        let tasks = Tasks::pickled(scratch.path());
        let (sender, facts) = mpsc::channel(16);
        World {
            pool: Pool::start(config, sender).expect("the pool starts"),
            scratch,
            tasks,
            facts,
            last_task: 0,
        }
    }

    pub(super) async fn fact(&mut self) -> ChildFact {
        let fact = tokio::time::timeout(PATIENCE, self.facts.recv()).await;
        fact.expect("a fact in time").expect("the pool lives")
    }

    /// Facts that have arrived and that nobody asked for.
    pub(super) fn more_facts(&mut self) -> Vec<ChildFact> {
        std::iter::from_fn(|| self.facts.try_recv().ok()).collect()
    }

    pub(super) fn start(&mut self, slot: SlotId, name: &str) {
        self.last_task += 1;
        let order = self.tasks.execute(slot, TaskId(self.last_task), name);
        self.pool.obey(order);
    }

    /// Runs a task in slot 0 and expects a reply.
    pub(super) async fn run(&mut self, name: &str) -> Outcome {
        self.start(0, name);
        match self.fact().await {
            ChildFact::Replied {
                slot: 0,
                task: TaskId(task),
                attempt: 3,
                outcome,
                ..
            } if task == self.last_task => outcome,
            other => panic!("{name}: {other:?}"),
        }
    }

    /// The same, for one that returns; checks its result, returns its output.
    pub(super) async fn returns(&mut self, name: &str) -> String {
        let Outcome { result, output } = self.run(name).await;
        let result = result.unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
        assert!(
            result == self.tasks.expected(name),
            "{name}: another result"
        );
        String::from_utf8(output.into()).expect("UTF-8")
    }

    /// The next fact, which must be the child's end.
    pub(super) async fn exit(&mut self) -> End {
        match self.fact().await {
            ChildFact::Exited {
                slot: 0,
                code,
                signal,
                output,
                begun,
            } => End {
                code,
                signal,
                begun,
                output: String::from_utf8(output.into()).expect("UTF-8"),
            },
            other => panic!("{other:?}"),
        }
    }

    /// Fills slot 0 again, and lets it run a task.
    pub(super) async fn goes_on(&mut self) {
        assert_eq!(self.more_facts(), []);
        self.pool.obey(ChildOrder::Spawn { slot: 0 });
        let fact = self.fact().await;
        assert!(matches!(fact, ChildFact::Ready { .. }), "{fact:?}");
        assert_eq!(self.returns("add").await, "");
    }

    /// The child in slot 0 is as it was.
    pub(super) async fn goes_on_without_a_new_child(&mut self) {
        assert_eq!(self.more_facts(), []);
        assert_eq!(self.returns("add").await, "");
    }

    /// The process id of the child in slot 0, which is its group's id too.
    pub(super) async fn pid(&mut self) -> i32 {
        self.returns("whoami").await.trim().parse().expect("a pid")
    }
}

/// How a child ended.
#[derive(Debug)]
pub(super) struct End {
    pub(super) code: Option<i32>,
    pub(super) signal: Option<i32>,
    pub(super) output: String,
    pub(super) begun: Vec<TaskRef>,
}
