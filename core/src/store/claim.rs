//! The fenced operations: Claim, Adopt, Requeue and Commit (R1, R2, R3, R6, R14, R16).

use std::collections::BTreeMap;

use super::Store;
use super::op::{
    Adoption, Claim, Claimed, Commit, EndReason, Holder, Notice, PastAttempt, Reply, Requeue,
    Verdict,
};
use super::row::ended_by_store;
use crate::id::{Incarnation, TaskId};
use crate::task::{FailureKind, Status};
use crate::time::WallTime;

impl Store {
    pub(super) fn claim(&mut self, now: WallTime, claim: Claim) -> Reply {
        let Some(lease) = self.live_lease(now, claim.incarnation) else {
            return Reply::LeaseGone;
        };
        let is_repeated = claim.number <= lease.asked_number;
        lease.asked_number = lease.asked_number.max(claim.number);
        let answer = lease.claim_answers.get(&claim.number).cloned();
        // If this is no repeat, it may have been carried out ahead; then there may be more by now.
        let mut claimed = self.still_owned(claim.incarnation, &answer.unwrap_or_default());
        if is_repeated {
            return Reply::Claimed(claimed);
        }
        let mut failed = Vec::new();
        let max = claim.max as usize;
        let suspects = max.min(claimed.len() + claim.suspects as usize);
        while claimed.len() < suspects
            && let Some(task) = first_but(&self.suspects, &claim.except)
        {
            match self.charge(now, task) {
                true => claimed.extend(self.claim_one(now, claim.incarnation, task)),
                false => failed.push(task),
            }
        }
        while claimed.len() < max
            && let Some(task) = first_but(&self.ready, &claim.except)
        {
            claimed.extend(self.claim_one(now, claim.incarnation, task));
        }
        let until = now + self.config.standing;
        if let Some(lease) = self.leases.get_mut(&claim.incarnation) {
            let answer = claimed.iter().map(|c| (c.task, c.attempt)).collect();
            lease.keep_answer(claim.number, answer);
            let left = claim.places.saturating_sub(claimed.len() as u32);
            // Of later ones that were carried out ahead its dispatcher had not heard.
            let is_last = claim.number == lease.claim_number;
            lease.leave_open(if is_last { left } else { 0 }, until);
            self.changes.leases.insert(claim.incarnation);
        }
        self.tell_ended(failed);
        Reply::Claimed(claimed)
    }

    /// The part of an earlier answer that has not moved on since.
    fn still_owned(&self, incarnation: Incarnation, answer: &[(TaskId, u32)]) -> Vec<Claimed> {
        let owned = |&(task, attempt): &(TaskId, u32)| {
            let row = self.tasks.get(&task)?;
            let mine = row
                .holder
                .as_ref()
                .is_some_and(|h| h.dispatcher == incarnation);
            (row.status == Status::Running && mine && row.attempt == attempt)
                .then(|| claimed(task, row))
        };
        answer.iter().filter_map(owned).collect()
    }

    /// Charges a marked loss. Says whether the task may still be claimed.
    fn charge(&mut self, now: WallTime, task: TaskId) -> bool {
        let Some(row) = self.tasks.get_mut(&task) else {
            return false;
        };
        if row.marked {
            row.marked = false;
            row.losses += 1;
        }
        if row.losses < self.config.max_losses {
            return true;
        }
        self.end(now, task, ended_by_store(FailureKind::WorkerLost));
        false
    }

    pub(super) fn claim_one(
        &mut self,
        now: WallTime,
        owner: Incarnation,
        task: TaskId,
    ) -> Option<Claimed> {
        self.unlist(task);
        let row = self.tasks.get_mut(&task)?;
        row.status = Status::Running;
        row.attempt += 1;
        row.seat = 0;
        row.holder = Some(Holder {
            dispatcher: owner,
            worker: None,
            claimed_at: now,
        });
        self.owned.entry(owner).or_default().insert(task);
        self.changes.tasks.insert(task);
        Some(claimed(task, row))
    }

    pub(super) fn commit(&mut self, now: WallTime, batch: Vec<Commit>) -> Reply {
        let mut ended = Vec::new();
        let verdicts = batch
            .into_iter()
            .map(|commit| {
                let task = commit.task;
                let verdict = self.commit_one(now, commit);
                if verdict == Verdict::Ok {
                    ended.push(task);
                }
                verdict
            })
            .collect();
        self.tell_ended(ended);
        Reply::Committed(verdicts)
    }

