//! Sessions: Hello, adoption, numbers (R5, R6, R8).

use super::*;

#[test]
fn hello_adopts_what_it_lists() {
    let mut env = TestEnv::new();
    env.join(1, 2);
    env.submit_all(1..=2);
    env.hello(
        1,
        Greeting::push(2).running(tasks([1])).finished(tasks([2])),
    );
    assert_eq!(env.dispatcher.counters().adopted, 2);
    assert_eq!((env.row(1).seat, env.row(2).seat), (2, 2));
    assert_eq!(env.free(), 0, "what is adopted uses credit");
    env.finish_all(1, tasks([1, 2]));
    assert_eq!(
        (env.status(1), env.status(2)),
        (Status::Completed, Status::Completed)
    );
}

#[test]
fn hello_gives_back_what_it_does_not_list_and_nobody_is_charged() {
    let mut env = TestEnv::new();
    env.join(1, 2);
    env.submit_all(1..=2);
    env.given(1);
    env.hello(1, Greeting::push(2).running(tasks([1])));
    assert_eq!(env.last_reason(2), Some(EndReason::NotHeld));
    assert_eq!(
        env.given(1),
        [task(2, 2)],
        "a new attempt, through Requeue and Claim"
    );
    assert_eq!(env.row(2).losses, 0);
}

#[test]
fn credit_counts_what_a_hello_lists_from_the_moment_it_is_read() {
    let mut env = TestEnv::new();
    env.join(1, 2);
    env.submit_all(1..=4);
    env.given(1);
    env.hold_store();
    env.hello(1, Greeting::push(2).running(tasks([1, 2])));
    assert_eq!(env.free(), 0);
    env.release_store();
    assert_eq!(env.given(1), []);
}

#[test]
fn a_restarted_dispatcher_adopts_and_runs_nothing_twice() {
    let mut env = TestEnv::new();
    env.at_store(Op::OpenLease { incarnation: OTHER });
    env.submit_quietly(1, F, Options::default());
    claim_for(&mut env, OTHER, 1);
    env.hello(1, Greeting::push(2).running(tasks([1])));
    assert_eq!(env.row(1).holder.as_ref().map(|h| h.dispatcher), Some(ME));
    assert_eq!(env.row(1).attempt, 1);
    env.finish(1, task(1, 1));
    assert_eq!(env.status(1), Status::Completed);
}

#[test]
fn what_cannot_be_adopted_is_dropped_and_frees_its_credit() {
    let mut env = TestEnv::new();
    env.submit_quietly(1, F, Options::default());
    env.at_store(Op::Cancel { task: TaskId(1) });
    env.hello(1, Greeting::push(1).running(tasks([1])));
    let heard = env.heard(1);
    assert_eq!(heard.last(), Some(&ToWorker::Drop(tasks([1]))));
    assert_eq!(env.free(), 1);
    env.finish(1, task(1, 1));
    assert_eq!(
        env.heard(1),
        [],
        "its result crossed the Drop and counts for nothing"
    );
}

#[test]
fn an_adoption_that_returns_after_its_session_is_requeued() {
    let mut env = TestEnv::new();
    env.at_store(Op::OpenLease { incarnation: OTHER });
    env.submit_quietly(1, F, Options::default());
    claim_for(&mut env, OTHER, 1);
    env.hold_store();
    env.hello(1, Greeting::push(1).running(tasks([1])));
    env.close(1);
    env.wait(ms(500));
    env.release_store();
    assert_eq!((env.status(1), env.row(1).seat), (Status::Queued, 1));
    assert_eq!(env.last_reason(1), Some(EndReason::WorkerLost));
}

#[test]
fn a_claim_that_was_out_before_the_hello_wins_and_the_old_attempt_is_dropped() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    env.wait(secs(3));
    env.hold_store();
    env.join(2, 1);
    env.hello(1, Greeting::push(1).running(tasks([1])));
    env.release_one(|op| matches!(op, Op::Claim(_)));
    env.release_store();
    assert_eq!(env.given(2), [task(1, 2)]);
    assert_eq!(env.heard(1).last(), Some(&ToWorker::Drop(tasks([1]))));
    env.finish(2, task(1, 2));
    assert_eq!(env.row(1).outcome, Some(outcome_of(task(1, 2))));
}

#[test]
fn a_claim_leaves_out_what_is_being_adopted() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    env.wait(secs(3));
    env.hold_store();
    env.hello(1, Greeting::push(1).running(tasks([1])));
    env.join(2, 1);
    let claim = env.held.iter().find_map(|(_, op)| match op {
        Op::Claim(claim) => Some(claim.except.clone()),
        _ => None,
    });
    assert_eq!(claim, Some(vec![TaskId(1)]));
    env.release_store();
    assert_eq!((env.row(1).attempt, env.status(1)), (1, Status::Running));
}

#[test]
fn a_hello_that_overtakes_the_death_of_its_worker_is_adopted() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    env.hold_store();
    env.wait(secs(3));
    env.hello(1, Greeting::push(1).running(tasks([1])));
    env.release_store();
    assert_eq!((env.status(1), env.row(1).attempt), (Status::Running, 1));
    assert!(!env.row(1).marked, "adoption erases the mark");
    env.finish(1, task(1, 1));
    assert_eq!(env.status(1), Status::Completed);
}

#[test]
fn an_older_session_is_ignored() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    let old = env.guest(1).clone();
    env.hello(1, Greeting::push(1).running(tasks([1])));
    env.heard(1);
    let stale = env.dispatcher.counters().stale_messages;
    let late = ToDispatcher::Returned {
        tasks: tasks([1]),
        missing: vec![],
    };
    env.say_in(1, old.session, old.peer.clone(), 2, late);
    let hello = ToDispatcher::Hello(Greeting::push(9).0);
    env.say_in(1, old.session, old.peer, 1, hello);
    assert_eq!(env.status(1), Status::Running);
    assert_eq!(env.dispatcher.counters().stale_messages, stale + 2);
    assert_eq!(env.heard(1), []);
}

