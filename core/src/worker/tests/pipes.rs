//! What children are given ahead, and how it is taken back.

use super::*;

/// A worker whose children have each run a short task, so that it is known to be one.
fn quick(processes: u32) -> TestEnv {
    let mut env = TestEnv::new(processes);
    for number in 0..u128::from(processes) {
        env.give(&tasks([900 + number]));
        env.wait(Duration::from_micros(20));
        env.reply(task(900 + number));
        env.ack(&tasks([900 + number]));
    }
    env.orders();
    env.said();
    env
}

fn runs(numbers: impl IntoIterator<Item = u128>, slot: SlotId) -> Vec<String> {
    let run = |number| format!("run {number}.1 in {slot}");
    numbers.into_iter().map(run).collect()
}

fn returned(numbers: impl IntoIterator<Item = u128>) -> ToDispatcher {
    ToDispatcher::Returned {
        tasks: tasks(numbers),
        missing: vec![],
    }
}

#[test]
fn short_tasks_are_given_ahead_up_to_a_limit_and_again_when_half_is_left() {
    let mut env = quick(1);
    env.give(&tasks(1..=60));
    assert_eq!(env.orders(), runs(1..=32, 0));
    for number in 1..=15 {
        env.reply(task(number));
    }
    assert_eq!(env.orders(), [""; 0]);
    env.reply(task(16));
    assert_eq!(env.orders(), runs(33..=48, 0));
}

#[test]
fn a_function_is_given_one_task_at_a_time_until_it_is_known() {
    let mut env = TestEnv::new(1);
    env.give(&tasks(1..=2));
    assert_eq!(env.orders(), runs([1], 0));
    let mut env = quick(1);
    env.tell(ToWorker::Function {
        id: G,
        function: function(),
    });
    env.run(G, &tasks(1..=2), Options::default());
    assert_eq!(env.orders(), runs([1], 0));
}

#[test]
fn tasks_of_a_millisecond_are_not_given_ahead() {
    let mut env = TestEnv::new(1);
    env.give(&tasks([900]));
    env.wait(ms(1));
    env.reply(task(900));
    env.orders();
    env.give(&tasks(1..=2));
    assert_eq!(env.orders(), runs([1], 0));
}

#[test]
fn what_is_given_ahead_takes_a_millisecond_at_most() {
    let mut env = TestEnv::new(1);
    env.give(&tasks([900]));
    env.wait(Duration::from_micros(200));
    env.reply(task(900));
    env.orders();
    env.give(&tasks(1..=9));
    assert_eq!(env.orders(), runs(1..=5, 0));
}

#[test]
fn a_task_with_large_parameters_is_alone() {
    let mut env = quick(1);
    env.give(&tasks([1]));
    let run = Run {
        task: task(2),
        function: F,
        params: Bytes::from(vec![0; (64 << 10) + 1]),
        options: Options::default(),
    };
    env.tell(ToWorker::Run(vec![run]));
    env.run(F, &tasks([3]), Options::default());
    assert_eq!(env.orders(), runs([1], 0));
    env.reply(task(1));
    assert_eq!(env.orders(), runs([2], 0), "nor is anything behind it");
}

#[test]
fn a_child_that_does_not_read_ahead_is_given_one_at_a_time() {
    let mut env = TestEnv::starting(1, Flow::Push);
    env.read_ahead = false;
    env.ready(0);
    env.welcome();
    for number in 1..=3 {
        env.give(&tasks([number]));
        env.wait(Duration::from_micros(20));
        env.reply(task(number));
    }
    env.orders();
    env.give(&tasks(4..=5));
    assert_eq!(env.orders(), runs([4], 0));
}

#[test]
fn idle_children_come_first_and_the_rest_is_spread() {
    let mut env = quick(2);
    env.give(&tasks(1..=6));
    let expected = [
        runs([1], 0),
        runs([2], 1),
        runs([3], 0),
        runs([4], 1),
        runs([5], 0),
        runs([6], 1),
    ];
    assert_eq!(env.orders(), expected.concat());
}

