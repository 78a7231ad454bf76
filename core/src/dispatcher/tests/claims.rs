//! Claims and placement: credit first, then the claim (R1, R14).

use super::*;

fn is_claim(op: &Op) -> bool {
    matches!(op, Op::Claim(_))
}

#[test]
fn a_worker_that_joins_is_welcomed_and_gets_work_only_as_far_as_its_credit() {
    let mut env = TestEnv::new();
    env.submit_all(1..=5);
    env.join(1, 2);
    let heard = env.heard(1);
    assert!(matches!(heard[0], ToWorker::Welcome { dispatcher: ME, .. }));
    assert_eq!(env.claims_asked(), [2], "credit first, then the claim");
    let [.., ToWorker::Run(runs)] = &heard[..] else {
        panic!("{heard:?}")
    };
    assert_eq!(
        runs.iter().map(|r| r.task).collect::<Vec<_>>(),
        tasks([1, 2])
    );
    assert_eq!(env.store.queued(), 3);
}

#[test]
fn nothing_is_claimed_while_nobody_has_credit() {
    let mut env = TestEnv::new();
    env.submit_all(1..=5);
    env.join(1, 0);
    env.wait_beating(secs(5));
    assert_eq!(env.claims_asked(), [0u32; 0]);
    env.give_credit(1, 1);
    assert_eq!(env.claims_asked(), [1]);
    assert_eq!(env.given(1), tasks([1]));
}

#[test]
fn each_acknowledged_result_makes_room_for_the_next_task() {
    let mut env = TestEnv::new();
    env.submit_all(1..=3);
    env.join(1, 1);
    for number in 1..=3 {
        assert_eq!(env.given(1), tasks([number]));
        env.finish(1, task(number, 1));
    }
    assert_eq!(env.given(1), []);
    assert_eq!(env.dispatcher.believed().count(), 0);
}

#[test]
fn a_function_body_comes_before_its_first_task_and_once_a_session() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.heard(1);
    env.submit(1);
    let heard = env.heard(1);
    assert!(
        matches!(
            heard[..],
            [ToWorker::Function { id: F, .. }, ToWorker::Run(_)]
        ),
        "{heard:?}"
    );
    env.finish(1, task(1, 1));
    env.submit(2);
    let heard = env.heard(1);
    assert!(
        matches!(heard[..], [ToWorker::Ack(_), ToWorker::Run(_)]),
        "{heard:?}"
    );
    env.hello(1, Greeting::push(2).running([task(2, 1)]));
    env.heard(1);
    env.submit(3);
    let heard = env.heard(1);
    assert!(
        matches!(
            heard[..],
            [ToWorker::Function { id: F, .. }, ToWorker::Run(_)]
        ),
        "{heard:?}"
    );
}

#[test]
fn a_function_is_fetched_once_and_kept() {
    let mut env = TestEnv::new();
    env.join(1, 8);
    env.submit_all(1..=3);
    env.submit(4);
    let fetched = env.take_asked().into_iter();
    assert_eq!(
        fetched
            .filter(|op| matches!(op, Op::GetFunction { .. }))
            .count(),
        1
    );
}

#[test]
fn a_worker_that_lost_a_function_gets_it_again() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    env.heard(1);
    env.say(
        1,
        ToDispatcher::Returned {
            tasks: tasks([1]),
            missing: vec![F],
        },
    );
    let heard = env.heard(1);
    let [ToWorker::Function { id: F, .. }, ToWorker::Run(runs)] = &heard[..] else {
        panic!("{heard:?}")
    };
    assert_eq!(runs[0].task, task(1, 2), "through Requeue and Claim (R1a)");
}

#[test]
fn a_task_whose_function_is_gone_fails_and_says_so() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit_with(1, FunctionId(77), Options::default());
    assert_eq!(env.status(1), Status::Failed);
    env.submit(2);
    assert_eq!(env.given(1), tasks([2]), "the credit is free again");
}

#[test]
fn a_claimed_task_that_finds_no_credit_goes_back_uncharged() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.hold_store();
    env.submit(1);
    env.give_credit(1, 0);
    env.release_store();
    assert_eq!(env.status(1), Status::Queued);
    assert_eq!(env.last_reason(1), Some(EndReason::NotPlaced));
    assert!(!env.row(1).is_suspect());
    assert_eq!(env.given(1), []);
}

#[test]
fn a_lost_doorbell_costs_a_poll_and_no_task() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit_quietly(1, F, Options::default());
    env.wait(ms(499));
    assert_eq!(env.given(1), []);
    env.wait(ms(1));
    assert_eq!(env.given(1), tasks([1]));
}

#[test]
fn a_doorbell_during_a_claim_is_not_forgotten() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.hold_store();
    env.feed(Input::DoorbellRang);
    env.release_one(|op| matches!(op, Op::Claim(_)));
    env.feed(Input::DoorbellRang);
    env.submit_quietly(1, F, Options::default());
    env.release_store();
    assert_eq!(env.given(1), tasks([1]));
}

