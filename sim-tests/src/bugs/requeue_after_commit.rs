//! The store puts back a task that has ended: R3 without a look at the status.

use mpcsfaas_core::store::{Config, Op, Reply, Row, Store};
use mpcsfaas_core::task::Status;
use mpcsfaas_core::time::WallTime;
use mpcsfaas_transport_sim::tamper::TamperStore;

/// Makes QUEUED again what a Requeue of the same attempt names, ended or not.
#[derive(Clone, Debug)]
pub(super) struct RequeueAfterCommit;

impl TamperStore for RequeueAfterCommit {
    fn apply(&mut self, store: &mut Store, now: WallTime, op: Op) -> Reply {
        if let Op::Requeue(batch) = &op {
            for item in batch {
                let ended = |row: &&Row| row.status.is_terminal() && row.attempt == item.attempt;
                if let Some(row) = store.task(item.task).filter(ended).cloned() {
                    // Through the door of the store: everything as it was, but for this row.
                    let mut rows: Vec<_> =
                        store.tasks().map(|(id, row)| (id, row.clone())).collect();
                    let back = Row {
                        status: Status::Queued,
                        outcome: None,
                        finished_at: None,
                        holder: None,
                        ..row
                    };
                    rows.retain(|(id, _)| *id != item.task);
                    rows.push((item.task, back));
                    *store = rebuilt(store, rows);
                }
            }
        }
        store.apply(now, op)
    }
}

fn rebuilt(store: &Store, rows: Vec<(mpcsfaas_core::id::TaskId, Row)>) -> Store {
    let functions: Vec<_> = store.functions().map(|(id, f)| (id, f.clone())).collect();
    let leases: Vec<_> = store
        .leases()
        .map(|(id, lease)| (id, lease.clone()))
        .collect();
    Store::restore(Config::default(), functions, rows, leases)
}
