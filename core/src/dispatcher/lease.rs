//! The dispatcher's lease: opened, renewed, lost; and looking after others' (R4).

use std::collections::BTreeSet;
use std::time::Duration;

use super::belief::Place;
use super::input::Peer;
use super::timer::Timer;
use super::wants::Wants;
use super::{Dispatcher, Output};
use crate::id::{Session, WorkerKey};
use crate::store::Op;
use crate::store::op::{CLAIMS_AHEAD, EndReason, Owned, Placement, Reply};
use crate::time::Instant;
use crate::wire::message::{FromDispatcher, TaskRef, ToWorker, UNNUMBERED};

/// Changes of the roster are gathered for so long before they are reported.
const REPORT_DELAY: Duration = Duration::from_millis(50);

/// How the lease stands.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Lease {
    /// The store has confirmed it.
    open: bool,
    /// A renewal is under way, sent at this time.
    renewing: Option<Instant>,
    /// Reaping is allowed from here on: whoever has just come back must not be the one who
    /// closes the leases of those who have not had time to.
    reap_from: Instant,
    /// A reap is under way.
    reaping: bool,
}

impl Lease {
    pub(super) fn is_open(&self) -> bool {
        self.open
    }
}

impl Dispatcher {
    /// The store is there (again): open a lease, or renew the one that is open.
    pub(super) fn connect_lease(&mut self, now: Instant) {
        self.lease.reap_from = now + self.config.lease;
        self.timers.set(Timer::Renew, now + self.config.renew);
        match self.lease.open {
            true => self.renew_now(now),
            false => self.open_lease(),
        }
    }

    fn open_lease(&mut self) {
        let incarnation = self.incarnation;
        let opening = Op::OpenLease { incarnation };
        if !self.is_asked(&opening) {
            self.ask(opening, Vec::new());
        }
    }

    pub(super) fn renew(&mut self, now: Instant) {
        self.timers.set(Timer::Renew, now + self.config.renew);
        if !self.store_up {
            return;
        }
        if self.lease.open {
            self.renew_now(now);
        }
        if now >= self.lease.reap_from && !self.lease.reaping {
            self.lease.reaping = true;
            self.ask(Op::Reap, Vec::new());
        }
    }

    /// Workers came or went: people and load balancers should see it before the next renewal.
    pub(super) fn report_soon(&mut self, now: Instant) {
        if self.lease.open {
            self.timers.set_earlier(Timer::Renew, now + REPORT_DELAY);
        }
    }

    fn renew_now(&mut self, now: Instant) {
        if self.lease.renewing.is_some() {
            return;
        }
        self.lease.renewing = Some(now);
        let (incarnation, report) = (self.incarnation, self.report());
        let placed = self.long_runners(now);
        self.ask(
            Op::Renew {
                incarnation,
                report,
                placed,
            },
            Vec::new(),
        );
    }

    /// Tasks that have been at their worker since the last renewal and that the store has not
    /// been told of: people who ask where a task is ask about long ones.
    fn long_runners(&mut self, now: Instant) -> Vec<Placement> {
        let limit = self.config.renew / 2;
        let mut placed = Vec::new();
        for (key, belief) in &mut self.beliefs {
            if let Place::At(worker, _) = &belief.place
                && !belief.noted
                && now.since(belief.since) >= limit
            {
                belief.noted = true;
                let TaskRef { task, attempt } = *key;
                placed.push(Placement {
                    task,
                    attempt,
                    worker: worker.clone(),
                });
            }
        }
        placed
    }

    pub(super) fn on_lease_reply(&mut self, now: Instant, op: &Op, reply: Reply) {
        match (op, reply) {
            (Op::OpenLease { incarnation }, Reply::Done) if *incarnation == self.incarnation => {
                self.lease.open = true;
                self.queue.look();
            }
            (Op::OpenLease { incarnation }, Reply::LeaseGone)
                if *incarnation == self.incarnation =>
            {
                self.lease_gone(now);
            }
            (Op::Renew { incarnation, .. }, reply) if *incarnation == self.incarnation => {
                let sent = self.lease.renewing.take();
                match reply {
                    Reply::Renewed(owned) => {
                        self.drop_disowned(sent.unwrap_or(Instant::ZERO), &owned);
                        self.account(now, owned);
                    }
                    _ => self.lease_gone(now),
                }
            }
            (Op::Claim(claim), Reply::LeaseGone) if claim.incarnation == self.incarnation => {
                self.lease_gone(now);
            }
            (Op::Claim(claim), _) => self.queue.give_up(claim.number),
            (Op::Reap, Reply::Reaped { tasks, more }) => {
                self.lease.reaping = more;
                self.counters.reaped += u64::from(tasks);
                if more {
                    self.ask(Op::Reap, Vec::new());
                }
            }
            (Op::Release { .. }, Reply::Released(_)) => self.exit(),
            _ => {}
        }
    }