#[test]
fn an_empty_answer_stops_the_claiming_until_there_is_a_reason() {
    let mut env = TestEnv::new();
    env.join(1, 4);
    env.take_asked();
    env.wait(ms(400));
    assert_eq!(env.claims_asked(), [0u32; 0]);
}

#[test]
fn while_a_small_claim_is_under_way_no_other_is() {
    let mut env = TestEnv::new();
    env.join(1, 2);
    env.take_asked();
    env.hold_store();
    env.submit(1);
    env.submit(2);
    env.join(2, 2);
    assert_eq!(env.claims_asked(), [2]);
}

#[test]
fn idle_processes_come_before_a_cached_function_and_that_before_the_least_recently_used() {
    let mut env = TestEnv::new();
    for worker in 1..=2 {
        let Greeting(hello) = Greeting::push(4);
        let greeting = Greeting(Hello {
            processes: 2,
            ..hello
        });
        env.hello(worker, greeting);
    }
    env.submit_with(1, F, Options::default());
    assert_eq!(env.given(1), tasks([1]), "all alike: the first");
    env.submit_with(2, F, Options::default());
    assert_eq!(env.given(1), tasks([2]), "idle as well, and knows F");
    env.submit_with(3, F, Options::default());
    assert_eq!(
        env.given(2),
        tasks([3]),
        "an idle one before a busy one that knows F"
    );
    env.submit_with(4, G, Options::default());
    assert_eq!(env.given(2), tasks([4]), "idle processes again");
    env.submit_with(5, G, Options::default());
    assert_eq!(env.given(2), tasks([5]), "all busy: the one that knows G");
    env.submit_with(6, F, Options::default());
    assert_eq!(
        env.given(1),
        tasks([6]),
        "both know F: the least recently used"
    );
}

#[test]
fn a_batch_is_cut_before_it_outgrows_a_frame() {
    let mut env = TestEnv::new();
    env.join(1, 600);
    env.heard(1);
    env.submit_all(1..=600);
    let heard = env.heard(1).into_iter();
    let sizes: Vec<usize> = heard
        .filter_map(|body| match body {
            ToWorker::Run(runs) => Some(runs.len()),
            _ => None,
        })
        .collect();
    assert_eq!(sizes.iter().sum::<usize>(), 600);
    assert!(sizes.iter().all(|size| *size <= crate::timing::BATCH_ITEMS));
}

#[test]
fn two_tasks_with_a_loss_never_share_a_worker() {
    let mut env = TestEnv::new();
    env.join(1, 2);
    env.submit_all(1..=2);
    env.wait(secs(3));
    assert_eq!(
        (env.last_reason(1), env.last_reason(2)),
        (Some(EndReason::WorkerLost), Some(EndReason::WorkerLost))
    );
    env.join(2, 4);
    assert_eq!(env.given(2), [task(1, 2)]);
    env.submit(3);
    assert_eq!(env.given(2), [task(3, 1)], "others may");
    env.join(3, 4);
    assert_eq!(env.given(3), [task(2, 2)]);
}

#[test]
fn tasks_with_a_loss_follow_each_other_without_a_pause() {
    let mut env = TestEnv::new();
    env.join(1, 3);
    env.submit_all(1..=3);
    env.wait(secs(3));
    env.join(2, 4);
    for number in 1..=3 {
        assert_eq!(env.given(2), [task(number, 2)]);
        env.finish(2, task(number, 2));
    }
    assert_eq!(env.status(3), Status::Completed);
}

#[test]
fn a_task_that_loses_its_worker_three_times_fails_with_its_history() {
    let mut env = TestEnv::new();
    env.submit(1);
    for worker in 1..=3 {
        env.join(worker, 1);
        assert_eq!(env.given(worker).len(), 1);
        env.wait(secs(3));
    }
    env.join(4, 1);
    assert_eq!(env.given(4), []);
    assert_eq!((env.status(1), env.row(1).past.len()), (Status::Failed, 3));
}

#[test]
fn a_task_with_a_loss_is_placed_first_because_it_has_less_choice() {
    let mut env = TestEnv::new();
    env.join(1, 2);
    env.submit_with(9, F, Options::default());
    env.finish(1, task(9, 1));
    env.submit_with(1, G, Options::default());
    env.submit_with(2, G, Options::default());
    env.wait(secs(3));
    env.join(2, 2);
    assert_eq!(env.given(2), [task(1, 2)]);
    env.submit_quietly(3, F, Options::default());
    env.join(3, 1);
    assert_eq!(
        (env.given(3), env.given(2)),
        (vec![task(2, 2)], vec![task(3, 1)])
    );
}

#[test]
fn nothing_is_claimed_while_every_worker_has_enough_ahead() {
    let mut env = TestEnv::new();
    env.hello(1, Greeting::push(10).processes(1));
    env.submit_all(1..=30);
    assert_eq!(
        env.claims_asked().first(),
        Some(&10),
        "all that it would hold"
    );
    for number in 1..=3 {
        env.finish(1, task(number, 1));
    }
    assert_eq!(env.claims_asked(), [0; 0], "seven are enough for now");
    env.finish_all(1, [task(4, 1), task(5, 1), task(6, 1)]);
    assert_eq!(env.claims_asked(), [6], "half of them are not");
}

