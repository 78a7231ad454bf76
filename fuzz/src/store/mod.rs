//! `store`: any operations at any times, over a few tasks, dispatchers and sessions.
//!
//! Besides the store's own invariants: a task's status moves by the table, its attempts count up, an
//! ended task never changes; the fence lets through what it should, and what it refuses changes
//! nothing; every operation may be repeated at once, word for word, without a change; a claim brings
//! what it may and no more; and the store that is restored from the rows has the same rows.

mod fence;
mod ops;

use std::collections::BTreeMap;
use std::time::Duration;

use mpcsfaas_core::id::Incarnation;
use mpcsfaas_core::machine::{Machine, step};
use mpcsfaas_core::store::op::{Claim, Claimed, Verdict};
use mpcsfaas_core::store::{Config, Input, Op, Output, Reply, Store};
use mpcsfaas_core::task::Status;
use mpcsfaas_core::time::{Instant, WallTime};

use crate::draw::Draw;

/// At most so many operations an input.
const OPERATIONS: usize = 200;

/// What an input reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reached {
    /// Tasks claimed.
    pub claimed: u64,
    /// Commits accepted.
    pub committed: u64,
    /// Writes that the fence refused.
    pub refused: u64,
    /// Adoptions accepted.
    pub adopted: u64,
    /// Tasks given back.
    pub requeued: u64,
    /// Operations that found no lease.
    pub without_lease: u64,
    /// Results forgotten.
    pub expired: u64,
}

/// One input.
///
/// # Panics
/// If the store does not keep what is said above.
pub fn run(data: &[u8]) -> Reached {
    let mut draw = Draw::new(data);
    let mut world = World::new(&mut draw);
    for _ in 0..OPERATIONS {
        if draw.is_empty() {
            break;
        }
        let op = draw.op(&mut world.numbers);
        world.wait(draw.pause());
        world.happen(op);
    }
    world.survives_a_restart();
    world.reached
}

struct World {
    config: Config,
    store: Store,
    now: WallTime,
    /// The number of each dispatcher's last claim.
    numbers: BTreeMap<Incarnation, u64>,
    reached: Reached,
}

