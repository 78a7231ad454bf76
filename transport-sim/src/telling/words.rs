//! What messages, requests and answers are called, and which tasks they are about.

use mpcsfaas_core::id::{Attempt, Session, TaskId};
use mpcsfaas_core::store::Op;
use mpcsfaas_core::store::op::Reply;
use mpcsfaas_core::wire::message::{FromDispatcher, FromWorker, TaskRef, ToDispatcher, ToWorker};

use crate::event::Body;

pub(super) fn message(body: &Body) -> (String, Vec<TaskRef>) {
    match body {
        Body::FromWorker(message) => from_worker(message),
        Body::FromDispatcher(message) => from_dispatcher(message),
        Body::Json(json) => {
            let text = String::from_utf8_lossy(json);
            (text.chars().take(80).collect(), Vec::new())
        }
        Body::Junk => ("junk".to_owned(), Vec::new()),
    }
}

/// What a worker says in some words, and the tasks that it is about.
pub fn from_worker(message: &FromWorker) -> (String, Vec<TaskRef>) {
    let (what, tasks) = match &message.body {
        ToDispatcher::Hello(hello) => {
            let (running, finished) = (hello.running.len(), hello.finished.len());
            let credit = hello.credit;
            let text = format!("Hello credit {credit}, {running} running, {finished} finished");
            (text, [&hello.running[..], &hello.finished].concat())
        }
        ToDispatcher::Beat { last, credit } => {
            (format!("Beat last {last} credit {credit}"), Vec::new())
        }
        ToDispatcher::Pull { credit } => (format!("Pull credit {credit}"), Vec::new()),
        ToDispatcher::Finished(tasks) => {
            let ended = tasks.iter().map(|finished| finished.task);
            (format!("Finished {}", tasks.len()), ended.collect())
        }
        ToDispatcher::Returned { tasks, .. } => {
            (format!("Returned {}", tasks.len()), tasks.clone())
        }
        ToDispatcher::Goodbye { returned } => {
            (format!("Goodbye {} back", returned.len()), returned.clone())
        }
    };
    (numbered(&what, message.session, message.number), tasks)
}

/// The same of a dispatcher.
pub fn from_dispatcher(message: &FromDispatcher) -> (String, Vec<TaskRef>) {
    let (what, tasks) = match &message.body {
        ToWorker::Welcome { .. } => ("Welcome".to_owned(), Vec::new()),
        ToWorker::Run(runs) => {
            let tasks = runs.iter().map(|run| run.task);
            (format!("Run {}", runs.len()), tasks.collect())
        }
        ToWorker::Function { .. } => ("Function".to_owned(), Vec::new()),
        ToWorker::Ack(tasks) => (format!("Ack {}", tasks.len()), tasks.clone()),
        ToWorker::Drop(tasks) => (format!("Drop {}", tasks.len()), tasks.clone()),
        ToWorker::SayHello => ("SayHello".to_owned(), Vec::new()),
        ToWorker::Beat { last } => (format!("Beat last {last}"), Vec::new()),
        ToWorker::Drain => ("Drain".to_owned(), Vec::new()),
    };
    (numbered(&what, message.session, message.number), tasks)
}

fn numbered(what: &str, session: Session, number: u64) -> String {
    format!("{what} [s{session} #{number}]")
}

/// The same of a request to the store.
pub fn op(op: &Op) -> (String, Vec<TaskRef>) {
    match op {
        Op::Claim(claim) => (
            format!("Claim #{} up to {}", claim.number, claim.max),
            Vec::new(),
        ),
        Op::Commit(batch) => {
            let tasks = refs_of(batch.iter().map(|item| (item.task, item.attempt)));
            (format!("Commit {}", batch.len()), tasks)
        }
        Op::Requeue(batch) => {
            let reason = batch.first().map_or("", |item| item.reason.as_str());
            let tasks = refs_of(batch.iter().map(|item| (item.task, item.attempt)));
            (format!("Requeue {} ({reason})", batch.len()), tasks)
        }
        Op::Adopt { tasks, .. } => {
            let what = format!("Adopt {}", tasks.len());
            (
                what,
                refs_of(tasks.iter().map(|item| (item.task, item.attempt))),
            )
        }
        other => (first_words(&format!("{other:?}")), Vec::new()),
    }
}

/// The store's answer in some words.
pub fn reply(reply: &Reply) -> String {
    match reply {
        Reply::Claimed(tasks) => format!("Claimed {}", tasks.len()),
        Reply::Committed(verdicts) => format!("Committed {verdicts:?}"),
        Reply::Requeued(verdicts) => format!("Requeued {verdicts:?}"),
        Reply::Adopted(verdicts) => format!("Adopted {verdicts:?}"),
        Reply::Reaped { tasks, .. } => format!("Reaped {tasks}"),
        Reply::Released(tasks) => format!("Released {tasks}"),
        Reply::Renewed(owned) => format!("Renewed, owns {}", owned.len()),
        other => first_words(&format!("{other:?}")),
    }
}

pub(super) fn refs_of(tasks: impl Iterator<Item = (TaskId, Attempt)>) -> Vec<TaskRef> {
    let refs = tasks.map(|(task, attempt)| TaskRef { task, attempt });
    refs.collect()
}

pub(super) fn first_words(text: &str) -> String {
    text.split(['{', '('])
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned()
}
