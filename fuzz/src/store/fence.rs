//! Which writes the fence lets through (R2, R3, R6), said in one place: what [`super`] holds the store
//! to.

use std::collections::BTreeSet;

use mpcsfaas_core::id::{Incarnation, TaskId};
use mpcsfaas_core::store::op::{Adoption, Commit, Requeue};
use mpcsfaas_core::store::{Op, Row, Store};
use mpcsfaas_core::task::Status;

/// For each item of a batch whether it is accepted, as far as that follows from the rows before it:
/// nothing for an item whose task another item of the batch may have moved.
pub(super) fn expected(before: &Store, op: &Op) -> Vec<Option<bool>> {
    match op {
        Op::Commit(items) => each(before, items, |item| item.task, commits),
        Op::Requeue(items) => each(before, items, |item| item.task, requeues),
        Op::Adopt { incarnation, tasks } => {
            let adopts = |row: &Row, item: &Adoption| adopts(row, item, *incarnation);
            each(before, tasks, |item| item.task, adopts)
        }
        _ => Vec::new(),
    }
}

fn each<T>(
    before: &Store,
    items: &[T],
    task: impl Fn(&T) -> TaskId,
    accepted: impl Fn(&Row, &T) -> bool,
) -> Vec<Option<bool>> {
    let mut seen = BTreeSet::new();
    let verdict = |item: &T| {
        let row = before.task(task(item));
        let accepted = row.is_some_and(|row| accepted(row, item));
        seen.insert(task(item)).then_some(accepted)
    };
    items.iter().map(verdict).collect()
}

fn commits(row: &Row, item: &Commit) -> bool {
    !row.status.is_terminal() && row.attempt == item.attempt
}

fn requeues(row: &Row, item: &Requeue) -> bool {
    row.status == Status::Running
        && (row.attempt, row.seat) == (item.attempt, item.seat)
        && is_owner(row, item.owner)
}

fn adopts(row: &Row, item: &Adoption, adopter: Incarnation) -> bool {
    let repeat =
        row.status == Status::Running && row.seat == item.session && is_owner(row, adopter);
    !row.status.is_terminal() && row.attempt == item.attempt && (item.session > row.seat || repeat)
}

fn is_owner(row: &Row, dispatcher: Incarnation) -> bool {
    row.holder
        .as_ref()
        .is_some_and(|holder| holder.dispatcher == dispatcher)
}