#[test]
fn an_unknown_session_is_asked_for_a_hello() {
    let mut env = TestEnv::new();
    env.say_in(
        1,
        7,
        peer(1, 7),
        UNNUMBERED,
        ToDispatcher::Beat { last: 4, credit: 1 },
    );
    let mail = &env.mail[&peer(1, 7)];
    assert_eq!((mail[0].session, &mail[0].body), (7, &ToWorker::SayHello));
    assert!(!env.is_live(1));
}

#[test]
fn a_session_is_bound_to_its_connection() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    let body = ToDispatcher::Goodbye {
        returned: tasks([1]),
    };
    env.say_in(1, 1, peer(66, 1), 2, body);
    assert_eq!(env.status(1), Status::Running);
    assert_eq!(env.mail[&peer(66, 1)][0].body, ToWorker::SayHello);
}

#[test]
fn a_gap_ends_the_session_and_nothing_after_it_is_processed() {
    let mut env = TestEnv::new();
    env.join(1, 2);
    env.submit_all(1..=2);
    env.given(1);
    env.say_into_the_void(1);
    env.finish(1, task(1, 1));
    assert_eq!(env.heard(1), [ToWorker::SayHello]);
    env.finish(1, task(2, 1));
    assert_eq!(
        (env.status(1), env.status(2)),
        (Status::Running, Status::Running)
    );
    assert_eq!(env.dispatcher.report().free, 0);
    env.hello(1, Greeting::push(2).finished(tasks([1, 2])));
    env.finish_all(1, tasks([1, 2]));
    assert_eq!(
        (env.status(1), env.status(2)),
        (Status::Completed, Status::Completed)
    );
}

#[test]
fn a_beat_tells_of_a_message_that_was_lost_at_the_end() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.heard(1);
    env.say_into_the_void(1);
    env.beat(1);
    assert_eq!(env.heard(1), [ToWorker::SayHello]);
    assert_eq!(env.dispatcher.counters().gaps, 1);
}

#[test]
fn a_beat_that_comes_again_says_nothing() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    env.hand_back(1, &tasks([1]));
    env.heard(1);
    // Sent before the hand-back, with a credit of then.
    let (last, credit) = (1, 7);
    env.say_numbered(1, UNNUMBERED, ToDispatcher::Beat { last, credit });
    assert_eq!(env.dispatcher.counters().gaps, 0);
    assert_eq!(env.dispatcher.report().free, 0);
    assert_eq!(env.heard(1), []);
}

#[test]
fn repeated_numbers_are_ignored() {
    let mut env = TestEnv::new();
    env.join(1, 2);
    env.submit(1);
    env.hand_back(1, &tasks([1]));
    env.given(1);
    let again = ToDispatcher::Returned {
        tasks: vec![task(1, 2)],
        missing: vec![],
    };
    env.say_numbered(1, 2, again);
    assert_eq!(env.row(1).attempt, 2);
    assert_eq!(env.dispatcher.counters().gaps, 0);
}

#[test]
fn a_session_after_a_broken_one_starts_its_numbers_anew() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.say_into_the_void(1);
    env.beat(1);
    env.hello(1, Greeting::push(1));
    env.submit(1);
    assert_eq!(env.given(1), tasks([1]));
    env.finish(1, task(1, 1));
    assert_eq!(env.status(1), Status::Completed);
}

#[test]
fn a_worker_that_moved_on_takes_its_tasks_along() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    env.at_store(Op::OpenLease { incarnation: OTHER });
    let item = Adoption {
        task: TaskId(1),
        attempt: 1,
        session: 2,
        worker: WorkerId(1).into(),
    };
    env.at_store(Op::Adopt {
        incarnation: OTHER,
        tasks: vec![item],
    });
    env.wait(secs(3));
    let owner = env.row(1).holder.as_ref().map(|h| h.dispatcher);
    assert_eq!((env.status(1), owner), (Status::Running, Some(OTHER)));
    assert_eq!(env.dispatcher.believed().count(), 0);
}

/// Somebody else claims tasks.
fn claim_for(env: &mut TestEnv, incarnation: Incarnation, max: u32) {
    env.at_store(Op::Claim(Claim {
        incarnation,
        number: 1,
        max,
        suspects: 0,
        places: 0,
        except: vec![],
    }));
}

#[test]
fn a_claim_leaves_out_what_may_be_queued_while_its_result_is_here() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    env.hold_store();
    env.wait(secs(3));
    env.hello(1, Greeting::push(1).finished(tasks([1])));
    env.finish(1, task(1, 1));
    env.join(2, 1);
    env.release_store();
    assert_eq!(
        (env.status(1), env.row(1).attempt),
        (Status::Completed, 1),
        "given back by the death, and committed all the same"
    );
    assert_eq!(env.given(2), []);
}

#[test]
fn an_adoption_for_one_worker_says_nothing_of_another() {
    let mut env = TestEnv::new();
    env.at_store(Op::OpenLease { incarnation: OTHER });
    env.submit_quietly(1, F, Options::default());
    claim_for(&mut env, OTHER, 1);
    env.hold_store();
    for worker in 1..=2 {
        env.hello(worker, Greeting::push(1).running(tasks([1])));
        if worker == 1 {
            env.wait(secs(3));
        }
    }
    env.release_store();
    assert_eq!(env.free(), 0, "the one that lives has it");
    env.finish(2, task(1, 1));
    assert_eq!(env.status(1), Status::Completed);
}
