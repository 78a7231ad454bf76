//! Claims by a submit, under the number that the dispatcher will use next.

use super::*;

impl TestEnv {
    /// The hints so far.
    fn hints(&mut self) -> Vec<Notice> {
        std::iter::from_fn(|| self.store.poll_notice()).collect()
    }

    /// Who was given which tasks ahead, under which number.
    fn given_ahead(&mut self) -> Vec<(Incarnation, u64, Vec<u128>)> {
        let given = |notice| match notice {
            Notice::Claimed(ahead) => {
                let tasks = ahead.tasks.iter().map(|task| task.task.0).collect();
                Some((ahead.incarnation, ahead.number, tasks))
            }
            Notice::Queued | Notice::Ended(_) => None,
        };
        self.hints().into_iter().filter_map(given).collect()
    }

    fn submit_all(&mut self, tasks: impl IntoIterator<Item = u128>, options: Options) {
        let submission = |task| Submission {
            task: TaskId(task),
            function: FunctionId(9),
            params: Bytes::new(),
            options,
        };
        self.apply(Op::Submit(tasks.into_iter().map(submission).collect()));
    }
}

#[test]
fn a_new_task_takes_a_place_that_a_claim_has_left_open() {
    let mut env = TestEnv::new();
    env.claim_numbered(FIRST, 1, 2);
    let task = env.submit(1);
    assert_eq!(env.status(task), Status::Running);
    assert_eq!(env.given_ahead(), [(FIRST, 2, vec![1])]);
    assert_eq!(env.claim_numbered(FIRST, 2, 2), [(task, 1)]);
    assert_eq!(env.claim_numbered(FIRST, 2, 2), [(task, 1)], "a repeat");
}

#[test]
fn no_more_are_taken_than_were_left_open_and_the_others_wait() {
    let mut env = TestEnv::new();
    env.submit(1);
    env.claim_numbered(FIRST, 1, 3);
    env.hints();
    env.submit_all(2..=5, Options::default());
    assert_eq!(env.store.queued(), 2);
    let hints = env.hints();
    assert!(
        matches!(hints[..], [Notice::Claimed(_), Notice::Queued]),
        "{hints:?}"
    );
    assert_eq!(
        env.claim_numbered(FIRST, 2, 9).len(),
        4,
        "two ahead, and two that came since"
    );
}

#[test]
fn nobody_overtakes_who_waits() {
    let mut env = TestEnv::new();
    env.claim_numbered(FIRST, 1, 2);
    let once = Options {
        at_most_once: true,
        ..Options::default()
    };
    env.submit_all([1], once);
    env.submit(2);
    assert_eq!(
        env.given_ahead(),
        [],
        "the first waits for a dispatcher that asks"
    );
    assert_eq!(env.store.queued(), 2);
}

#[test]
fn a_dispatcher_that_falls_silent_is_soon_given_nothing() {
    let mut env = TestEnv::new();
    env.claim_numbered(FIRST, 1, 100);
    env.wait(Config::default().standing);
    env.submit(1);
    assert_eq!(env.store.queued(), 1);
}

#[test]
fn only_so_many_claims_are_carried_out_ahead() {
    let mut env = TestEnv::new();
    env.claim_numbered(FIRST, 1, 100);
    for task in 1..=CLAIMS_AHEAD + 1 {
        env.submit(u128::from(task));
    }
    assert_eq!(env.store.queued(), 1);
    for number in 2..=CLAIMS_AHEAD {
        assert_eq!(
            env.claim_numbered(FIRST, number, 100).len(),
            if number == 2 { 2 } else { 1 }
        );
    }
}

#[test]
fn who_has_the_most_places_is_given_the_next_task() {
    let mut env = TestEnv::new();
    env.claim_numbered(FIRST, 1, 2);
    env.claim_numbered(SECOND, 1, 3);
    env.submit_all([1, 2, 3, 4], Options::default());
    assert_eq!(
        env.given_ahead(),
        [(SECOND, 2, vec![1, 2, 3]), (FIRST, 2, vec![4])]
    );
}

#[test]
fn a_lease_that_is_over_takes_its_places_with_it() {
    let mut env = TestEnv::new();
    env.claim_numbered(FIRST, 1, 2);
    env.apply(Op::Release { incarnation: FIRST });
    env.submit(1);
    assert_eq!(env.store.queued(), 1);
}

#[test]
fn tasks_too_large_for_a_hint_are_only_rung_for() {
    let mut env = TestEnv::new();
    env.claim_numbered(FIRST, 1, 2);
    let submission = Submission {
        task: TaskId(1),
        function: FunctionId(9),
        params: Bytes::from(vec![0; AHEAD_BYTES + 1]),
        options: Options::default(),
    };
    env.apply(Op::Submit(vec![submission]));
    assert_eq!(env.hints(), [Notice::Queued]);
    assert_eq!(env.claim_numbered(FIRST, 2, 2), [(TaskId(1), 1)]);
}

#[test]
fn a_full_queue_refuses_tasks_even_if_a_place_is_open() {
    let mut env = TestEnv::new();
    env.store = Store::new(Config {
        queue_limit: 0,
        ..Config::default()
    });
    env.apply(Op::OpenLease { incarnation: FIRST });
    env.claim_numbered(FIRST, 1, 2);
    env.submit_all([1], Options::default());
    assert_eq!(env.store.task(TaskId(1)), None);
}