/// A dispatcher that claims two tasks at a time, and whose worker has room for ten.
fn with_small_claims() -> TestEnv {
    let mut env = TestEnv::with(|config| config.claim_limit = 2);
    env.join(1, 10);
    env.take_asked();
    env
}

#[test]
fn full_claims_do_not_wait_for_each_other() {
    let mut env = with_small_claims();
    env.hold_store();
    for _ in 0..3 {
        env.feed(Input::DoorbellRang);
    }
    assert_eq!(env.claims_asked(), [2, 2, 2], "one for each reason");
    for _ in 0..3 {
        env.feed(Input::DoorbellRang);
    }
    assert_eq!(env.claims_asked(), [2, 2], "all free credit is asked for");
}

#[test]
fn a_long_queue_is_taken_by_ever_more_claims_at_once() {
    let mut env = with_small_claims();
    env.hold_store();
    for number in 1..=9 {
        env.submit_quietly(number, F, Options::default());
    }
    env.feed(Input::DoorbellRang);
    assert_eq!(env.claims_asked(), [2], "one reason");
    env.release_one(is_claim);
    assert_eq!(env.claims_asked(), [2, 2], "it was full");
    env.release_one(is_claim);
    assert_eq!(env.claims_asked(), [0; 0], "the other will tell");
    env.release_one(is_claim);
    assert_eq!(env.claims_asked(), [2, 2], "all that is free");
    env.release_store();
    assert_eq!(env.given(1), tasks(1..=9));
}

#[test]
fn each_lost_claim_is_repeated_and_brings_what_it_took() {
    let mut env = with_small_claims();
    env.hold_store();
    for number in 1..=4 {
        env.submit_quietly(number, F, Options::default());
    }
    env.feed(Input::DoorbellRang);
    env.feed(Input::DoorbellRang);
    env.lose_answer(is_claim);
    env.lose_answer(is_claim);
    assert_eq!(env.store.queued(), 0);
    env.release_store();
    env.wait_beating(ms(200));
    assert_eq!(env.given(1), tasks(1..=4));
}

#[test]
fn claims_that_arrive_in_another_order_lose_no_task() {
    let mut env = with_small_claims();
    env.hold_store();
    for number in 1..=4 {
        env.submit_quietly(number, F, Options::default());
    }
    env.feed(Input::DoorbellRang);
    env.feed(Input::DoorbellRang);
    let second = |op: &Op| matches!(op, Op::Claim(claim) if claim.number == 3);
    env.release_one(second);
    env.release_store();
    env.wait_beating(ms(500));
    assert_eq!(env.given(1), tasks(1..=4));
}

#[test]
fn no_claim_is_so_far_ahead_that_an_answer_is_forgotten() {
    let mut env = TestEnv::with(|config| config.claim_limit = 1);
    env.join(1, 1_000);
    env.take_asked();
    env.hold_store();
    let most = (store::op::CLAIMS_KEPT - store::op::CLAIMS_AHEAD) as usize;
    for _ in 0..2 * most {
        env.feed(Input::DoorbellRang);
    }
    assert_eq!(env.claims_asked().len(), most);
    let newest = env.held.iter().rev().find(|(_, op)| is_claim(op)).cloned();
    let (request, _) = newest.expect("it is under way");
    env.held.retain(|(held, _)| *held != request);
    let reply = Reply::Claimed(vec![]);
    env.feed(Input::StoreReplied { request, reply });
    env.feed(Input::DoorbellRang);
    assert_eq!(env.claims_asked(), [0; 0], "the oldest is still under way");
}

#[test]
fn a_worker_with_idle_processes_gets_what_they_can_begin_with_from_a_long_queue() {
    let mut env = TestEnv::with(|config| config.claim_limit = 4);
    for worker in 1..=2 {
        env.hello(worker, Greeting::push(6).processes(3));
    }
    env.take_asked();
    env.submit_all(1..=3);
    let spread = [env.given(1).len(), env.given(2).len()];
    assert_eq!(spread, [2, 1], "few are spread");
    env.finish_all(1, tasks([1, 3]));
    env.finish_all(2, tasks([2]));
    env.hold_store();
    for number in 11..=14 {
        env.submit_quietly(number, F, Options::default());
    }
    env.feed(Input::DoorbellRang);
    env.release_one(is_claim);
    let given = [env.given(1).len(), env.given(2).len()];
    assert_eq!(given.iter().sum::<usize>(), 4);
    assert!(given.contains(&3), "{given:?}: all that are idle at once");
}

#[test]
fn an_answer_that_does_not_fit_ends_no_claiming() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.take_asked();
    env.hold_store();
    env.submit_quietly(1, F, Options::default());
    env.feed(Input::DoorbellRang);
    let (request, _) = env.take_held(is_claim);
    let reply = Reply::Done;
    env.feed(Input::StoreReplied { request, reply });
    env.release_store();
    env.wait_beating(ms(500));
    assert_eq!(env.given(1), tasks([1]));
}