#[test]
fn what_waits_behind_a_slow_task_is_taken_back_and_given_to_others() {
    let mut env = quick(2);
    env.give(&tasks(1..=4));
    env.orders();
    env.reply(task(2));
    env.reply(task(4));
    env.wait(ms(19));
    assert_eq!(env.orders(), [""; 0]);
    env.wait(ms(1));
    assert_eq!(env.orders(), ["recall 0"]);
    env.recalled(0, &tasks([3]));
    assert_eq!(env.orders(), runs([3], 1));
    env.reply(task(3));
    env.give(&tasks(5..=6));
    assert_eq!(
        env.orders(),
        runs([5], 1),
        "it is not known to be short any more"
    );
    assert_eq!(env.worker.counters().recalled, 1);
}

#[test]
fn what_is_taken_back_and_finds_no_other_child_is_handed_on() {
    let mut env = quick(1);
    env.give(&tasks(1..=3));
    env.wait(ms(20));
    env.recalled(0, &tasks([2, 3]));
    env.said();
    env.wait_beating(ms(179));
    assert_eq!(env.said(), []);
    env.wait_beating(ms(1));
    assert_eq!(env.said(), [returned(2..=3)]);
}

#[test]
fn one_that_began_while_it_was_asked_for_stays() {
    let mut env = quick(1);
    env.give(&tasks(1..=3));
    env.orders();
    env.wait(ms(20));
    env.reply(task(1));
    env.recalled(0, &tasks([3]));
    assert_eq!(env.orders(), ["recall 0"]);
    env.reply(task(2));
    assert_eq!(env.orders(), runs([3], 0));
}

#[test]
fn one_that_was_about_to_begin_may_be_given_back_later() {
    let mut env = quick(1);
    env.give(&tasks(1..=3));
    env.orders();
    env.wait(ms(20));
    env.recalled(0, &tasks([3]));
    env.recalled(0, &tasks([2]));
    env.reply(task(1));
    assert_eq!(
        env.orders()[1..],
        runs([2], 0),
        "in the order in which they came"
    );
}

#[test]
fn a_child_that_dies_fails_what_it_ran_and_the_rest_starts_elsewhere() {
    let mut env = quick(2);
    env.give(&tasks(1..=6));
    env.orders();
    env.said();
    env.reply(task(1));
    env.exited_with(0, (Some(3), None), tasks([3]));
    env.wait(ms(1));
    let results = env.results();
    assert_eq!(results[0].task, task(1));
    let [_, dead] = &results[..] else {
        panic!("{results:?}")
    };
    assert_eq!(dead.task, task(3));
    let failure = dead.outcome.result.clone().expect_err("a failure");
    assert_eq!(failure.kind, FailureKind::Exited);
    assert_eq!(env.orders(), ["spawn 0", "run 5.1 in 1"]);
}

#[test]
fn a_task_at_which_two_children_die_before_it_began_fails() {
    let mut env = TestEnv::new(1);
    env.give(&tasks([1]));
    env.orders();
    env.said();
    env.exited_with(0, (Some(1), None), vec![]);
    assert_eq!(
        (env.orders(), env.said()),
        (vec!["spawn 0".to_owned()], vec![])
    );
    env.ready(0);
    assert_eq!(env.orders(), runs([1], 0));
    env.exited_with(0, (Some(1), None), vec![]);
    assert_eq!(env.failure().kind, FailureKind::Exited);
}

#[test]
fn a_deadline_counts_from_the_answer_before() {
    let mut env = quick(1);
    env.give_with(&tasks(1..=2), timeout(ms(10)));
    env.orders();
    env.wait(ms(9));
    env.reply(task(1));
    env.wait(ms(9));
    assert_eq!(env.orders(), [""; 0]);
    env.wait(ms(1));
    assert_eq!(env.orders(), ["terminate 0"]);
    env.exited_with(0, (None, Some(15)), tasks([2]));
    assert_eq!(env.results()[1].task, task(2));
}

#[test]
fn at_a_deadline_the_others_are_taken_back_before_the_child_is_ended() {
    let mut env = quick(1);
    env.give_with(&tasks(1..=3), timeout(ms(10)));
    env.orders();
    env.wait(ms(10));
    assert_eq!(env.orders(), ["recall 0"]);
    env.recalled(0, &tasks([2, 3]));
    assert_eq!(env.orders(), ["terminate 0"]);
    env.said();
    env.exited_with(0, (None, Some(15)), tasks([1]));
    assert_eq!(env.failure().kind, FailureKind::Timeout);
    env.ready(0);
    assert_eq!(env.orders(), ["spawn 0", "run 2.1 in 0"]);
}

