//! The conversation: Hello, numbers, silence (R5, R8, R9).

use super::*;

#[test]
fn hello_is_said_when_the_first_child_is_ready() {
    let mut env = TestEnv::starting(2, Flow::Push);
    assert_eq!(env.orders(), ["spawn 0", "spawn 1"]);
    assert_eq!((env.said(), env.connections.len()), (vec![], 0));
    env.child(ChildFact::Ready {
        slot: 1,
        versions: Versions {
            python: Some("3.11.7".to_owned()),
            dill: None,
        },
        reads_ahead: true,
    });
    assert_eq!(env.connections, [1]);
    let hello = env.hello();
    assert_eq!((hello.processes, hello.credit), (2, 3));
    assert_eq!(hello.versions.python.as_deref(), Some("3.11.7"));
    env.ready(0);
    assert_eq!(env.connections, [1], "once");
}

#[test]
fn hello_lists_what_is_held() {
    let mut env = TestEnv::new(1);
    env.give(&tasks(1..=2));
    env.reply(task(1));
    env.give(&tasks([3]));
    env.tell(ToWorker::SayHello);
    let hello = env.hello();
    assert_eq!((hello.running, hello.finished), (tasks([2, 3]), tasks([1])));
}

#[test]
fn results_are_repeated_in_each_session_until_they_are_acknowledged() {
    let mut env = TestEnv::new(2);
    env.give(&tasks(1..=2));
    env.reply(task(1));
    for _ in 0..2 {
        env.said();
        env.tell(ToWorker::SayHello);
        let results = env.results();
        assert_eq!(
            results.iter().map(|r| r.task).collect::<Vec<_>>(),
            tasks([1])
        );
        assert_eq!(results[0].outcome, outcome_of(task(1)));
        env.welcome();
    }
    env.ack(&tasks([1]));
    env.tell(ToWorker::SayHello);
    assert_eq!(env.results(), []);
    assert_eq!(env.worker.held(), 1);
}

#[test]
fn each_session_is_a_new_connection() {
    let mut env = TestEnv::new(1);
    env.tell(ToWorker::SayHello);
    env.welcome();
    env.tell(ToWorker::SayHello);
    assert_eq!(env.connections, [1, 2, 3]);
    assert_eq!(env.worker.session(), 3);
}

#[test]
fn what_an_older_session_says_is_ignored() {
    let mut env = TestEnv::new(1);
    env.tell(ToWorker::SayHello);
    env.welcome();
    env.orders();
    env.tell_in(
        1,
        2,
        ToWorker::Function {
            id: F,
            function: function(),
        },
    );
    env.tell_in(1, UNNUMBERED, ToWorker::SayHello);
    env.step(Some(Input::ConnectionClosed { session: 1 }));
    assert_eq!(env.worker.session(), 2);
    assert!(env.worker.is_welcome());
    assert_eq!(env.worker.counters().stale_messages, 2);
}

#[test]
fn a_gap_opens_a_new_session_and_nothing_after_it_is_done() {
    let mut env = TestEnv::new(1);
    env.tell_into_the_void();
    env.run(F, &tasks([1]), Options::default());
    assert_eq!((env.worker.session(), env.worker.held()), (2, 0));
    assert_eq!(env.worker.counters().gaps, 1);
}

#[test]
fn a_beat_tells_of_a_message_that_was_lost_at_the_end() {
    let mut env = TestEnv::new(1);
    env.tell_into_the_void();
    env.beat();
    assert_eq!(env.worker.session(), 2);
}

#[test]
fn a_beat_that_comes_again_says_nothing() {
    let mut env = TestEnv::new(1);
    env.give(&tasks([1]));
    // Sent before the task was.
    env.tell_in(1, UNNUMBERED, ToWorker::Beat { last: 1 });
    assert_eq!((env.worker.held(), env.worker.session()), (1, 1));
}

#[test]
fn repeated_numbers_are_ignored() {
    let mut env = TestEnv::new(1);
    env.give(&tasks([1]));
    env.tell_in(1, 2, ToWorker::Drop(tasks([1])));
    assert_eq!((env.worker.held(), env.worker.session()), (1, 1));
}

