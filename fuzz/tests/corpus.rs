//! Replays the corpus of every target, with any compiler, and looks at what it reaches.

use std::path::Path;

use mpcsfaas_fuzz::replay::inputs;
use mpcsfaas_fuzz::{dispatcher, pickle_scan, store, wire_json, wire_native, worker, zmtp_guard};

/// Gives each input of a target's corpus to the target, and returns what each reached.
fn replay<T>(target: &str, run: fn(&[u8]) -> T) -> Vec<T> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let inputs = inputs(&corpus).expect("the corpus can be read");
    assert!(!inputs.is_empty(), "{target} has no corpus");
    inputs
        .iter()
        .map(|(path, input)| {
            // What a violation says does not name the input; the output of a failed test does.
            println!("{}", path.display());
            run(input)
        })
        .collect()
}

/// Something that an input may reach: its name, and how often one did.
type Goal<T> = (&'static str, fn(&T) -> u64);

/// That each of these is over zero in some input.
fn reached<T>(all: &[T], of: &[Goal<T>]) {
    for (name, count) in of {
        let sum: u64 = all.iter().map(count).sum();
        assert!(sum > 0, "no input reaches {name}");
    }
}

#[test]
fn wire_native_holds() {
    replay("wire_native", wire_native::run);
}

#[test]
fn wire_json_holds() {
    replay("wire_json", wire_json::run);
}

#[test]
fn pickle_scan_holds() {
    replay("pickle_scan", pickle_scan::run);
}

#[test]
fn zmtp_guard_holds() {
    replay("zmtp_guard", zmtp_guard::run);
}

#[test]
fn store_holds_and_all_its_fences_are_met() {
    let all = replay("store", store::run);
    reached(
        &all,
        &[
            ("a claim", |r| r.claimed),
            ("a commit", |r| r.committed),
            ("a refusal", |r| r.refused),
            ("an adoption", |r| r.adopted),
            ("a requeue", |r| r.requeued),
            ("a lost lease", |r| r.without_lease),
            ("a forgotten result", |r| r.expired),
        ],
    );
}

#[test]
fn worker_holds_and_has_been_in_all_kinds_of_trouble() {
    let all = replay("worker", worker::run);
    reached(
        &all,
        &[
            ("a second session", |c| c.sessions.saturating_sub(1)),
            ("an old message", |c| c.stale_messages),
            ("a gap", |c| c.gaps),
            ("a start", |c| c.started),
            ("a drop", |c| c.dropped),
        ],
    );
}

#[test]
fn dispatcher_holds_and_has_been_in_all_kinds_of_trouble() {
    let all = replay("dispatcher", dispatcher::run);
    reached(
        &all,
        &[
            ("junk", |c| c.junk),
            ("an old message", |c| c.stale_messages),
            ("a gap", |c| c.gaps),
            ("a session", |c| c.sessions),
            ("a death", |c| c.deaths),
            ("a claim", |c| c.claimed),
            ("a commit", |c| c.committed),
            ("a stale commit", |c| c.stale_commits),
            ("an adoption", |c| c.adopted),
            ("a refused adoption", |c| c.refused_adoptions),
            ("a requeue", |c| c.requeued),
            ("a lost lease", |c| c.leases_lost),
            ("a reaped task", |c| c.reaped),
            ("a disowned task", |c| c.disowned),
            ("a pause", |c| c.pauses),
        ],
    );
}