    /// The lease is gone: somebody else may have the tasks. As after a restart, all beliefs and
    /// sessions are forgotten under a new incarnation, and every worker is asked for a Hello.
    pub(super) fn lease_gone(&mut self, now: Instant) {
        tracing::warn!(incarnation = %self.incarnation, "the lease is gone; starting over");
        self.counters.leases_lost += 1;
        self.incarnation = self.incarnation.next();
        self.beliefs.clear();
        self.wants = Wants::default();
        self.fetching.clear();
        self.unaccounted.clear();
        self.queue.restart();
        self.lease = Lease {
            reap_from: self.lease.reap_from,
            ..Lease::default()
        };
        self.lease.reaping = self.is_asked(&Op::Reap);
        self.forget_sessions(now);
        self.open_lease();
        self.timers.set(Timer::Renew, now + self.config.renew);
    }

    fn forget_sessions(&mut self, now: Instant) {
        let live: Vec<(WorkerKey, Peer, Session)> = self
            .roster
            .live()
            .map(|(worker, seat)| (worker.clone(), seat.peer.clone(), seat.session))
            .collect();
        for (worker, peer, session) in live {
            self.roster.update(&worker, |seat| {
                seat.tasks.clear();
                seat.suspects = 0;
            });
            self.bury(now, &worker);
            if matches!(worker, WorkerKey::Native(_)) {
                let (number, body) = (UNNUMBERED, ToWorker::SayHello);
                let message = FromDispatcher {
                    session,
                    number,
                    body,
                };
                self.outputs.push_back(Output::Send { peer, message });
            }
        }
    }

    /// A task that was at its worker before the renewal was sent, and that the renewal does not
    /// list, is somebody else's by now, or was cancelled: its worker is told to drop it.
    fn drop_disowned(&mut self, sent: Instant, owned: &[Owned]) {
        let owned: BTreeSet<TaskRef> = owned
            .iter()
            .map(|Owned { task, attempt, .. }| TaskRef {
                task: *task,
                attempt: *attempt,
            })
            .collect();
        let disowned: Vec<(TaskRef, WorkerKey)> = self
            .beliefs
            .iter()
            .filter(|(key, belief)| {
                belief.confirmed
                    && belief.since < sent
                    && !owned.contains(key)
                    && !self.busy.contains(&key.task)
            })
            .filter_map(|(key, belief)| match &belief.place {
                Place::At(worker, _) => Some((*key, worker.clone())),
                Place::Unplaced(_)
                | Place::Adopting(..)
                | Place::Committing { .. }
                | Place::Requeuing(..) => None,
            })
            .collect();
        for (key, worker) in disowned {
            self.counters.disowned += 1;
            self.forget(key);
            if matches!(worker, WorkerKey::Native(_)) {
                self.send(&worker, ToWorker::Drop(vec![key]));
            }
        }
    }

    /// The safety net: what the store says is this incarnation's, but is not known here twice in
    /// a row, goes back. Once is no evidence: a claim's answer may be on its way, or it was carried
    /// out ahead and is to be asked for.
    fn account(&mut self, now: Instant, owned: Vec<Owned>) {
        let oldest = self.queue.oldest_under_way();
        let last = self.queue.last_number();
        let before = std::mem::take(&mut self.unaccounted);
        for Owned {
            task,
            attempt,
            seat,
        } in owned
        {
            let key = TaskRef { task, attempt };
            if self.beliefs.contains_key(&key) || self.busy.contains(&task) {
                continue;
            }
            match before.get(&key) {
                Some(number) if *number < oldest.unwrap_or(last + 1) => {
                    self.unbelieved(now, key, seat);
                }
                Some(number) => {
                    self.unaccounted.insert(key, *number);
                }
                None => {
                    self.unaccounted.insert(key, last + CLAIMS_AHEAD);
                }
            }
        }
    }

    /// Gives back an attempt that is this incarnation's without anybody running it for it.
    pub(super) fn unbelieved(&mut self, now: Instant, key: TaskRef, seat: Session) {
        self.believe(
            now,
            key,
            Place::Requeuing(EndReason::Unaccounted, None),
            false,
        );
        if let Some(belief) = self.beliefs.get_mut(&key) {
            belief.seat = seat;
        }
    }

    fn is_asked(&self, op: &Op) -> bool {
        self.asked.values().any(|asked| asked.is(op))
    }
}
