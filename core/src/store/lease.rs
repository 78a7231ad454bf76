//! Leases: open, renew, reap, release (R4).

use std::collections::BTreeMap;

use super::op::{CLOSED_MEMORY, EndReason, Owned, Placement, REAP_BATCH, Reply, Report};
use super::{Lease, Store};
use crate::id::{Incarnation, TaskId};
use crate::task::Status;
use crate::time::WallTime;

impl Store {
    /// A late copy of the request must not open a lease that is over: late copies of its claims
    /// would then take tasks for nobody.
    pub(super) fn open_lease(&mut self, now: WallTime, incarnation: Incarnation) -> Reply {
        let expires_at = now + self.config.lease;
        if let Some(lease) = self.live_lease(now, incarnation) {
            lease.expires_at = lease.expires_at.max(expires_at);
        } else if self.is_closed(now, incarnation) {
            return Reply::LeaseGone;
        } else {
            let lease = Lease {
                expires_at,
                claim_number: 0,
                claim_answers: BTreeMap::new(),
                asked_number: 0,
                standing: None,
                report: None,
            };
            self.leases.insert(incarnation, lease);
        }
        self.changes.leases.insert(incarnation);
        Reply::Done
    }

    /// The lease of an incarnation, if it is live. One that is found to be over is closed, so that
    /// a clock that is set back does not bring it back.
    pub(super) fn live_lease(
        &mut self,
        now: WallTime,
        incarnation: Incarnation,
    ) -> Option<&mut Lease> {
        if !self.leases.get(&incarnation)?.is_live(now) {
            self.close(now, incarnation);
        }
        self.leases.get_mut(&incarnation)
    }

    fn is_closed(&self, now: WallTime, incarnation: Incarnation) -> bool {
        let closed_at = self.closed.get(&incarnation);
        closed_at.is_some_and(|at| now < *at + CLOSED_MEMORY)
    }

    fn close(&mut self, now: WallTime, incarnation: Incarnation) {
        if self.leases.remove(&incarnation).is_some() {
            self.closed.insert(incarnation, now);
            self.changes.leases.insert(incarnation);
        }
    }

    pub(super) fn renew(
        &mut self,
        now: WallTime,
        incarnation: Incarnation,
        report: Report,
        placed: Vec<Placement>,
    ) -> Reply {
        let expires_at = now + self.config.lease;
        let Some(lease) = self.live_lease(now, incarnation) else {
            return Reply::LeaseGone;
        };
        lease.expires_at = expires_at;
        lease.report = Some(report);
        self.changes.leases.insert(incarnation);
        for placement in placed {
            self.note_placement(incarnation, placement);
        }
        Reply::Renewed(self.owned_by(incarnation))
    }

    fn note_placement(&mut self, owner: Incarnation, placement: Placement) {
        let Some(row) = self.tasks.get_mut(&placement.task) else {
            return;
        };
        let current = row.status == Status::Running && row.attempt == placement.attempt;
        if let Some(holder) = row
            .holder
            .as_mut()
            .filter(|h| current && h.dispatcher == owner)
        {
            holder.worker = Some(placement.worker);
            self.changes.tasks.insert(placement.task);
        }
    }

    fn owned_by(&self, incarnation: Incarnation) -> Vec<Owned> {
        let tasks = self.owned.get(&incarnation).into_iter().flatten();
        let owned = |task: &TaskId| {
            self.tasks.get(task).map(|row| Owned {
                task: *task,
                attempt: row.attempt,
                seat: row.seat,
            })
        };
        tasks.filter_map(owned).collect()
    }

    pub(super) fn reap(&mut self, now: WallTime) -> Reply {
        let over: Vec<Incarnation> = self
            .leases
            .iter()
            .filter(|(_, lease)| !lease.is_live(now))
            .map(|(incarnation, _)| *incarnation)
            .collect();
        // First close the lease: from here on its owner can claim and adopt nothing.
        for incarnation in over {
            self.close(now, incarnation);
        }
        self.closed.retain(|_, at| now < *at + CLOSED_MEMORY);
        let orphans: Vec<TaskId> = self
            .owned
            .iter()
            .filter(|(owner, _)| !self.leases.contains_key(owner))
            .flat_map(|(_, tasks)| tasks.iter().copied())
            .take(REAP_BATCH + 1)
            .collect();
        let more = orphans.len() > REAP_BATCH;
        let tasks = orphans.len().min(REAP_BATCH) as u32;
        for task in orphans.into_iter().take(REAP_BATCH) {
            self.give_back(now, task, EndReason::DispatcherLost);
        }
        Reply::Reaped { tasks, more }
    }

    pub(super) fn release(&mut self, now: WallTime, incarnation: Incarnation) -> Reply {
        self.close(now, incarnation);
        let tasks: Vec<TaskId> = self
            .owned
            .get(&incarnation)
            .into_iter()
            .flatten()
            .copied()
            .collect();
        for task in &tasks {
            self.give_back(now, *task, EndReason::Released);
        }
        Reply::Released(tasks.len() as u32)
    }
}