#[test]
fn beats_carry_the_last_number_and_the_credit() {
    let mut env = TestEnv::new(1);
    env.give(&tasks([1]));
    env.reply(task(1));
    env.said();
    env.wait(secs(1));
    let beat = env.said.front().expect("a beat").clone();
    assert_eq!(beat.number, UNNUMBERED);
    let expected = ToDispatcher::Beat {
        last: 2,
        credit: env.worker.credit(),
    };
    assert_eq!(beat.body, expected);
}

#[test]
fn beats_go_on_as_long_as_the_dispatcher_lives() {
    let mut env = TestEnv::new(1);
    env.said();
    env.wait_beating(secs(10));
    assert_eq!(env.beats().len(), 10);
    assert_eq!(env.worker.session(), 1);
}

#[test]
fn silence_ends_the_session_and_a_new_one_follows_after_a_jittered_pause() {
    let mut env = TestEnv::new(1);
    env.give(&tasks([1]));
    env.wait(secs(3));
    assert!(!env.worker.is_welcome());
    assert_eq!(env.connections, [1]);
    env.wait(ms(49));
    assert_eq!(env.connections, [1], "at least half of the pause");
    env.wait(ms(51));
    assert_eq!(env.connections, [1, 2], "and at most all of it");
    assert_eq!(env.hello().running, tasks([1]));
}

#[test]
fn a_closed_connection_does_likewise() {
    let mut env = TestEnv::new(1);
    env.close();
    assert!(!env.worker.is_welcome());
    env.wait(ms(100));
    assert_eq!(env.connections, [1, 2]);
}

#[test]
fn the_pause_grows_with_each_failure_up_to_a_limit_and_a_welcome_ends_it() {
    let mut env = TestEnv::new(1);
    let mut pauses = Vec::new();
    for _ in 0..8 {
        env.close();
        let before = env.now;
        env.wait_for_hello();
        pauses.push(env.now - before);
    }
    assert!(pauses[0] <= ms(100) && pauses[3] >= ms(400), "{pauses:?}");
    assert!(
        pauses.iter().all(|pause| *pause <= secs(2) + ms(1)),
        "{pauses:?}"
    );
    env.welcome();
    env.close();
    env.wait(ms(101));
    assert_eq!(env.connections.len(), 10);
}

#[test]
fn a_worker_that_nobody_answers_never_gives_up() {
    let mut env = TestEnv::starting(1, Flow::Push);
    env.ready(0);
    env.wait(secs(600));
    assert!(env.connections.len() > 100);
    assert_eq!(env.exits, 0);
    env.wait_for_hello();
    env.welcome();
    assert!(env.worker.is_welcome());
}

#[test]
fn a_task_runs_on_while_there_is_no_connection_and_its_result_is_told_in_the_next() {
    let mut env = TestEnv::new(1);
    env.give(&tasks([1]));
    env.close();
    env.said();
    env.reply(task(1));
    assert_eq!(env.said(), []);
    env.wait(ms(100));
    let said = env.said();
    let [ToDispatcher::Hello(hello), ToDispatcher::Finished(results)] = &said[..] else {
        panic!("{said:?}")
    };
    assert_eq!((&hello.finished, results.len()), (&tasks([1]), 1));
}

#[test]
fn two_workers_do_not_come_back_together() {
    let pause = |seed| {
        let mut config = Config::new(WorkerId(seed), 1, Flow::Push, seed);
        config.backoff = secs(2);
        let mut worker = Worker::new(config, Instant::ZERO);
        let ready = ChildFact::Ready {
            slot: 0,
            versions: Versions::default(),
            reads_ahead: true,
        };
        worker.handle_input(Instant::ZERO, Input::Child(ready));
        worker.handle_input(Instant::ZERO, Input::ConnectionClosed { session: 1 });
        worker.poll_timeout()
    };
    assert_ne!(pause(1), pause(2));
    assert_eq!(pause(3), pause(3), "the same seed draws the same");
}
