//! A child that is given several tasks at a time.

use std::time::Duration;

use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::wire::message::TaskRef;
use mpcsfaas_core::worker::child::{ChildFact, ChildOrder};
use mpcsfaas_transport_real::python::CacheLimit;

use super::world::{World, pids_in};

/// The attempt of the task that was ordered at this place.
fn task(number: u128) -> TaskRef {
    TaskRef {
        task: TaskId(number),
        attempt: 3,
    }
}

impl World {
    /// Orders these tasks at once; they get the numbers from 1 on.
    fn start_all(&mut self, names: &[&str]) {
        for name in names {
            self.start(0, name);
        }
    }

    /// The next fact must be the answer to this task: its output, if the result is right.
    async fn answer(&mut self, number: u128, name: &str) -> String {
        match self.fact().await {
            ChildFact::Replied { task, outcome, .. } => {
                assert_eq!(task, TaskId(number), "{name}");
                let result = outcome
                    .result
                    .unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
                assert!(
                    result == self.tasks.expected(name),
                    "{name}: another result"
                );
                String::from_utf8(outcome.output.into()).expect("UTF-8")
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn many_tasks_are_answered_in_order() {
    let mut world = World::new().await;
    for _ in 0..20 {
        let first = world.last_task + 1;
        world.start_all(&["add"; 30]);
        for number in first..first + 30 {
            assert_eq!(world.answer(number, "add").await, "");
        }
    }
    assert_eq!(world.more_facts(), []);
}

#[tokio::test]
async fn what_each_prints_is_its_own() {
    let mut world = World::new().await;
    let names = ["add", "speak", "speak", "add", "noop", "speak", "add"];
    for _ in 0..5 {
        let first = world.last_task + 1;
        world.start_all(&names);
        for (number, name) in (first..).zip(names) {
            let output = world.answer(number, name).await;
            let spoke = output == "to stdout\nto stderr\nfrom a program\n";
            assert_eq!(
                (spoke, output.is_empty()),
                (name == "speak", name != "speak")
            );
        }
    }
}

#[tokio::test]
async fn large_results_keep_their_place() {
    let mut world = World::with(|config| config.max_result = 16 << 20).await;
    let names = ["add", "add", "echo", "add", "echo", "add", "add"];
    world.start_all(&names);
    for (number, name) in (1..).zip(names) {
        world.answer(number, name).await;
    }
}

#[tokio::test]
async fn functions_that_push_each_other_out_of_the_cache_are_there_in_time() {
    let limit = CacheLimit {
        functions: 1,
        bytes: 1 << 20,
    };
    let mut world = World::with(|config| config.cache = limit).await;
    let names = ["count", "add", "count", "noop", "count"];
    world.start_all(&names);
    for (number, name) in (1..).zip(names) {
        world.answer(number, name).await;
    }
}

#[tokio::test]
async fn a_child_that_dies_takes_one_task_with_it_and_loses_no_result() {
    let mut world = World::new().await;
    for (last, output) in [
        ("exit_at_once", "last words\n"),
        ("kill_self", ""),
        ("segfault", "Segm"),
    ] {
        let first = world.last_task + 1;
        world.start_all(&["add", "add", "noop", last, "add", "add"]);
        for (number, name) in (first..).zip(["add", "add", "noop"]) {
            assert_eq!(world.answer(number, name).await, "");
        }
        let end = world.exit().await;
        assert_eq!(end.begun, [task(first + 3)], "{last}");
        assert!(end.output.contains(output), "{last}: {}", end.output);
        world.goes_on().await;
    }
}

#[tokio::test]
async fn answers_do_not_wait_for_a_long_task_behind_them() {
    let mut world = World::new().await;
    world.start_all(&["add", "add", "add", "wait_with_children"]);
    for number in 1..=3 {
        world.answer(number, "add").await;
    }
    world.pool.obey(ChildOrder::Terminate { slot: 0 });
    assert_eq!(world.exit().await.begun, [task(4)]);
}

#[tokio::test]
async fn what_has_not_begun_is_given_back_and_is_not_run() {
    let mut world = World::new().await;
    let path = world.scratch.path().join("pause");
    world.start_all(&["add", "await_file", "leave_a_child", "add"]);
    world.answer(1, "add").await;
    pids_in(&path.with_extension("begun")).await;
    world.pool.obey(ChildOrder::Recall { slot: 0 });
    let back = ChildFact::Recalled {
        slot: 0,
        tasks: vec![task(3), task(4)],
    };
    assert_eq!(world.fact().await, back);
    std::fs::write(&path, "").expect("a file");
    world.answer(2, "await_file").await;
    // Numbers come again after 256 tasks; what was taken back under one says nothing of the next.
    for _ in 0..300 {
        assert_eq!(world.returns("add").await, "");
    }
    assert!(
        !world.scratch.path().join("left").exists(),
        "it was not run"
    );
    assert_eq!(world.more_facts(), []);
}

#[tokio::test]
async fn an_idle_child_has_nothing_to_give_back() {
    let mut world = World::new().await;
    world.pool.obey(ChildOrder::Recall { slot: 0 });
    let tasks = vec![];
    assert_eq!(world.fact().await, ChildFact::Recalled { slot: 0, tasks });
    world.goes_on_without_a_new_child().await;
}

#[tokio::test]
async fn a_child_tells_how_long_it_was_busy() {
    let mut world = World::new().await;
    world.start_all(&["nap", "add"]);
    let mut took = Vec::new();
    for _ in 0..2 {
        match world.fact().await {
            ChildFact::Replied { took: time, .. } => took.push(time),
            other => panic!("{other:?}"),
        }
    }
    assert!(took[0] >= Duration::from_millis(50), "{took:?}");
    assert!(took[1] > Duration::ZERO, "{took:?}");
}
