//! The operations that only read.

use super::op::{Overview, Reply, TaskView};
use super::{Row, Store};
use crate::id::TaskId;
use crate::task::Status;
use crate::time::WallTime;

impl Store {
    pub(super) fn read(&self, tasks: &[TaskId]) -> Reply {
        let state = |task: &TaskId| self.tasks.get(task).map(Row::state);
        Reply::States(tasks.iter().map(state).collect())
    }

    pub(super) fn inspect(&self, task: TaskId) -> Reply {
        Reply::Inspected(self.tasks.get(&task).map(|row| Box::new(self.view(row))))
    }

    fn view(&self, row: &Row) -> TaskView {
        TaskView {
            function: row.function,
            options: row.options,
            status: row.status,
            attempt: row.attempt,
            losses: row.losses,
            submitted_at: row.submitted_at,
            finished_at: row.finished_at,
            holder: row.holder.clone(),
            past: row.past.clone(),
            outcome: row.outcome.clone(),
            ahead: (row.status == Status::Queued).then(|| self.ahead_of(row)),
        }
    }

    /// How many tasks of its own queue come first.
    fn ahead_of(&self, row: &Row) -> u64 {
        let queue = match row.is_suspect() {
            true => &self.suspects,
            false => &self.ready,
        };
        queue.range(..row.seq).count() as u64
    }

    pub(super) fn overview(&self, now: WallTime) -> Reply {
        let live = self.leases.iter().filter(|(_, lease)| lease.is_live(now));
        Reply::Overview(Overview {
            queued: self.queued(),
            dispatchers: live
                .map(|(incarnation, lease)| (*incarnation, lease.report))
                .collect(),
        })
    }
}