    fn commit_one(&mut self, now: WallTime, commit: Commit) -> Verdict {
        let current = self
            .tasks
            .get(&commit.task)
            .is_some_and(|row| !row.status.is_terminal() && row.attempt == commit.attempt);
        if !current {
            return Verdict::Stale;
        }
        self.end(now, commit.task, commit.outcome);
        if let Some(row) = self.tasks.get_mut(&commit.task) {
            row.recall();
            if let (Some(holder), Some(worker)) = (&mut row.holder, commit.worker) {
                holder.worker = Some(worker);
            }
        }
        Verdict::Ok
    }

    pub(super) fn requeue(&mut self, now: WallTime, batch: Vec<Requeue>) -> Reply {
        let verdicts = batch
            .into_iter()
            .map(|item| self.requeue_one(now, item))
            .collect();
        Reply::Requeued(verdicts)
    }

    fn requeue_one(&mut self, now: WallTime, item: Requeue) -> Verdict {
        let current = self.tasks.get_mut(&item.task).filter(|row| {
            row.status == Status::Running
                && row.attempt == item.attempt
                && row.seat == item.seat
                && row
                    .holder
                    .as_ref()
                    .is_some_and(|h| h.dispatcher == item.owner)
        });
        let Some(row) = current else {
            return Verdict::Stale;
        };
        if let (Some(holder), Some(worker)) = (&mut row.holder, item.worker) {
            holder.worker = Some(worker);
        }
        self.give_back(now, item.task, item.reason);
        Verdict::Ok
    }

    /// RUNNING -> QUEUED at its old place, or FAILED where it may not run again (R16).
    pub(super) fn give_back(&mut self, now: WallTime, task: TaskId, reason: EndReason) {
        self.unlist(task);
        let Some(row) = self.tasks.get_mut(&task) else {
            return;
        };
        let attempt = row.attempt;
        if let Some(holder) = row.holder.take() {
            row.remember(PastAttempt {
                attempt,
                holder,
                ended_at: now,
                reason,
            });
        }
        row.status = Status::Queued;
        row.marked |= reason.is_loss();
        self.changes.tasks.insert(task);
        let seq = row.seq;
        if row.options.at_most_once && reason.may_have_started() {
            self.end(now, task, ended_by_store(FailureKind::Lost));
            self.tell_ended([task]);
            return;
        }
        match row.is_suspect() {
            true => self.suspects.insert(seq, task),
            false => self.ready.insert(seq, task),
        };
        self.notices.push_back(Notice::Queued);
    }

    pub(super) fn adopt(
        &mut self,
        now: WallTime,
        incarnation: Incarnation,
        tasks: Vec<Adoption>,
    ) -> Reply {
        if self.live_lease(now, incarnation).is_none() {
            return Reply::LeaseGone;
        }
        let verdicts = tasks
            .into_iter()
            .map(|item| self.adopt_one(now, incarnation, item))
            .collect();
        Reply::Adopted(verdicts)
    }

    fn adopt_one(&mut self, now: WallTime, owner: Incarnation, item: Adoption) -> Verdict {
        let Some(row) = self.tasks.get(&item.task) else {
            return Verdict::Stale;
        };
        let mine = row.holder.as_ref().is_some_and(|h| h.dispatcher == owner);
        let repeat = row.status == Status::Running && mine && item.session == row.seat;
        let current = !row.status.is_terminal() && row.attempt == item.attempt;
        if !current || !(item.session > row.seat || repeat) {
            return Verdict::Stale;
        }
        self.unlist(item.task);
        let Some(row) = self.tasks.get_mut(&item.task) else {
            return Verdict::Stale;
        };
        row.recall();
        let claimed_at = row.holder.as_ref().map_or(now, |holder| holder.claimed_at);
        row.status = Status::Running;
        row.marked = false;
        row.seat = item.session;
        row.holder = Some(Holder {
            dispatcher: owner,
            worker: Some(item.worker),
            claimed_at,
        });
        self.owned.entry(owner).or_default().insert(item.task);
        self.changes.tasks.insert(item.task);
        Verdict::Ok
    }
}

/// The first task of a queue that the claimer does not except.
fn first_but(queue: &BTreeMap<u64, TaskId>, except: &[TaskId]) -> Option<TaskId> {
    queue.values().find(|task| !except.contains(task)).copied()
}

fn claimed(task: TaskId, row: &super::Row) -> Claimed {
    Claimed {
        task,
        attempt: row.attempt,
        function: row.function,
        params: row.params.clone(),
        options: row.options,
        losses: row.losses,
    }
}