impl World {
    fn new(draw: &mut Draw<'_>) -> World {
        let config = Config {
            queue_limit: draw.one_of(&[1_000, 2]),
            max_losses: draw.one_of(&[3, 1]),
            retention: Duration::from_secs(60),
            ..Config::default()
        };
        World {
            config,
            store: Store::new(config),
            now: WallTime(1_000_000),
            numbers: BTreeMap::new(),
            reached: Reached::default(),
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    fn happen(&mut self, op: Op) {
        let before = self.store.clone();
        let reply = self.ask(op.clone());
        moves_by_the_table(&before, &self.store, &op);
        self.fence_holds(&before, &op, &reply);
        if let (Op::Claim(claim), Reply::Claimed(claimed)) = (&op, &reply) {
            self.claim_is_right(&before, claim, claimed);
        }
        self.may_be_repeated(op, &reply);
    }

    /// Asks the machine, and checks it.
    fn ask(&mut self, op: Op) -> Reply {
        let mut replies = Vec::new();
        let input = Input::Requested {
            client: 1,
            request: 2,
            at: self.now,
            op,
        };
        let timeout = step(&mut self.store, Instant::ZERO, Some(input), |output| {
            if let Output::Reply { reply, .. } = output {
                replies.push(reply);
            }
        });
        assert_eq!(timeout, None, "the store waits for nothing");
        if let Err(broken) = self.store.check() {
            panic!("{broken}");
        }
        assert_eq!(replies.len(), 1, "one answer");
        replies.remove(0)
    }

    /// What is refused has changed nothing, item by item or as a whole.
    fn fence_holds(&mut self, before: &Store, op: &Op, reply: &Reply) {
        let verdicts = match reply {
            Reply::Committed(verdicts) | Reply::Requeued(verdicts) | Reply::Adopted(verdicts) => {
                verdicts.as_slice()
            }
            Reply::LeaseGone => {
                self.reached.without_lease += 1;
                // A lease that is found to be over is closed; nothing else happens.
                let unchanged = self.store.tasks().eq(before.tasks());
                assert!(unchanged, "without a lease {op:?} changed a task");
                return;
            }
            _ => return,
        };
        for (verdict, expected) in verdicts.iter().zip(fence::expected(before, op)) {
            let accepted = *verdict == Verdict::Ok;
            let right = expected.is_none_or(|expected| accepted == expected);
            assert!(right, "{op:?} got {verdicts:?} from {before:?}");
        }
        let accepted = verdicts
            .iter()
            .filter(|verdict| **verdict == Verdict::Ok)
            .count() as u64;
        self.reached.refused += verdicts.len() as u64 - accepted;
        if accepted == 0 {
            assert_eq!(
                &self.store, before,
                "{op:?} was refused and changed something"
            );
        }
        match op {
            Op::Commit(items) => {
                self.reached.committed += accepted;
                for (item, _) in items
                    .iter()
                    .zip(verdicts)
                    .filter(|(_, v)| **v == Verdict::Ok)
                {
                    let row = self.store.task(item.task);
                    assert_eq!(
                        row.and_then(|row| row.outcome.as_ref()),
                        Some(&item.outcome)
                    );
                }
            }
            Op::Requeue(_) => self.reached.requeued += accepted,
            _ => self.reached.adopted += accepted,
        }
    }

    fn claim_is_right(&mut self, before: &Store, claim: &Claim, claimed: &[Claimed]) {
        let known = before
            .lease(claim.incarnation)
            .map_or(0, |lease| lease.asked_number);
        let repeat = claim.number <= known;
        // What was claimed ahead is not new.
        let is_new = |task: &&Claimed| {
            let was = before.task(task.task).map(|row| row.status);
            was != Some(Status::Running)
        };
        for task in claimed {
            let row = self.store.task(task.task);
            let mine = row.is_some_and(|row| {
                let owner = row.holder.as_ref().map(|holder| holder.dispatcher);
                row.status == Status::Running
                    && row.attempt == task.attempt
                    && owner == Some(claim.incarnation)
            });
            assert!(mine, "{task:?} was claimed, and is {row:?}");
            let attempt = before.task(task.task).map_or(0, |row| row.attempt);
            let began = u32::from(is_new(&task));
            assert_eq!(task.attempt, attempt + began, "{task:?}");
            assert!(task.losses < self.config.max_losses, "{task:?}");
        }
        if repeat {
            return;
        }
        self.reached.claimed += claimed.len() as u64;
        let new = || claimed.iter().filter(is_new);
        let suspects = new().filter(|task| task.losses > 0).count();
        assert!(
            new().count() <= claim.max as usize,
            "{claim:?} brought {claimed:?}"
        );
        assert!(
            suspects <= claim.suspects as usize,
            "{claim:?} brought {claimed:?}"
        );
        let excepted = |task: &Claimed| claim.except.contains(&task.task);
        assert!(!new().any(excepted), "{claim:?} brought {claimed:?}");
    }

    /// An answer may be lost, so the asker asks again in the same words (R1, R6a).
    fn may_be_repeated(&mut self, op: Op, first: &Reply) {
        let before = self.store.clone();
        // Of two sessions that a batch names for a task, the older is no longer adopted.
        let each_once = fence::expected(&before, &op).iter().all(Option::is_some);
        let again = self.ask(op.clone());
        match (first, &again) {
            (Reply::Adopted(_), _) if !each_once => {}
            (Reply::Claimed(_) | Reply::Submitted(_) | Reply::Adopted(_), _) => {
                assert_eq!(first, &again);
            }
            (Reply::Expired(count), _) => self.reached.expired += u64::from(*count),
            _ => {}
        }
        assert_eq!(
            self.store, before,
            "{op:?} changed something when it was repeated"
        );
    }

    fn survives_a_restart(&self) {
        let functions = self
            .store
            .functions()
            .map(|(id, function)| (id, function.clone()));
        let tasks = self.store.tasks().map(|(id, row)| (id, row.clone()));
        let leases = self.store.leases().map(|(id, lease)| (id, lease.clone()));
        let restored = Store::restore(self.config, functions, tasks, leases);
        // Only the place after the last may differ: its row may have been forgotten.
        assert_eq!(restored.queued(), self.store.queued());
        assert!(restored.tasks().eq(self.store.tasks()));
        if let Err(broken) = restored.check() {
            panic!("restored: {broken}");
        }
    }
}

/// Every task's move is one of the table, attempts count up by claims alone, and what has ended stays.
fn moves_by_the_table(before: &Store, after: &Store, op: &Op) {
    for (id, was) in before.tasks() {
        let Some(is) = after.task(id) else {
            assert!(
                was.status.is_terminal(),
                "{op:?} forgot a live task: {was:?}"
            );
            assert_eq!(op, &Op::Expire);
            continue;
        };
        if was.status.is_terminal() {
            assert_eq!(was, is, "{op:?} changed a task that had ended");
        }
        let moved = was.status != is.status;
        assert!(
            !moved || was.status.may_become(is.status),
            "{op:?}: {was:?} became {is:?}"
        );
        let claimed =
            u32::from(matches!(op, Op::Claim(_)) && is.status == Status::Running && moved);
        assert_eq!(
            is.attempt,
            was.attempt + claimed,
            "{op:?}: {was:?} became {is:?}"
        );
        assert!(is.losses >= was.losses);
        assert_eq!(
            (is.function, is.options, is.seq),
            (was.function, was.options, was.seq)
        );
    }
    for (id, row) in after.tasks() {
        let new = before.task(id).is_none();
        let ahead =
            matches!(op, Op::Submit(_)) && row.status == Status::Running && row.attempt == 1;
        assert!(
            !new || ahead || (row.status == Status::Queued && row.attempt == 0),
            "{op:?}: {row:?}"
        );
    }
}
