//! Python children: each way in which a task ends, and that nothing is left of it.

mod ahead;
mod killed;
mod world;

use std::time::Duration;

use mpcsfaas_core::task::{Failure, FailureKind};
use mpcsfaas_core::worker::child::{ChildFact, ChildOrder};
use mpcsfaas_transport_real::python::{CacheLimit, PoolConfig};

use self::world::{PATIENCE, Scratch, World, alive, pids_in, python, script};
use crate::wait::wait_for;

#[tokio::test]
async fn a_task_returns_and_what_it_printed_is_its_own() {
    let mut world = World::new().await;
    assert_eq!(world.returns("add").await, "");
    let output = world.returns("speak").await;
    assert_eq!(output, "to stdout\nto stderr\nfrom a program\n");
    assert_eq!(world.returns("add").await, "");
}

#[tokio::test]
async fn a_child_says_its_versions() {
    let mut world = World::empty(PoolConfig::new(python(), 1));
    world.pool.obey(ChildOrder::Spawn { slot: 0 });
    let ChildFact::Ready {
        slot: 0,
        versions,
        reads_ahead,
    } = world.fact().await
    else {
        panic!("not ready");
    };
    assert_eq!(reads_ahead, cfg!(target_os = "linux"));
    assert!(
        versions
            .python
            .is_some_and(|python| python.starts_with("3."))
    );
    assert!(versions.dill.is_some_and(|dill| dill.starts_with("0.")));
}

#[tokio::test]
async fn ten_megabytes_go_there_and_back() {
    let mut world = World::with(|config| config.max_result = 16 << 20).await;
    world.returns("echo").await;
    world.returns("add").await;
}

#[tokio::test]
async fn a_task_that_fails_leaves_its_child_alive() {
    use FailureKind::{
        Exit, NotCallable, PickleResult, Raised, ResultTooLarge, UnpickleFunction, UnpickleParams,
    };
    let mut world = World::with(|config| config.max_result = 50_000).await;
    let pid = world.pid().await;
    for (name, kind, exception, message) in [
        ("fail", Raised, "ValueError", "no such luck"),
        ("return_generator", PickleResult, "TypeError", "generator"),
        ("return_much", ResultTooLarge, "ValueError", "limit 50000"),
        ("exit_politely", Exit, "SystemExit", "3"),
        ("call_a_number", NotCallable, "TypeError", "'int' object"),
        (
            "import_what_is_missing",
            UnpickleFunction,
            "ModuleNotFoundError",
            "this worker has Python",
        ),
        (
            "take_what_is_missing",
            UnpickleParams,
            "ModuleNotFoundError",
            "this worker has Python",
        ),
    ] {
        let failure: Failure = world.run(name).await.result.expect_err(name);
        assert_eq!(
            (failure.kind, failure.exception.as_str()),
            (kind, exception),
            "{name}"
        );
        assert!(failure.message.contains(message), "{name}: {failure:?}");
        assert!(!failure.pickled_message.is_empty(), "{name}");
        assert_eq!(failure.exit_code, (kind == Exit).then_some(3), "{name}");
        assert_eq!(world.pid().await, pid, "{name}");
    }
    assert_eq!(world.run("fail").await.output, "about to fail\n");
    assert_eq!(world.more_facts(), []);
}

#[tokio::test]
async fn a_task_that_ends_its_child_is_told_with_code_or_signal() {
    let mut world = World::new().await;
    for (name, code, signal, output) in [
        ("exit_at_once", Some(7), None, "last words\n"),
        ("segfault", None, Some(11), "Segmentation fault"),
        ("kill_self", None, Some(9), ""),
        ("write_junk", None, Some(9), "it sent a frame of"),
        ("close_everything", None, Some(9), "it closed its pipes"),
    ] {
        let pid = world.pid().await;
        world.start(0, name);
        let end = world.exit().await;
        assert_eq!(
            (end.code, end.signal),
            (code, signal),
            "{name}: {}",
            end.output
        );
        assert!(end.output.contains(output), "{name}: {}", end.output);
        assert_eq!(alive(&[pid]), [0; 0], "{name}");
        world.goes_on().await;
    }
}

#[tokio::test]
async fn megabytes_of_output_are_cut_in_the_middle() {
    let mut world = World::with(|config| config.capture_limit = 1_000).await;
    let output = world.returns("print_megabytes").await;
    assert!(output.len() <= 1_000, "{}", output.len());
    assert!(
        output.starts_with("beginning\nxxx") && output.ends_with("xxx\nend\n"),
        "{output}"
    );
    let cut: usize = output
        .lines()
        .find_map(|line| {
            line.strip_prefix("... ")?
                .strip_suffix(" bytes cut ...")?
                .parse()
                .ok()
        })
        .expect("a note");
    assert!((30_000_014 - 1_000..30_000_014).contains(&cut), "{cut}");
    assert_eq!(world.returns("add").await, "");
}

