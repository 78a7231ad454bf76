//! Random operations with restarts in between agree with a store that never restarted.
//!
//! To that store a restart looks as if all leases had run out and been reaped: they are what is not
//! on disk.

use std::time::Duration;

use mpcsfaas_core::id::{Attempt, FunctionId, Incarnation, TaskId, WorkerId};
use mpcsfaas_core::store::op::{
    Adoption, Claim, Commit, EndReason, Mode, Placement, Report, Requeue, TaskView,
};
use mpcsfaas_core::store::{Config, Op, Reply, Store};
use mpcsfaas_core::task::{Function, Options, Outcome, Versions};
use mpcsfaas_core::time::WallTime;
use mpcsfaas_transport_real::embedded::{EmbeddedConfig, open};
use mpcsfaas_transport_real::store::StoreHandle;
use proptest::prelude::*;

use super::{TestDirectory, close, config_at, submission};

const LEASE: Duration = Duration::from_secs(3_600);

const CONFIG: Config = Config {
    lease: LEASE,
    max_losses: 3,
    queue_limit: 20,
    retention: Duration::from_secs(1_000_000 * 3_600),
    standing: Duration::from_secs(1),
};

/// One thing that happens. Small numbers, so that operations meet each other.
#[derive(Clone, Debug)]
enum Step {
    PutFunction(u128),
    Submit(Vec<(u128, bool)>),
    OpenLease(u64),
    Claim {
        who: u64,
        number: u64,
        max: u32,
    },
    Commit {
        task: u128,
        attempt: Attempt,
        fails: bool,
    },
    Requeue {
        task: u128,
        attempt: Attempt,
        who: u64,
        reason: usize,
    },
    Adopt {
        who: u64,
        task: u128,
        attempt: Attempt,
        session: u64,
    },
    Renew {
        who: u64,
        placed: u128,
    },
    Release(u64),
    Reap,
    Cancel(u128),
    Overview,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let task = || 0..12_u128;
    let who = || 0..3_u64;
    let attempt = || 1..4_u32;
    prop_oneof![
        1 => task().prop_map(Step::PutFunction),
        4 => prop::collection::vec((task(), any::<bool>()), 1..4).prop_map(Step::Submit),
        2 => who().prop_map(Step::OpenLease),
        5 => (who(), 1..40_u64, 0..4_u32)
            .prop_map(|(who, number, max)| Step::Claim { who, number, max }),
        4 => (task(), attempt(), any::<bool>())
            .prop_map(|(task, attempt, fails)| Step::Commit { task, attempt, fails }),
        4 => (task(), attempt(), who(), 0..EndReason::ALL.len())
            .prop_map(|(task, attempt, who, reason)| Step::Requeue { task, attempt, who, reason }),
        2 => (who(), task(), attempt(), 1..5_u64)
            .prop_map(|(who, task, attempt, session)| Step::Adopt { who, task, attempt, session }),
        2 => (who(), task()).prop_map(|(who, placed)| Step::Renew { who, placed }),
        1 => who().prop_map(Step::Release),
        1 => Just(Step::Reap),
        1 => task().prop_map(Step::Cancel),
        1 => Just(Step::Overview),
        2 => Just(Step::Restart),
    ]
}

/// Both stores, and how many lives the process has had.
struct TestEnv {
    directory: TestDirectory,
    embedded: StoreHandle,
    model: Store,
    now: WallTime,
    life: u32,
}

impl TestEnv {
    fn new() -> TestEnv {
        let directory = TestDirectory::new();
        TestEnv {
            embedded: open_at(&directory),
            directory,
            model: Store::new(CONFIG),
            now: WallTime(0),
            life: 0,
        }
    }

    async fn restart(mut self) -> TestEnv {
        close(self.embedded).await;
        // Opening gives back what the last process had.
        self.model.apply(self.now + LEASE, Op::Reap);
        TestEnv {
            embedded: open_at(&self.directory),
            now: self.now + LEASE,
            life: self.life + 1,
            ..self
        }
    }

    /// Asks both and compares the answers.
    async fn apply(&mut self, op: Op) {
        let real = self
            .embedded
            .call(op.clone())
            .await
            .expect("the store is up");
        let expected = self.model.apply(self.now, op.clone());
        assert_eq!(without_times(real), without_times(expected), "{op:?}");
    }

    async fn compare_all(&mut self) {
        for task in (0..12).map(TaskId) {
            self.apply(Op::Inspect { task }).await;
        }
        for id in (0..12).map(FunctionId) {
            self.apply(Op::GetFunction { id }).await;
        }
        self.apply(Op::Overview).await;
    }

