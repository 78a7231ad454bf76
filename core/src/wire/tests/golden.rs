//! A file for each message, compared byte for byte, so that no format changes by accident.
//!
//! `MPCSFAAS_BLESS=1` writes the files anew. The messages of the original's workers are facts about
//! the original and are not written by anything.

use std::path::PathBuf;

use super::*;
use crate::task::Status;
use crate::wire::native::{DecodeError, VERSION};
use crate::wire::{Arrival, decode_arrival, json, native};

/// The messages of a worker, one of each kind.
fn workers() -> Vec<(&'static str, ToDispatcher)> {
    vec![
        ("hello", ToDispatcher::Hello(a_hello())),
        ("beat", ToDispatcher::Beat { last: 3, credit: 5 }),
        ("pull", ToDispatcher::Pull { credit: 5 }),
        (
            "finished",
            ToDispatcher::Finished(vec![completed(), failed()]),
        ),
        (
            "returned",
            ToDispatcher::Returned {
                tasks: vec![task(3)],
                missing: vec![FunctionId(9)],
            },
        ),
        (
            "goodbye",
            ToDispatcher::Goodbye {
                returned: vec![task(4), task(5)],
            },
        ),
    ]
}

/// The messages of a dispatcher, one of each kind.
fn dispatchers() -> Vec<(&'static str, ToWorker)> {
    vec![
        (
            "welcome",
            ToWorker::Welcome {
                dispatcher: Incarnation { boot: 7, epoch: 1 },
                beat: Duration::from_millis(1_000),
                timeout: Duration::from_millis(3_000),
            },
        ),
        ("run", ToWorker::Run(vec![a_run()])),
        (
            "function",
            ToWorker::Function {
                id: FunctionId(9),
                function: Arc::new(a_function()),
            },
        ),
        ("ack", ToWorker::Ack(vec![task(1), task(2)])),
        ("drop", ToWorker::Drop(vec![task(3)])),
        ("say-hello", ToWorker::SayHello),
        ("beat", ToWorker::Beat { last: 2 }),
        ("drain", ToWorker::Drain),
    ]
}

#[test]
fn the_messages_of_a_worker_are_written_as_ever() {
    for (name, body) in workers() {
        let message = FromWorker {
            worker: WorkerId(0x0102_0304_0506_0708),
            session: 2,
            number: 3,
            body,
        };
        let bytes = native::encode(&message);
        check(&format!("worker-{name}.hex"), &hex(&bytes));
        assert_eq!(native::decode(&bytes), Ok(message), "{name}");
    }
}

#[test]
fn the_messages_of_a_dispatcher_are_written_as_ever() {
    for (name, body) in dispatchers() {
        let message = FromDispatcher {
            session: 2,
            number: 3,
            body,
        };
        let bytes = native::encode(&message);
        check(&format!("dispatcher-{name}.hex"), &hex(&bytes));
        assert_eq!(native::decode(&bytes), Ok(message), "{name}");
    }
}

#[test]
fn every_kind_of_message_has_a_file() {
    // A body of an impossible kind is refused with the number of possible ones.
    let refused = |zeros: usize, read: fn(&[u8]) -> Option<DecodeError>| {
        let mut bytes = vec![0; zeros + 2];
        bytes[0] = VERSION;
        bytes[zeros + 1] = 250;
        read(&bytes).expect("no such message").to_string()
    };
    let worker = refused(3, |bytes| native::decode::<FromWorker>(bytes).err());
    let dispatcher = refused(2, |bytes| native::decode::<FromDispatcher>(bytes).err());
    for (refused, files) in [(worker, workers().len()), (dispatcher, dispatchers().len())] {
        let all = format!("0 <= i < {files}");
        assert!(refused.contains(&all), "{files} files, and: {refused}");
    }
}

#[test]
fn what_the_original_is_told_is_written_as_ever() {
    use json::{Answers, ToWorker as Told};
    let ok = |answers| Told::Ok { answers };
    let a_task = Told::Task {
        task: TaskId(7),
        function: Bytes::from_static(b"function"),
        params: Bytes::from(vec![0; 60]),
    };
    let refused = Told::Error {
        message: "not a \"message\"".to_owned(),
    };
    for (name, message, lock_step) in [
        ("pull-ok", ok(Answers::Register), true),
        ("pull-no-task", Told::NoTask, true),
        ("pull-task", a_task.clone(), true),
        ("pull-error", refused, true),
        ("push-register", ok(Answers::Register), false),
        ("push-heartbeat", ok(Answers::Heartbeat), false),
        ("push-result", ok(Answers::TaskResult), false),
        ("push-task", a_task, false),
    ] {
        let text = String::from_utf8(json::encode(&message, lock_step)).expect("JSON is UTF-8");
        check(&format!("told-{name}.json"), &text);
    }
}

