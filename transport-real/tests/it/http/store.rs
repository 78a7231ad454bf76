//! A store in memory behind the real handle. The test plays the dispatcher, and the store's moods.

use std::sync::{Arc, Mutex};

use mpcsfaas_core::id::{FunctionId, Incarnation, TaskId, WorkerId};
use mpcsfaas_core::store::op::{Claim, Commit, EndReason, Mode, Report, Requeue};
use mpcsfaas_core::store::{Config, Notice, Op, Reply, Row, Store};
use mpcsfaas_core::task::{Function, Outcome};
use mpcsfaas_transport_real::clock::wall_time;
use mpcsfaas_transport_real::store::{Link, Request, StoreAway, StoreHandle, StoreOwner, channel};
use tokio::sync::{broadcast, watch};

use super::soon;

pub(super) const DISPATCHER: Incarnation = Incarnation { boot: 7, epoch: 0 };
pub(super) const WORKER: WorkerId = WorkerId(9);

/// How the store treats requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mood {
    /// As it should.
    Well,
    /// Nothing can be reached, and the link says so.
    Away,
    /// Requests are taken and never answered.
    Mute,
}

/// The test's end of the store.
pub(super) struct TestStore {
    store: Arc<Mutex<Store>>,
    notices: broadcast::Sender<Notice>,
    link: watch::Sender<Link>,
    mood: watch::Sender<Mood>,
    /// How many tasks have been read in all.
    reads: watch::Receiver<usize>,
    claims: Mutex<u64>,
}

impl TestStore {
    pub(super) fn start(config: Config) -> (StoreHandle, TestStore) {
        let (handle, owner) = channel();
        let store = Arc::new(Mutex::new(Store::new(config)));
        let (mood, moods) = watch::channel(Mood::Well);
        let (count, reads) = watch::channel(0);
        owner.link.send_replace(Link::Up);
        let StoreOwner {
            mut requests,
            notices,
            link,
        } = owner;
        let test = TestStore {
            store: Arc::clone(&store),
            notices: notices.clone(),
            link,
            mood,
            reads,
            claims: Mutex::new(0),
        };
        tokio::spawn(async move {
            let mut unanswered = Vec::new();
            while let Some(Request { op, answer }) = requests.recv().await {
                let mood = *moods.borrow();
                match mood {
                    Mood::Well => {
                        let read = if let Op::Read(tasks) = &op {
                            tasks.len()
                        } else {
                            0
                        };
                        let _ = answer.send(Ok(apply(&store, &notices, op)));
                        count.send_modify(|count| *count += read);
                    }
                    Mood::Away => {
                        let _ = answer.send(Err(StoreAway("pulled the plug".to_owned())));
                    }
                    Mood::Mute => unanswered.push(answer),
                }
            }
        });
        (handle, test)
    }

    pub(super) fn apply(&self, op: Op) -> Reply {
        apply(&self.store, &self.notices, op)
    }

    /// As `apply`, but whoever listens is not told.
    pub(super) fn apply_silently(&self, op: Op) -> Reply {
        let mut store = self.store.lock().expect("no panic");
        let reply = store.apply(wall_time(), op);
        while store.poll_notice().is_some() {}
        reply
    }

    /// Notices from now on.
    pub(super) fn notices(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    /// Sends a notice that nobody waits for.
    pub(super) fn ring(&self) {
        let _ = self.notices.send(Notice::Queued);
    }

    pub(super) fn set_mood(&self, mood: Mood) {
        self.mood.send_replace(mood);
        self.link.send_replace(match mood {
            Mood::Well | Mood::Mute => Link::Up,
            Mood::Away => Link::Down("pulled the plug".to_owned()),
        });
    }

    /// Waits until so many tasks have been read since the store started.
    pub(super) async fn reads_at_least(&self, count: usize) {
        let mut reads = self.reads.clone();
        soon(reads.wait_for(|seen| *seen >= count))
            .await
            .expect("it runs");
    }

    /// How many tasks have been read since the store started.
    pub(super) fn reads(&self) -> usize {
        *self.reads.borrow()
    }

    pub(super) fn function(&self, id: &str) -> Function {
        let id: FunctionId = id.parse().expect("an id");
        let store = self.store.lock().expect("no panic");
        store.function(id).expect("it is registered").clone()
    }

    pub(super) fn row(&self, id: &str) -> Row {
        let id: TaskId = id.parse().expect("an id");
        let store = self.store.lock().expect("no panic");
        store.task(id).expect("it is submitted").clone()
    }

    /// How many functions and tasks were written since the last call.
    pub(super) fn written(&self) -> (usize, usize) {
        let changes = self.store.lock().expect("no panic").take_changes();
        (changes.functions.len(), changes.tasks.len())
    }

    /// Claims everything that is queued, as a dispatcher.
    pub(super) fn claim_all(&self) -> Vec<(TaskId, u32)> {
        self.apply(Op::OpenLease {
            incarnation: DISPATCHER,
        });
        let mut claims = self.claims.lock().expect("no panic");
        *claims += 1;
        let claim = Claim {
            incarnation: DISPATCHER,
            number: *claims,
            max: 10_000,
            suspects: 10_000,
            places: 0,
            except: vec![],
        };
        match self.apply(Op::Claim(claim)) {
            Reply::Claimed(claimed) => claimed.iter().map(|c| (c.task, c.attempt)).collect(),
            other => panic!("{other:?}"),
        }
    }

    /// Ends a claimed task.
    pub(super) fn commit(&self, (task, attempt): (TaskId, u32), outcome: Outcome) {
        self.apply(commit_of((task, attempt), outcome));
    }

    /// Ends everything that is queued with the same outcome.
    pub(super) fn run_all(&self, outcome: &Outcome) {
        for claimed in self.claim_all() {
            self.commit(claimed, outcome.clone());
        }
    }

    pub(super) fn give_back(&self, (task, attempt): (TaskId, u32), reason: EndReason) {
        self.apply(Op::Requeue(vec![Requeue {
            task,
            attempt,
            owner: DISPATCHER,
            seat: 0,
            worker: Some(WORKER.into()),
            reason,
        }]));
    }

    pub(super) fn report(&self, workers: u32) {
        self.apply(Op::OpenLease {
            incarnation: DISPATCHER,
        });
        self.apply(Op::Renew {
            incarnation: DISPATCHER,
            report: Report {
                mode: Mode::Push,
                workers,
                processes: 2 * workers,
                held: 2 * workers,
                free: 0,
                draining: false,
            },
            placed: vec![],
        });
    }
}

pub(super) fn commit_of((task, attempt): (TaskId, u32), outcome: Outcome) -> Op {
    Op::Commit(vec![Commit {
        task,
        attempt,
        worker: Some(WORKER.into()),
        outcome,
    }])
}

fn apply(store: &Mutex<Store>, notices: &broadcast::Sender<Notice>, op: Op) -> Reply {
    let mut store = store.lock().expect("no panic");
    let reply = store.apply(wall_time(), op);
    while let Some(notice) = store.poll_notice() {
        // Nobody may be listening.
        let _ = notices.send(notice);
    }
    reply
}
