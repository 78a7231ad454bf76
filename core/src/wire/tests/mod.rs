//! The wire formats: what is written down, what is refused, what survives the way there and back.

mod golden;
mod json;
mod limits;
mod native;
mod zmtp;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::message::{
    Finished, Flow, FromDispatcher, FromWorker, Hello, Run, TaskRef, ToDispatcher, ToWorker,
    UNNUMBERED,
};
use crate::id::{FunctionId, Incarnation, TaskId, WorkerId};
use crate::task::{Failure, FailureKind, Function, Options, Outcome, Versions};

/// Any message of a worker.
fn from_worker() -> impl Strategy<Value = FromWorker> {
    (any::<u64>(), any::<u64>(), any::<u64>(), to_dispatcher()).prop_map(
        |(worker, session, number, body)| FromWorker {
            worker: WorkerId(worker),
            session,
            number,
            body,
        },
    )
}

/// Any message of a dispatcher.
fn from_dispatcher() -> impl Strategy<Value = FromDispatcher> {
    (any::<u64>(), any::<u64>(), to_worker()).prop_map(|(session, number, body)| FromDispatcher {
        session,
        number,
        body,
    })
}

fn to_dispatcher() -> impl Strategy<Value = ToDispatcher> {
    prop_oneof![
        hello().prop_map(ToDispatcher::Hello),
        (any::<u64>(), any::<u32>()).prop_map(|(last, credit)| ToDispatcher::Beat { last, credit }),
        any::<u32>().prop_map(|credit| ToDispatcher::Pull { credit }),
        vec(finished(), 0..4).prop_map(ToDispatcher::Finished),
        (task_refs(), vec(function_id(), 0..4))
            .prop_map(|(tasks, missing)| ToDispatcher::Returned { tasks, missing }),
        task_refs().prop_map(|returned| ToDispatcher::Goodbye { returned }),
    ]
}

fn to_worker() -> impl Strategy<Value = ToWorker> {
    prop_oneof![
        (any::<(u64, u32)>(), duration(), duration()).prop_map(|((boot, epoch), beat, timeout)| {
            ToWorker::Welcome {
                dispatcher: Incarnation { boot, epoch },
                beat,
                timeout,
            }
        }),
        vec(run(), 0..4).prop_map(ToWorker::Run),
        (function_id(), function()).prop_map(|(id, function)| ToWorker::Function {
            id,
            function: Arc::new(function)
        }),
        task_refs().prop_map(ToWorker::Ack),
        task_refs().prop_map(ToWorker::Drop),
        Just(ToWorker::SayHello),
        any::<u64>().prop_map(|last| ToWorker::Beat { last }),
        Just(ToWorker::Drain),
    ]
}

fn hello() -> impl Strategy<Value = Hello> {
    let flow = prop_oneof![Just(Flow::Pull), Just(Flow::Push)];
    let numbers = any::<(u32, u32, bool)>();
    (flow, numbers, versions(), task_refs(), task_refs()).prop_map(
        |(flow, (processes, credit, draining), versions, running, finished)| Hello {
            flow,
            processes,
            credit,
            versions,
            running,
            finished,
            draining,
        },
    )
}

fn finished() -> impl Strategy<Value = Finished> {
    (task_ref(), outcome()).prop_map(|(task, outcome)| Finished { task, outcome })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let result = prop_oneof![bytes().prop_map(Ok), failure().prop_map(Err)];
    (result, bytes()).prop_map(|(result, output)| Outcome { result, output })
}

fn failure() -> impl Strategy<Value = Failure> {
    let kind = proptest::sample::select(&FailureKind::ALL[..]);
    let codes = any::<(Option<i32>, Option<i32>)>();
    (kind, text(), text(), text(), bytes(), codes).prop_map(
        |(kind, exception, message, traceback, pickled_message, (exit_code, signal))| Failure {
            kind,
            exception,
            message,
            pickled_message,
            traceback,
            exit_code,
            signal,
        },
    )
}

fn run() -> impl Strategy<Value = Run> {
    (task_ref(), function_id(), bytes(), options()).prop_map(|(task, function, params, options)| {
        Run {
            task,
            function,
            params,
            options,
        }
    })
}

fn function() -> impl Strategy<Value = Function> {
    (text(), bytes(), options(), versions()).prop_map(|(name, body, options, pickled_by)| {
        Function {
            name,
            body,
            options,
            pickled_by,
        }
    })
}

fn options() -> impl Strategy<Value = Options> {
    any::<(Option<u64>, bool)>().prop_map(|(timeout_ms, at_most_once)| Options {
        timeout_ms,
        at_most_once,
    })
}

fn versions() -> impl Strategy<Value = Versions> {
    (option::of(text()), option::of(text())).prop_map(|(python, dill)| Versions { python, dill })
}

fn task_refs() -> impl Strategy<Value = Vec<TaskRef>> {
    vec(task_ref(), 0..6)
}

fn task_ref() -> impl Strategy<Value = TaskRef> {
    any::<(u128, u32)>().prop_map(|(task, attempt)| TaskRef {
        task: TaskId(task),
        attempt,
    })
}

fn function_id() -> impl Strategy<Value = FunctionId> {
    any::<u128>().prop_map(FunctionId)
}

fn duration() -> impl Strategy<Value = Duration> {
    (any::<u64>(), 0..1_000_000_000u32).prop_map(|(secs, nanos)| Duration::new(secs, nanos))
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn text() -> impl Strategy<Value = String> {
    "\\PC{0,12}"
}