#[test]
fn a_task_that_had_not_begun_at_its_deadline_has_not_passed_it() {
    for is_given_back in [true, false] {
        let mut env = quick(1);
        env.give_with(&tasks(1..=2), timeout(ms(10)));
        env.orders();
        env.wait(ms(10));
        env.recalled(0, &[]);
        env.reply(task(1));
        env.wait(ms(10));
        assert_eq!(env.orders(), ["recall 0", "terminate 0"]);
        if is_given_back {
            env.recalled(0, &tasks([2]));
        }
        env.said();
        env.exited_with(0, (None, Some(15)), vec![]);
        assert_eq!(env.results(), []);
        env.ready(0);
        assert_eq!(env.orders(), ["spawn 0", "run 2.1 in 0"]);
    }
}

#[test]
fn a_task_that_ends_before_the_answer_has_not_passed_its_deadline() {
    let mut env = quick(1);
    env.give_with(&tasks(1..=3), timeout(ms(10)));
    env.wait(ms(10));
    env.orders();
    env.reply(task(1));
    env.recalled(0, &tasks([3]));
    assert_eq!(env.orders(), [""; 0]);
}

#[test]
fn a_dropped_task_that_has_not_begun_never_does() {
    let mut env = quick(1);
    env.give(&tasks(1..=3));
    env.orders();
    env.drop(&tasks([2]));
    assert_eq!(env.orders(), ["recall 0"]);
    assert_eq!(env.worker.held(), 2, "it uses no credit");
    env.recalled(0, &tasks([2, 3]));
    env.reply(task(1));
    assert_eq!(env.orders(), runs([3], 0));
}

#[test]
fn a_dropped_task_that_has_begun_is_ended_when_its_turn_is_known() {
    let mut env = quick(1);
    env.give(&tasks(1..=3));
    env.orders();
    env.drop(&tasks([2]));
    env.recalled(0, &tasks([3]));
    assert_eq!(env.orders(), ["recall 0"]);
    env.reply(task(1));
    assert_eq!(env.orders(), ["terminate 0"]);
    env.said();
    env.exited_with(0, (None, Some(15)), tasks([2]));
    assert_eq!(env.results(), [], "nobody wants it");
    env.ready(0);
    assert_eq!(env.orders(), ["spawn 0", "run 3.1 in 0"]);
}

#[test]
fn the_drop_of_the_running_task_harms_no_other() {
    let mut env = quick(1);
    env.give(&tasks(1..=3));
    env.orders();
    env.drop(&tasks([1]));
    assert_eq!(env.orders(), ["recall 0"]);
    // It had ended, and the next has begun.
    env.reply(task(1));
    env.recalled(0, &tasks([3]));
    assert_eq!(env.orders(), [""; 0]);
    env.said();
    env.reply(task(2));
    let results = env.results();
    assert_eq!((results.len(), results[0].task), (1, task(2)));
}

#[test]
fn goodbye_takes_back_what_has_not_begun() {
    let mut env = quick(1);
    env.give(&tasks(1..=3));
    env.orders();
    env.leave();
    assert_eq!(env.orders(), ["recall 0"]);
    env.said();
    env.recalled(0, &tasks([2, 3]));
    assert_eq!(env.said(), [returned(2..=3)]);
}

#[test]
fn a_child_that_dies_while_its_worker_leaves_hands_back_what_it_had_not_begun() {
    let mut env = quick(1);
    env.give(&tasks(1..=3));
    env.leave();
    env.said();
    env.exited_with(0, (None, Some(9)), tasks([1]));
    assert!(env.said().contains(&returned(2..=3)));
}

#[test]
fn hello_lists_what_is_in_a_pipe() {
    let mut env = quick(1);
    env.give(&tasks(1..=3));
    env.tell(ToWorker::SayHello);
    assert_eq!(env.hello().running, tasks(1..=3));
}

#[test]
fn results_wait_for_those_that_come_next() {
    let mut env = quick(1);
    env.give(&tasks(1..=3));
    env.said();
    env.reply(task(1));
    assert_eq!(env.said(), []);
    env.reply(task(2));
    assert_eq!(env.results().len(), 2, "but not for the last");
}