    /// Every life of the process has dispatchers of its own, but the last one's may be named.
    fn incarnation(&self, who: u64) -> Incarnation {
        Incarnation {
            boot: who,
            epoch: self.life,
        }
    }

    fn operation(&self, step: Step) -> Op {
        match step {
            Step::PutFunction(id) => Op::PutFunction {
                id: FunctionId(id),
                function: function(self.life),
            },
            Step::Submit(tasks) => Op::Submit(
                tasks
                    .into_iter()
                    .map(|(task, at_most_once)| {
                        let mut submission = submission(TaskId(task));
                        submission.options.at_most_once = at_most_once;
                        submission
                    })
                    .collect(),
            ),
            Step::OpenLease(who) => Op::OpenLease {
                incarnation: self.incarnation(who),
            },
            Step::Claim { who, number, max } => Op::Claim(Claim {
                incarnation: self.incarnation(who),
                number,
                max,
                suspects: max,
                places: 0,
                except: vec![TaskId(0)],
            }),
            Step::Commit {
                task,
                attempt,
                fails,
            } => Op::Commit(vec![Commit {
                task: TaskId(task),
                attempt,
                worker: Some(WorkerId(1).into()),
                outcome: outcome(attempt, fails),
            }]),
            Step::Requeue {
                task,
                attempt,
                who,
                reason,
            } => Op::Requeue(vec![Requeue {
                task: TaskId(task),
                attempt,
                owner: self.incarnation(who),
                seat: 0,
                worker: None,
                reason: EndReason::ALL[reason],
            }]),
            Step::Adopt {
                who,
                task,
                attempt,
                session,
            } => Op::Adopt {
                incarnation: self.incarnation(who),
                tasks: vec![Adoption {
                    task: TaskId(task),
                    attempt,
                    session,
                    worker: WorkerId(2).into(),
                }],
            },
            Step::Renew { who, placed } => Op::Renew {
                incarnation: self.incarnation(who),
                report: REPORT,
                placed: vec![Placement {
                    task: TaskId(placed),
                    attempt: 1,
                    worker: WorkerId(3).into(),
                }],
            },
            Step::Release(who) => Op::Release {
                incarnation: self.incarnation(who),
            },
            Step::Reap => Op::Reap,
            Step::Cancel(task) => Op::Cancel { task: TaskId(task) },
            Step::Overview | Step::Restart => Op::Overview,
        }
    }
}

const REPORT: Report = Report {
    mode: Mode::Push,
    workers: 1,
    processes: 2,
    held: 3,
    free: 4,
    draining: false,
};

fn open_at(directory: &TestDirectory) -> StoreHandle {
    let config = EmbeddedConfig {
        store: CONFIG,
        ..config_at(&directory.0)
    };
    open(config).expect("the store opens")
}

fn function(life: u32) -> Function {
    Function {
        name: format!("function of life {life}"),
        body: vec![0x80; 50].into(),
        options: Options {
            timeout_ms: Some(5),
            at_most_once: false,
        },
        pickled_by: Versions {
            python: Some("3.11.7".to_owned()),
            dill: None,
        },
    }
}

fn outcome(attempt: Attempt, fails: bool) -> Outcome {
    match fails {
        true => Outcome::failed(mpcsfaas_core::task::FailureKind::Raised, "no"),
        false => Outcome::completed(vec![attempt as u8; 30]),
    }
}

/// The two stores do not share a clock.
fn without_times(reply: Reply) -> Reply {
    let Reply::Inspected(Some(view)) = reply else {
        return reply;
    };
    let mut view: TaskView = *view;
    view.submitted_at = WallTime(0);
    view.finished_at = view.finished_at.map(|_| WallTime(0));
    if let Some(holder) = &mut view.holder {
        holder.claimed_at = WallTime(0);
    }
    for past in &mut view.past {
        past.ended_at = WallTime(0);
        past.holder.claimed_at = WallTime(0);
    }
    Reply::Inspected(Some(Box::new(view)))
}

async fn run(steps: Vec<Step>) {
    let mut env = TestEnv::new();
    for step in steps {
        if matches!(step, Step::Restart) {
            env = env.restart().await;
            env.compare_all().await;
        } else {
            let op = env.operation(step);
            env.apply(op).await;
        }
    }
    env = env.restart().await;
    env.compare_all().await;
    close(env.embedded).await;
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_store_that_restarts_agrees_with_one_that_does_not(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(run(steps));
    }
}
