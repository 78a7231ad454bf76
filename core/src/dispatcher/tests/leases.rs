//! The lease: opened, renewed, lost; looking after others' tasks and one's own (R4, the safety net).

use super::*;

fn is_claim(op: &Op) -> bool {
    matches!(op, Op::Claim(_))
}

fn is_renewal(op: &Op) -> bool {
    matches!(op, Op::Renew { .. })
}

#[test]
fn nothing_is_claimed_before_the_lease_is_open() {
    let mut env = TestEnv::unconnected(|_| {});
    env.submit_all([1]);
    env.join(1, 1);
    env.hold_store();
    env.feed(Input::StoreConnected);
    assert_eq!(env.claims_asked(), [0u32; 0]);
    env.release_store();
    assert_eq!(env.given(1), tasks([1]));
}

#[test]
fn the_lease_is_renewed_as_long_as_the_dispatcher_lives() {
    let mut env = TestEnv::new();
    env.wait(secs(60));
    assert_eq!(
        env.at_store(Op::Reap),
        Reply::Reaped {
            tasks: 0,
            more: false
        }
    );
    assert!(env.store.lease(ME).is_some());
}

#[test]
fn a_renewal_reports_what_the_dispatcher_sees() {
    let mut env = TestEnv::new();
    env.join(1, 4);
    env.submit(1);
    env.wait_beating(secs(3));
    let report = env.store.lease(ME).and_then(|lease| lease.report);
    let report = report.expect("reported");
    assert_eq!((report.workers, report.held, report.free), (1, 1, 3));
}

#[test]
fn the_store_learns_where_a_long_task_is() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    env.wait_beating(secs(4));
    let holder = env.row(1).holder.clone().expect("it runs");
    assert_eq!(holder.worker, Some(WorkerId(1).into()));
}

#[test]
fn a_dead_dispatchers_tasks_come_back_after_its_lease() {
    let mut env = TestEnv::new();
    env.at_store(Op::OpenLease { incarnation: OTHER });
    env.submit_quietly(1, F, Options::default());
    claim(&mut env, OTHER);
    env.join(1, 1);
    env.wait_beating(secs(9));
    assert_eq!(env.given(1), []);
    env.wait_beating(secs(4));
    assert_eq!(env.given(1), [task(1, 2)]);
    assert_eq!(env.last_reason(1), Some(EndReason::DispatcherLost));
}

#[test]
fn nobody_reaps_within_one_lease_of_its_own_reconnection() {
    let mut env = TestEnv::new();
    env.wait(secs(30));
    env.store_goes_away();
    env.at_store(Op::OpenLease { incarnation: OTHER });
    env.submit_quietly(1, F, Options::default());
    claim(&mut env, OTHER);
    env.wait(secs(20));
    env.store_comes_back();
    env.wait(ms(9_900));
    assert_eq!(
        env.status(1),
        Status::Running,
        "its owner may be as far away as this one was"
    );
    env.wait(secs(4));
    assert_eq!(env.status(1), Status::Queued);
}

#[test]
fn a_lost_lease_means_a_new_incarnation_and_a_hello_from_everybody() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.join(2, 1);
    env.submit(1);
    env.given(1);
    env.given(2);
    lose_lease(&mut env);
    env.wait_beating(secs(3));
    assert_eq!(env.dispatcher.incarnation(), ME.next());
    for worker in 1..=2 {
        assert!(env.heard(worker).contains(&ToWorker::SayHello));
        assert!(!env.is_live(worker));
    }
    assert_eq!(env.dispatcher.believed().count(), 0);
    env.hello(1, Greeting::push(1).running(tasks([1])));
    assert_eq!(
        env.row(1).holder.as_ref().map(|h| h.dispatcher),
        Some(ME.next())
    );
    env.finish(1, task(1, 1));
    env.submit(2);
    assert_eq!(env.given(1), tasks([2]));
}