#[tokio::test]
async fn processes_that_a_task_leaves_are_killed() {
    let mut world = World::new().await;
    let output = world.returns("leave_a_child").await;
    assert!(output.contains("killed 2 process"), "{output}");
    let pids = pids_in(&world.scratch.path().join("left")).await;
    assert_eq!(alive(&pids[1..]), [0; 0]);
    assert_eq!(world.pid().await, pids[0]);
}

#[tokio::test]
async fn processes_that_a_dead_child_leaves_are_killed() {
    let mut world = World::new().await;
    world.start(0, "leave_a_child_and_die");
    assert_eq!(world.exit().await.code, Some(1));
    let pids = pids_in(&world.scratch.path().join("left")).await;
    assert_eq!((pids.len(), alive(&pids)), (3, vec![]));
    world.goes_on().await;
}

#[tokio::test]
async fn a_function_travels_once_until_it_is_evicted() {
    let limit = CacheLimit {
        functions: 2,
        bytes: 1 << 20,
    };
    let mut world = World::with(|config| config.cache = limit).await;
    // It returns how often this copy of it has been called.
    world.returns("count").await;
    let again = world.run("count").await.result.expect("a result");
    assert_ne!(again, world.tasks.expected("count"));
    world.returns("add").await;
    world.returns("noop").await;
    world.returns("count").await;
}

#[tokio::test]
async fn a_child_that_ignores_sigterm_is_killed() {
    let mut world = World::new().await;
    world.start(0, "ignore_sigterm");
    let pids = pids_in(&world.scratch.path().join("stubborn")).await;
    world.pool.obey(ChildOrder::Terminate { slot: 0 });
    world.pool.obey(ChildOrder::Terminate { slot: 0 });
    world.pool.obey(ChildOrder::Kill { slot: 0 });
    let end = world.exit().await;
    assert_eq!((end.code, end.signal), (None, Some(9)));
    assert_eq!(alive(&pids), [0; 0]);
    // Nothing is there any more; the next child is not meant.
    world.pool.obey(ChildOrder::Kill { slot: 0 });
    world.goes_on().await;
}

#[tokio::test]
async fn sigterm_reaches_all_of_a_task() {
    let mut world = World::new().await;
    world.start(0, "wait_with_children");
    let pids = pids_in(&world.scratch.path().join("waiting")).await;
    world.pool.obey(ChildOrder::Terminate { slot: 0 });
    assert_eq!(world.exit().await.signal, Some(15));
    assert_eq!((pids.len(), alive(&pids)), (3, vec![]));
    world.goes_on().await;
}

#[tokio::test]
async fn a_child_that_cannot_start_says_why() {
    let scratch = Scratch::new();
    let real = python().display().to_string();
    for (text, reason) in [
        ("exec /no/such/file", "/no/such/file"),
        (
            "echo a start-up file is broken >&2; exit 4",
            "a start-up file is broken",
        ),
        ("exit 4", "before it was ready (exit code 4)"),
        ("exec yes", "it sent a frame of"),
        ("exec sleep 1000", "it was not ready after 1.5s"),
        ("exec >&- 2>&- <&-; exec sleep 1000", "it closed its pipes"),
        (&format!("exec {real} -S \"$@\""), "-m pip install dill"),
    ] {
        let mut config = PoolConfig::new(script(&scratch, text), 1);
        config.start_limit = Duration::from_millis(1_500);
        let mut world = World::empty(config);
        world.pool.obey(ChildOrder::Spawn { slot: 0 });
        let end = world.exit().await;
        assert!(end.output.contains(reason), "{text}: {end:?}");
        assert_eq!(world.more_facts(), [], "{text}");
    }
    let mut world = World::empty(PoolConfig::new("/no/such/python", 1));
    world.pool.obey(ChildOrder::Spawn { slot: 0 });
    let end = world.exit().await;
    assert!(end.output.contains("No such file"), "{end:?}");
}

#[tokio::test]
async fn orders_to_a_child_that_is_gone_do_not_reach_the_next() {
    let mut world = World::new().await;
    let pid = world.pid().await;
    world.pool.obey(ChildOrder::Kill { slot: 0 });
    assert_eq!(world.exit().await.signal, Some(9));
    world.start(0, "add");
    world.pool.obey(ChildOrder::Terminate { slot: 0 });
    world.goes_on().await;
    assert_ne!(world.pid().await, pid);
}

#[tokio::test]
async fn dropping_the_pool_ends_everything() {
    let mut world = World::with(|config| config.processes = 2).await;
    world.start(0, "wait_with_children");
    world.start(1, "hang_in_c");
    let mut pids = pids_in(&world.scratch.path().join("waiting")).await;
    pids.extend(pids_in(&world.scratch.path().join("in_c")).await);
    assert_eq!((pids.len(), alive(&pids).len()), (4, 4));
    drop(world.pool);
    assert_eq!(alive(&pids), [0; 0]);
}

#[tokio::test]
async fn nobody_listening_ends_everything() {
    let mut world = World::new().await;
    let pid = world.pid().await;
    world.start(0, "add");
    drop(world.facts);
    wait_for("the child's end", PATIENCE, || {
        alive(&[pid]).is_empty().then_some(())
    })
    .await;
}
