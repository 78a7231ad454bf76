//! The store takes a repeated submit for a new one: R12 with an overwrite where an insert belongs.

use mpcsfaas_core::store::op::Submission;
use mpcsfaas_core::store::{Op, Reply, Row};
use mpcsfaas_core::task::Status;
use mpcsfaas_core::time::WallTime;
use mpcsfaas_transport_sim::tamper::{TamperStore, Tampered};

use super::Bug;

pub(super) const BUG: Bug = Bug::of_stores(
    "submit-not-idempotent",
    "a submit that is repeated makes the task anew",
    || Box::new(SubmitNotIdempotent),
);

/// Begins again with a task that is submitted again.
#[derive(Clone, Debug)]
struct SubmitNotIdempotent;

impl TamperStore for SubmitNotIdempotent {
    fn apply(&mut self, store: &mut Tampered<'_>, now: WallTime, op: Op) -> Reply {
        if let Op::Submit(batch) = &op {
            for submission in batch {
                store.change(submission.task, |row| begin_again(row, submission));
            }
        }
        store.apply(now, op)
    }
}

fn begin_again(row: &mut Row, submission: &Submission) {
    row.params = submission.params.clone();
    row.status = Status::Queued;
    row.attempt = 0;
    row.seat = 0;
    row.losses = 0;
    row.marked = false;
    row.finished_at = None;
    row.holder = None;
    row.past.clear();
    row.outcome = None;
}
