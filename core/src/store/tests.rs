//! The store's rules, one test a sentence.

mod ahead;

use std::time::Duration;

use bytes::Bytes;

use super::op::*;
use super::{Config, Store};
use crate::id::{FunctionId, Incarnation, TaskId, WorkerId};
use crate::machine::Machine;
use crate::task::{FailureKind, Options, Outcome, Status};
use crate::time::WallTime;

const FIRST: Incarnation = Incarnation { boot: 1, epoch: 0 };
const SECOND: Incarnation = Incarnation { boot: 2, epoch: 0 };

/// A store with its clock, and the shortest way to say what happens to it.
struct TestEnv {
    store: Store,
    now: WallTime,
    numbers: u64,
}

impl TestEnv {
    fn new() -> TestEnv {
        let mut env = TestEnv {
            store: Store::new(Config::default()),
            now: WallTime(1_000),
            numbers: 0,
        };
        env.apply(Op::OpenLease { incarnation: FIRST });
        env.apply(Op::OpenLease {
            incarnation: SECOND,
        });
        env
    }

    fn apply(&mut self, op: Op) -> Reply {
        let reply = self.store.apply(self.now, op);
        self.store.check().expect("the store is consistent");
        reply
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    fn submit(&mut self, task: u128) -> TaskId {
        self.submit_with(task, Options::default())
    }

    fn submit_with(&mut self, task: u128, options: Options) -> TaskId {
        let params = Bytes::from_static(b"params");
        let submission = Submission {
            task: TaskId(task),
            function: FunctionId(9),
            params,
            options,
        };
        let reply = self.apply(Op::Submit(vec![submission]));
        assert_eq!(reply, Reply::Submitted(vec![Submitted::Accepted]));
        TaskId(task)
    }

    fn claim(&mut self, incarnation: Incarnation, max: u32) -> Vec<(TaskId, u32)> {
        self.numbers += 1;
        self.claim_numbered(incarnation, self.numbers, max)
    }

    fn claim_numbered(&mut self, who: Incarnation, number: u64, max: u32) -> Vec<(TaskId, u32)> {
        let claim = Claim {
            incarnation: who,
            number,
            max,
            suspects: max,
            places: max,
            except: vec![],
        };
        match self.apply(Op::Claim(claim)) {
            Reply::Claimed(tasks) => tasks.iter().map(|c| (c.task, c.attempt)).collect(),
            other => panic!("{other:?}"),
        }
    }

    fn requeue(&mut self, task: TaskId, attempt: u32, seat: u64, reason: EndReason) -> Verdict {
        let item = Requeue {
            task,
            attempt,
            owner: FIRST,
            seat,
            worker: None,
            reason,
        };
        match self.apply(Op::Requeue(vec![item])) {
            Reply::Requeued(verdicts) => verdicts[0],
            other => panic!("{other:?}"),
        }
    }

    fn commit(&mut self, task: TaskId, attempt: u32) -> Verdict {
        let outcome = Outcome::completed(vec![attempt as u8]);
        let commit = Commit {
            task,
            attempt,
            worker: Some(WorkerId(5).into()),
            outcome,
        };
        match self.apply(Op::Commit(vec![commit])) {
            Reply::Committed(verdicts) => verdicts[0],
            other => panic!("{other:?}"),
        }
    }

    fn adopt(&mut self, who: Incarnation, task: TaskId, attempt: u32, session: u64) -> Verdict {
        let item = Adoption {
            task,
            attempt,
            session,
            worker: WorkerId(5).into(),
        };
        match self.apply(Op::Adopt {
            incarnation: who,
            tasks: vec![item],
        }) {
            Reply::Adopted(verdicts) => verdicts[0],
            other => panic!("{other:?}"),
        }
    }

    fn status(&self, task: TaskId) -> Status {
        self.store.task(task).expect("the task exists").status
    }
}

#[test]
fn the_same_submission_again_is_the_same_task() {
    let mut env = TestEnv::new();
    env.submit(1);
    env.submit(1);
    assert_eq!(env.store.queued(), 1);
}

#[test]
fn tasks_are_claimed_in_the_order_of_submission() {
    let mut env = TestEnv::new();
    let tasks = [env.submit(3), env.submit(1), env.submit(2)];
    assert_eq!(env.claim(FIRST, 2), [(tasks[0], 1), (tasks[1], 1)]);
    assert_eq!(env.claim(SECOND, 2), [(tasks[2], 1)]);
}

#[test]
fn a_repeated_claim_gets_the_same_answer_less_what_moved_on() {
    let mut env = TestEnv::new();
    let (a, b) = (env.submit(1), env.submit(2));
    env.submit(3);
    assert_eq!(env.claim_numbered(FIRST, 7, 2), [(a, 1), (b, 1)]);
    assert_eq!(env.claim_numbered(FIRST, 7, 2), [(a, 1), (b, 1)]);
    env.commit(a, 1);
    assert_eq!(env.claim_numbered(FIRST, 7, 2), [(b, 1)]);
}

#[test]
fn each_claim_under_way_is_repeated_by_itself() {
    let mut env = TestEnv::new();
    let tasks: Vec<_> = (1..=4).map(|task| env.submit(task)).collect();
    let answers = [7, 8, 9, 10].into_iter().zip(&tasks);
    for (number, task) in answers.clone().chain(answers.rev()) {
        assert_eq!(env.claim_numbered(FIRST, number, 1), [(*task, 1)]);
    }
    env.commit(tasks[1], 1);
    assert_eq!(env.claim_numbered(FIRST, 8, 1), []);
}

#[test]
fn a_late_claim_with_a_smaller_number_takes_nothing() {
    let mut env = TestEnv::new();
    let (a, b) = (env.submit(1), env.submit(2));
    assert_eq!(env.claim_numbered(FIRST, 8, 1), [(a, 1)]);
    assert_eq!(env.claim_numbered(FIRST, 7, 1), [], "the later was first");
    assert_eq!(env.status(b), Status::Queued);
}

#[test]
fn an_answer_is_kept_as_long_as_it_may_be_asked_for() {
    let mut env = TestEnv::new();
    let tasks: Vec<_> = (0..=CLAIMS_KEPT)
        .map(|n| env.submit(1 + u128::from(n)))
        .collect();
    for (number, task) in (1..=CLAIMS_KEPT).zip(&tasks) {
        assert_eq!(env.claim_numbered(FIRST, number, 1), [(*task, 1)]);
    }
    assert_eq!(env.claim_numbered(FIRST, 1, 1), [(tasks[0], 1)]);
    env.claim_numbered(FIRST, CLAIMS_KEPT + 1, 1);
    assert_eq!(env.claim_numbered(FIRST, 1, 1), []);
    assert_eq!(env.claim_numbered(FIRST, 2, 1), [(tasks[1], 1)]);
    let lease = env.store.lease(FIRST).expect("it is live");
    assert_eq!(lease.claim_answers.len() as u64, CLAIMS_KEPT);
}

#[test]
fn the_doorbell_rings_again_for_each_claim_that_the_queue_has_grown_by() {
    let mut env = TestEnv::new();
    let mut rings = |tasks: std::ops::Range<u128>| {
        for task in tasks {
            env.submit(task);
        }
        std::iter::from_fn(|| env.store.poll_notice()).count()
    };
    let every = BELL_EVERY as u128;
    assert_eq!(rings(0..1), 1);
    assert_eq!(rings(1..every), 0, "one claim brings them all");
    assert_eq!(rings(every..every + 1), 1);
    assert_eq!(rings(every + 1..3 * every), 1);
}

#[test]
fn a_task_given_back_goes_in_front_and_gets_a_new_attempt() {
    let mut env = TestEnv::new();
    let (a, b) = (env.submit(1), env.submit(2));
    env.claim(FIRST, 1);
    assert_eq!(env.requeue(a, 1, 0, EndReason::HandedBack), Verdict::Ok);
    assert_eq!(env.requeue(a, 1, 0, EndReason::HandedBack), Verdict::Stale);
    assert_eq!(env.claim(FIRST, 2), [(a, 2), (b, 1)]);
}

#[test]
fn only_the_current_attempt_commits_and_only_once() {
    let mut env = TestEnv::new();
    let task = env.submit(1);
    env.claim(FIRST, 1);
    env.requeue(task, 1, 0, EndReason::WorkerLost);
    env.claim(SECOND, 1);
    assert_eq!(env.commit(task, 1), Verdict::Stale);
    assert_eq!(env.commit(task, 2), Verdict::Ok);
    assert_eq!(env.commit(task, 2), Verdict::Stale);
    let outcome = env.store.task(task).and_then(|row| row.outcome.clone());
    assert_eq!(outcome, Some(Outcome::completed(vec![2])));
}

#[test]
fn a_result_of_a_requeued_attempt_still_counts_until_the_next_claim() {
    let mut env = TestEnv::new();
    let task = env.submit(1);
    env.claim(FIRST, 1);
    env.requeue(task, 1, 0, EndReason::WorkerLost);
    assert_eq!(env.commit(task, 1), Verdict::Ok);
    assert_eq!(env.claim(FIRST, 1), []);
    assert!(
        env.store
            .task(task)
            .is_some_and(|row| row.past.is_empty() && row.holder.is_some())
    );
}

#[test]
fn adoption_needs_a_newer_session_and_moves_the_seat() {
    let mut env = TestEnv::new();
    let task = env.submit(1);
    env.claim(FIRST, 1);
    assert_eq!(env.adopt(SECOND, task, 1, 4), Verdict::Ok);
    assert_eq!(env.adopt(SECOND, task, 1, 4), Verdict::Ok, "a repeat");
    assert_eq!(
        env.adopt(FIRST, task, 1, 4),
        Verdict::Stale,
        "somebody else's repeat"
    );
    assert_eq!(
        env.requeue(task, 1, 0, EndReason::WorkerLost),
        Verdict::Stale,
        "not the owner"
    );
    assert_eq!(env.adopt(FIRST, task, 1, 5), Verdict::Ok);
    assert_eq!(
        env.requeue(task, 1, 4, EndReason::WorkerLost),
        Verdict::Stale,
        "an old seat"
    );
    assert_eq!(env.requeue(task, 1, 5, EndReason::WorkerLost), Verdict::Ok);
}

#[test]
fn adoption_out_of_the_queue_erases_the_mark_and_the_past() {
    let mut env = TestEnv::new();
    let task = env.submit(1);
    env.claim(FIRST, 1);
    env.requeue(task, 1, 0, EndReason::WorkerLost);
    assert_eq!(env.adopt(FIRST, task, 1, 2), Verdict::Ok);
    let row = env.store.task(task).expect("the task exists");
    assert_eq!(
        (row.status, row.marked, row.past.len()),
        (Status::Running, false, 0)
    );
}

#[test]
fn three_losses_fail_a_task_and_it_keeps_its_history() {
    let mut env = TestEnv::new();
    let task = env.submit(1);
    for attempt in 1..=3 {
        assert_eq!(env.claim(FIRST, 1), [(task, attempt)]);
        env.requeue(task, attempt, 0, EndReason::WorkerLost);
    }
    assert_eq!(env.claim(FIRST, 1), []);
    let row = env.store.task(task).expect("the task exists");
    assert_eq!(
        (row.status, row.losses, row.past.len()),
        (Status::Failed, 3, 3)
    );
    let failure = row
        .outcome
        .clone()
        .expect("an outcome")
        .result
        .expect_err("a failure");
    assert_eq!(failure.kind, FailureKind::WorkerLost);
}

#[test]
fn a_claim_takes_no_more_suspects_than_it_has_room_for() {
    let mut env = TestEnv::new();
    let tasks = [env.submit(1), env.submit(2), env.submit(3)];
    env.claim(FIRST, 2);
    env.requeue(tasks[0], 1, 0, EndReason::WorkerLost);
    env.requeue(tasks[1], 1, 0, EndReason::WorkerLost);
    let claim = Claim {
        incarnation: FIRST,
        number: 9,
        max: 3,
        suspects: 1,
        places: 0,
        except: vec![],
    };
    let Reply::Claimed(claimed) = env.apply(Op::Claim(claim)) else {
        panic!("claimed")
    };
    assert_eq!(
        claimed.iter().map(|c| c.task).collect::<Vec<_>>(),
        [tasks[0], tasks[2]]
    );
}

#[test]
fn a_claim_leaves_the_excepted_where_they_are() {
    let mut env = TestEnv::new();
    let (a, b) = (env.submit(1), env.submit(2));
    let claim = Claim {
        incarnation: FIRST,
        number: 9,
        max: 3,
        suspects: 1,
        places: 0,
        except: vec![a],
    };
    let Reply::Claimed(claimed) = env.apply(Op::Claim(claim)) else {
        panic!("claimed")
    };
    assert_eq!(claimed.iter().map(|c| c.task).collect::<Vec<_>>(), [b]);
    assert_eq!(env.claim(SECOND, 1), [(a, 1)]);
}

#[test]
fn a_lease_that_is_over_is_closed_and_its_tasks_come_back() {
    let mut env = TestEnv::new();
    let task = env.submit(1);
    env.claim(FIRST, 1);
    env.wait(Config::default().lease - Duration::from_millis(1));
    assert_eq!(
        env.apply(Op::Reap),
        Reply::Reaped {
            tasks: 0,
            more: false
        }
    );
    env.wait(Duration::from_millis(1));
    let next = SECOND.next();
    env.apply(Op::OpenLease { incarnation: next });
    let late = Claim {
        incarnation: FIRST,
        number: 99,
        max: 1,
        suspects: 0,
        places: 0,
        except: vec![],
    };
    assert_eq!(env.apply(Op::Claim(late)), Reply::LeaseGone);
    assert_eq!(
        env.apply(Op::Reap),
        Reply::Reaped {
            tasks: 1,
            more: false
        }
    );
    assert_eq!(env.claim(next, 1), [(task, 2)]);
}

#[test]
fn a_late_copy_opens_no_lease_that_is_over() {
    let opening = Op::OpenLease { incarnation: FIRST };
    let mut env = TestEnv::new();
    env.wait(Config::default().lease);
    assert_eq!(
        env.apply(opening.clone()),
        Reply::LeaseGone,
        "it is over, though nobody has closed it yet"
    );
    env.apply(Op::Reap);
    assert_eq!(env.apply(opening.clone()), Reply::LeaseGone);
    env.wait(CLOSED_MEMORY - Duration::from_millis(1));
    env.apply(Op::Reap);
    assert_eq!(env.apply(opening.clone()), Reply::LeaseGone);
    env.wait(Duration::from_millis(1));
    env.apply(Op::Reap);
    assert_eq!(env.apply(opening), Reply::Done, "it is forgotten");
}

#[test]
fn a_clock_that_is_set_back_brings_back_no_lease_that_was_found_to_be_over() {
    let mut env = TestEnv::new();
    let began = env.now;
    env.wait(Config::default().lease);
    let claim = Op::Claim(Claim {
        incarnation: FIRST,
        number: 1,
        max: 1,
        suspects: 0,
        places: 0,
        except: vec![],
    });
    assert_eq!(env.apply(claim.clone()), Reply::LeaseGone);
    env.now = began;
    assert_eq!(env.apply(claim), Reply::LeaseGone);
}

#[test]
fn a_late_copy_opens_no_lease_that_was_released() {
    let mut env = TestEnv::new();
    env.apply(Op::Release { incarnation: FIRST });
    env.apply(Op::Release { incarnation: FIRST });
    let opening = Op::OpenLease { incarnation: FIRST };
    assert_eq!(env.apply(opening), Reply::LeaseGone);
}

#[test]
fn an_owner_without_a_lease_record_counts_as_expired() {
    let mut env = TestEnv::new();
    env.submit(1);
    env.claim(FIRST, 1);
    env.store.leases.remove(&FIRST);
    assert_eq!(
        env.apply(Op::Reap),
        Reply::Reaped {
            tasks: 1,
            more: false
        }
    );
}

#[test]
fn at_most_once_means_lost_rather_than_twice() {
    let mut env = TestEnv::new();
    let once = Options {
        at_most_once: true,
        ..Options::default()
    };
    let (a, b) = (env.submit_with(1, once), env.submit_with(2, once));
    env.claim(FIRST, 2);
    env.requeue(a, 1, 0, EndReason::HandedBack);
    env.requeue(b, 1, 0, EndReason::WorkerLost);
    assert_eq!(
        (env.status(a), env.status(b)),
        (Status::Queued, Status::Failed)
    );
}

#[test]
fn a_released_dispatcher_gives_back_without_a_charge() {
    let mut env = TestEnv::new();
    let task = env.submit(1);
    env.claim(FIRST, 1);
    assert_eq!(
        env.apply(Op::Release { incarnation: FIRST }),
        Reply::Released(1)
    );
    assert!(env.store.task(task).is_some_and(|row| !row.marked));
    assert_eq!(env.claim(SECOND, 1), [(task, 2)]);
}

#[test]
fn cancel_ends_a_task_once_and_no_commit_revives_it() {
    let mut env = TestEnv::new();
    let task = env.submit(1);
    env.claim(FIRST, 1);
    assert_eq!(
        env.apply(Op::Cancel { task }),
        Reply::Cancelled(Cancelled::Done)
    );
    assert_eq!(
        env.apply(Op::Cancel { task }),
        Reply::Cancelled(Cancelled::AlreadyEnded)
    );
    assert_eq!(env.commit(task, 1), Verdict::Stale);
    let nobody = Op::Cancel { task: TaskId(7) };
    assert_eq!(env.apply(nobody), Reply::Cancelled(Cancelled::Unknown));
}

#[test]
fn a_full_queue_refuses_and_stores_nothing() {
    let mut env = TestEnv::new();
    env.store.config.queue_limit = 1;
    env.submit(1);
    let more = Submission {
        task: TaskId(2),
        function: FunctionId(9),
        params: Bytes::new(),
        options: Options::default(),
    };
    let reply = env.apply(Op::Submit(vec![more]));
    assert_eq!(reply, Reply::Submitted(vec![Submitted::QueueFull]));
    assert!(env.store.task(TaskId(2)).is_none());
}

#[test]
fn results_are_forgotten_after_their_retention() {
    let mut env = TestEnv::new();
    let task = env.submit(1);
    env.claim(FIRST, 1);
    env.commit(task, 1);
    env.wait(Config::default().retention);
    assert_eq!(env.apply(Op::Expire), Reply::Expired(1));
    assert!(env.store.task(task).is_none());
}

#[test]
fn a_store_restored_from_its_rows_is_the_same_store() {
    let mut env = TestEnv::new();
    for task in 1..=4 {
        env.submit(task);
    }
    env.claim(FIRST, 3);
    env.commit(TaskId(1), 1);
    env.requeue(TaskId(2), 1, 0, EndReason::WorkerLost);
    env.store.take_changes();
    while env.store.poll_notice().is_some() {}
    let before = &env.store;
    let after = Store::restore(
        before.config,
        before.functions.clone(),
        before.tasks.clone(),
        before.leases.clone(),
    );
    assert_eq!(&after, before);
}
