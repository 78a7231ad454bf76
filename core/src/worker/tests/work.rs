//! Tasks: run, acknowledged, dropped (R1a, R7).

use super::*;

#[test]
fn tasks_start_in_free_processes_and_the_rest_waits_its_turn() {
    let mut env = TestEnv::new(2);
    env.give(&tasks(1..=3));
    assert_eq!(env.orders(), ["run 1.1 in 0", "run 2.1 in 1"]);
    env.reply(task(2));
    assert_eq!(env.orders(), ["run 3.1 in 1"]);
    assert_eq!(env.results().len(), 1);
}

#[test]
fn a_task_that_is_already_held_is_not_started_again() {
    let mut env = TestEnv::new(2);
    env.give(&tasks([1]));
    env.run(F, &tasks([1]), Options::default());
    assert_eq!(env.orders(), ["run 1.1 in 0"]);
    env.reply(task(1));
    env.run(F, &tasks([1]), Options::default());
    assert_eq!(
        env.orders(),
        [""; 0],
        "nor when its result waits for its Ack"
    );
}

#[test]
fn a_task_whose_function_is_not_here_is_handed_back_with_the_reason() {
    let mut env = TestEnv::new(1);
    env.said();
    env.run(G, &tasks([1]), Options::default());
    let expected = ToDispatcher::Returned {
        tasks: tasks([1]),
        missing: vec![G],
    };
    assert_eq!(env.said(), [expected]);
    assert_eq!(env.worker.held(), 0);
}

#[test]
fn the_oldest_function_is_forgotten_over_the_limit() {
    let mut env = TestEnv::new(1);
    env.worker.config.function_limit = 1;
    for id in [F, G] {
        env.tell(ToWorker::Function {
            id,
            function: function(),
        });
    }
    env.said();
    env.run(F, &tasks([1]), Options::default());
    env.run(G, &tasks([2]), Options::default());
    assert!(matches!(&env.said()[..], [ToDispatcher::Returned { missing, .. }] if *missing == [F]));
    assert_eq!(env.orders(), ["run 2.1 in 0"]);
}

#[test]
fn a_result_is_held_until_its_ack() {
    let mut env = TestEnv::new(1);
    env.give(&tasks([1]));
    env.ack(&tasks([1]));
    assert_eq!(env.worker.held(), 1, "an Ack of what runs means nothing");
    env.reply(task(1));
    assert_eq!(env.worker.held(), 1);
    env.ack(&tasks([1]));
    assert_eq!(env.worker.held(), 0);
}

#[test]
fn the_drop_of_a_running_task_ends_its_child_and_reports_nothing() {
    let mut env = TestEnv::new(1);
    env.give(&tasks(1..=2));
    env.orders();
    env.said();
    env.drop(&tasks([1]));
    assert_eq!(env.orders(), ["terminate 0"]);
    env.reply(task(1));
    env.exited(0, None, Some(15));
    assert_eq!(env.said(), []);
    assert_eq!(env.orders(), ["spawn 0"]);
    env.ready(0);
    assert_eq!(env.orders(), ["run 2.1 in 0"], "and the next one runs");
}

#[test]
fn the_drop_of_a_waiting_task_or_a_result_just_forgets_it() {
    let mut env = TestEnv::new(1);
    env.give(&tasks(1..=2));
    env.orders();
    env.drop(&tasks([2, 77]));
    assert_eq!(env.worker.held(), 1);
    env.reply(task(1));
    env.drop(&tasks([1]));
    assert_eq!(env.worker.held(), 0);
    assert_eq!(env.orders(), [""; 0]);
}

#[test]
fn the_dispatchers_drain_hands_back_what_has_not_started_and_keeps_the_rest() {
    let mut env = TestEnv::new(1);
    env.give(&tasks(1..=2));
    env.said();
    env.tell(ToWorker::Drain);
    let expected = ToDispatcher::Returned {
        tasks: tasks([2]),
        missing: vec![],
    };
    assert_eq!(env.said(), [expected]);
    env.reply(task(1));
    assert_eq!(env.results().len(), 1);
    assert_eq!(env.exits, 0, "the worker stays");
}

#[test]
fn a_task_that_waits_keeps_its_function_though_the_cache_forgets_it() {
    let mut env = TestEnv::new(1);
    env.worker.config.function_limit = 1;
    env.give(&tasks(1..=2));
    env.tell(ToWorker::Function {
        id: G,
        function: function(),
    });
    env.orders();
    env.reply(task(1));
    assert_eq!(env.orders(), ["run 2.1 in 0"]);
}

/// The tasks whose results were told, one list a message.
fn told(env: &mut TestEnv) -> Vec<Vec<TaskRef>> {
    let results = |body| match body {
        ToDispatcher::Finished(results) => Some(results),
        _ => None,
    };
    let messages = env.said().into_iter().filter_map(results);
    let tasks = |results: Vec<Finished>| results.iter().map(|result| result.task).collect();
    messages.map(tasks).collect()
}

/// A worker whose one process has run a short task, so that it asks for many ahead.
fn quick_worker() -> TestEnv {
    let mut env = TestEnv::new(1);
    env.give(&tasks([9]));
    env.wait_beating(Duration::from_micros(10));
    env.reply(task(9));
    env.ack(&tasks([9]));
    env
}

#[test]
fn results_wait_for_each_other_while_more_tasks_wait() {
    let mut env = quick_worker();
    env.give(&tasks(1..=4));
    env.said();
    env.reply(task(1));
    env.reply(task(2));
    assert_eq!(
        told(&mut env),
        [[]; 0],
        "the third runs and the fourth waits"
    );
    env.wait(ms(1));
    assert_eq!(told(&mut env), [tasks([1, 2])], "but not for long");
    env.reply(task(3));
    env.reply(task(4));
    assert_eq!(
        told(&mut env),
        [tasks([3]), tasks([4])],
        "none waits for the last"
    );
}

#[test]
fn a_result_that_was_not_told_is_told_in_the_next_session() {
    let mut env = quick_worker();
    env.give(&tasks(1..=3));
    env.said();
    env.reply(task(1));
    assert_eq!(told(&mut env), [[]; 0]);
    env.tell(ToWorker::SayHello);
    assert_eq!(told(&mut env), [tasks([1])]);
    env.wait(ms(1));
    assert_eq!(told(&mut env), [[]; 0], "once");
}