#[test]
fn the_answer_to_an_older_incarnations_claim_is_thrown_away() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.hold_store();
    env.submit(1);
    env.wait_beating(secs(3));
    let claim_answer = {
        let (request, op) = env.take_held(is_claim);
        (request, env.at_store(op))
    };
    lose_lease(&mut env);
    env.release_one(is_renewal);
    let (request, reply) = claim_answer;
    env.feed(Input::StoreReplied { request, reply });
    env.release_store();
    assert_eq!(env.given(1), [], "its session was forgotten with the lease");
    env.hello(1, Greeting::push(1));
    env.wait_beating(secs(12));
    assert_eq!(env.given(1), [task(1, 2)], "reaped, and claimed anew");
}

#[test]
fn an_adoption_without_a_lease_starts_over() {
    let mut env = TestEnv::new();
    lose_lease(&mut env);
    env.submit_quietly(1, F, Options::default());
    env.hello(1, Greeting::push(1).running(tasks([1])));
    assert_eq!(env.dispatcher.incarnation(), ME.next());
    assert!(env.heard(1).contains(&ToWorker::SayHello));
}

#[test]
fn what_the_store_lists_twice_and_nobody_knows_here_is_requeued() {
    let mut env = TestEnv::new();
    env.submit_quietly(1, F, Options::default());
    claim(&mut env, ME);
    env.wait(secs(5));
    assert_eq!(env.status(1), Status::Running, "once is no evidence");
    env.wait(secs(2));
    assert_eq!(
        (env.status(1), env.last_reason(1)),
        (Status::Queued, Some(EndReason::Unaccounted))
    );
}

#[test]
fn the_safety_net_waits_for_a_claim_whose_answer_is_under_way() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.hold_store();
    env.submit(1);
    let (request, op) = env.take_held(is_claim);
    let reply = env.at_store(op);
    env.link = Link::Answers;
    env.wait_beating(secs(20));
    assert_eq!(env.status(1), Status::Running);
    env.feed(Input::StoreReplied { request, reply });
    assert_eq!(env.given(1), tasks([1]));
}

#[test]
fn the_safety_net_leaves_alone_what_is_known_here() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    env.wait_beating(secs(60));
    assert_eq!((env.status(1), env.row(1).attempt), (Status::Running, 1));
}

/// The lease runs out at the store and somebody closes it.
#[test]
fn an_opening_that_comes_too_late_means_the_next_incarnation() {
    let mut env = TestEnv::new();
    lose_lease(&mut env);
    let incarnation = ME.next();
    env.at_store(Op::OpenLease { incarnation });
    env.at_store(Op::Release { incarnation });
    env.wait(secs(4));
    assert_eq!(env.dispatcher.incarnation(), incarnation.next());
    env.join(1, 1);
    env.submit(1);
    assert_eq!(env.given(1), tasks([1]));
}

fn lose_lease(env: &mut TestEnv) {
    let late = WallTime(env.wall().0 + 60_000);
    env.store.apply(late, Op::Reap);
    env.at_store(Op::OpenLease { incarnation: OTHER });
}

/// A claim that the dispatcher knows nothing of.
fn claim(env: &mut TestEnv, incarnation: Incarnation) {
    let reply = env.at_store(Op::Claim(Claim {
        incarnation,
        number: 1_000,
        max: 1,
        suspects: 0,
        places: 0,
        except: vec![],
    }));
    assert!(matches!(reply, Reply::Claimed(tasks) if tasks.len() == 1));
}

#[test]
fn a_running_task_that_was_cancelled_is_dropped_at_the_next_renewal() {
    let mut env = TestEnv::new();
    env.join(1, 1);
    env.submit(1);
    assert_eq!(env.given(1), tasks([1]));
    env.at_store(Op::Cancel { task: TaskId(1) });
    env.wait_beating(Config::new(ME, Mode::Push).renew);
    let dropped = |body: &ToWorker| *body == ToWorker::Drop(tasks([1]));
    assert!(env.heard(1).iter().any(dropped));
    env.submit(2);
    assert_eq!(env.given(1), tasks([2]), "its credit is free again");
}