#[test]
fn what_the_originals_workers_say_is_understood() {
    use json::FromWorker as Says;
    let worker_id = || "9f8a2f64-8a52-4f9c-9a3e-0d4a5d1f7c11".to_owned();
    let result = |status| Says::TaskResult {
        worker_id: worker_id(),
        task: TaskId(7),
        status,
        result: Bytes::from_static(b"\x80\x04K\x2a."),
    };
    for (text, expected) in [
        (
            include_str!("../golden/says-register.json"),
            Says::Register {
                worker_id: worker_id(),
            },
        ),
        (
            include_str!("../golden/says-heartbeat.json"),
            Says::Heartbeat {
                worker_id: worker_id(),
            },
        ),
        (
            include_str!("../golden/says-request.json"),
            Says::RequestTask {
                worker_id: worker_id(),
            },
        ),
        (
            include_str!("../golden/says-completed.json"),
            result(Status::Completed),
        ),
        (
            include_str!("../golden/says-failed.json"),
            result(Status::Failed),
        ),
    ] {
        assert_eq!(
            decode_arrival(text.as_bytes()),
            Ok(Arrival::Legacy(expected))
        );
    }
}

/// Compares with the file, or writes it.
#[expect(
    clippy::disallowed_methods,
    reason = "the files of a test are read and written by the test"
)]
fn check(file: &str, is: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("src/wire/golden")
        .join(file);
    let is = format!("{}\n", is.trim_end());
    if std::env::var_os("MPCSFAAS_BLESS").is_some() {
        std::fs::write(&path, &is).expect("the golden file can be written");
    }
    let was = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        is == was,
        "{file} is not what is sent. A native message changed: native::VERSION ({VERSION}) must \
         grow, because a worker of the release before cannot read it. A JSON message changed: the \
         original's workers cannot. If that is meant, run again with MPCSFAAS_BLESS=1.\n\
         was:\n{was}\nis:\n{is}"
    );
}

/// 32 bytes a line.
fn hex(bytes: &[u8]) -> String {
    let line = |line: &[u8]| {
        line.iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    bytes.chunks(32).map(line).collect::<Vec<_>>().join("\n")
}

fn task(number: u128) -> TaskRef {
    TaskRef {
        task: TaskId(number << 64),
        attempt: 300,
    }
}

fn a_hello() -> Hello {
    Hello {
        flow: Flow::Push,
        processes: 4,
        credit: 5,
        versions: Versions {
            python: Some("3.11.7".to_owned()),
            dill: None,
        },
        running: vec![task(1)],
        finished: vec![task(2)],
        draining: true,
    }
}

fn completed() -> Finished {
    Finished {
        task: task(1),
        outcome: Outcome {
            result: Ok(Bytes::from_static(b"result")),
            output: Bytes::from_static(b"printed"),
        },
    }
}

fn failed() -> Finished {
    let failure = Failure {
        kind: FailureKind::Raised,
        exception: "ValueError".to_owned(),
        message: "no".to_owned(),
        pickled_message: Bytes::from_static(b"pickle"),
        traceback: "Traceback".to_owned(),
        exit_code: Some(-1),
        signal: Some(9),
    };
    Finished {
        task: task(2),
        outcome: Outcome {
            result: Err(failure),
            output: Bytes::new(),
        },
    }
}

fn a_run() -> Run {
    Run {
        task: task(1),
        function: FunctionId(9),
        params: Bytes::from_static(b"params"),
        options: Options {
            timeout_ms: Some(70_000),
            at_most_once: true,
        },
    }
}

fn a_function() -> Function {
    Function {
        name: "double".to_owned(),
        body: Bytes::from_static(b"body"),
        options: Options::default(),
        pickled_by: Versions {
            python: Some("3.12.1".to_owned()),
            dill: Some("0.4.0".to_owned()),
        },
    }
}
