//! Files that people write, files that are written, and files with mistakes.

use std::time::Duration;

use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::Flow;
use mpcsfaas_transport_sim::place::Place;
use mpcsfaas_transport_sim::plan::{
    Bend, Ending, FOR_GOOD, Fault, Occasion, Shape, Submit, Trouble, Twist, WorkerShape,
};
use proptest::{prop_assert_eq, proptest};

use super::drawn::any_scenario;
use super::*;

const SMALL: &str = r#"
version = 1
name = "late-result"

[world]
dispatchers = 2
workers = 2
heal_at = "20s"

[[submit]]
at = "100ms"
runs = "2s"
count = 3
every = "10ms"

[[submit]]
at = "0.5s"
task = "0000000a-0000-0000-0000-000000000000"
runs = "1us"
ends = "hangs"
timeout = "1min"
at_most_once = true

[[fault]]
at = "1s"
node = "W0"
what = "pause"
for = "good"

[[fault]]
at = "2s"
what = "cancel"
task = "3"

[[twist]]
at = "1.2s"
on = "dial W1"
bend = "to"
dispatcher = "D1"

[expect]
breaks = "P1"
"#;

fn at(millis: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(millis)
}

fn small() -> Scenario {
    let quick = |number: u64| Submit {
        at: at(90 + 10 * number),
        task: TaskId(number.into()),
        runs: Duration::from_secs(2),
        ends: Ending::Returns,
        timeout: None,
        at_most_once: false,
    };
    let hanging = Submit {
        at: at(500),
        task: TaskId(10 << 96),
        runs: Duration::from_micros(1),
        ends: Ending::Hangs,
        timeout: Some(Duration::from_secs(60)),
        at_most_once: true,
    };
    let workers = WorkerShape {
        starts: Instant::ZERO,
        processes: 1,
    };
    let plan = Plan {
        shape: Shape {
            salt: 0,
            dispatchers: vec![Instant::ZERO; 2],
            workers: vec![workers; 2],
            flow: Flow::Push,
            latency: Duration::from_millis(1),
            queue_limit: 1_000_000,
            claim_limit: 256,
            timeout: Duration::from_secs(3),
        },
        submits: vec![quick(1), quick(2), quick(3), hanging],
        faults: vec![
            Fault {
                at: at(1_000),
                node: Place::Worker(0),
                what: Trouble::Pause(FOR_GOOD),
            },
            Fault {
                at: at(2_000),
                node: Place::Client,
                what: Trouble::Cancel(2),
            },
        ],
        twists: vec![Twist {
            at: at(1_200),
            nth: 0,
            on: Occasion::Dial(1),
            bend: Bend::To(1),
        }],
        heal_at: at(20_000),
    };
    Scenario {
        name: "late-result".to_owned(),
        plan,
        expect: Expect::Breaks("P1"),
    }
}

#[test]
fn what_a_person_leaves_out_is_as_usual() {
    assert_eq!(read(SMALL), Ok(small()));
}

#[test]
fn a_written_file_is_a_file_that_a_person_would_write() {
    let expected = r#"# Breaks P1: An accepted task reaches exactly one terminal state, whatever crashes, once faults end.
version = 1
name = "late-result"

[world]
dispatchers = 2
workers = 2
processes = 1
flow = "push"
latency = "1ms"
timeout = "3s"
queue_limit = 1000000
claim_limit = 256
salt = 0
heal_at = "20s"

[[submit]]
at = "100ms"
task = "1"
runs = "2s"
count = 3
every = "10ms"

[[submit]]
at = "500ms"
task = "0000000a-0000-0000-0000-000000000000"
runs = "1us"
ends = "hangs"
timeout = "60s"
at_most_once = true

[[fault]]
at = "1s"
node = "W0"
what = "pause"
for = "good"

[[fault]]
at = "2s"
what = "cancel"
task = "3"

[[twist]]
at = "1.2s"
on = "dial W1"
bend = "to"
dispatcher = "D1"

[expect]
breaks = "P1"
"#;
    assert_eq!(write(&small()), expected);
}

#[test]
fn only_like_submits_share_a_count() {
    let change = |change: fn(&mut Submit)| {
        let mut scenario = small();
        change(&mut scenario.plan.submits[1]);
        assert_eq!(read(&write(&scenario)), Ok(scenario.clone()));
        assert!(!write(&scenario).contains("count"));
    };
    change(|submit| submit.at = at(111));
    change(|submit| submit.task = TaskId(4));
    change(|submit| submit.runs = Duration::ZERO);
    change(|submit| submit.ends = Ending::Raises);
    change(|submit| submit.timeout = Some(Duration::ZERO));
    change(|submit| submit.at_most_once = true);
}

#[test]
fn the_example_of_the_documentation_can_be_read() {
    let example: Vec<_> = include_str!("mod.rs")
        .lines()
        .skip_while(|line| *line != "//! ```toml")
        .skip(1)
        .take_while(|line| *line != "//! ```")
        .map(|line| line.trim_start_matches("//!"))
        .collect();
    let scenario = read(&example.join("\n")).unwrap();
    assert_eq!(scenario.plan.submits.len(), 5);
}

/// What reading says when one line of the small file is another.
fn error(line: &str, other: &str) -> String {
    assert!(SMALL.contains(line), "{line}");
    let error = read(&SMALL.replacen(line, other, 1)).unwrap_err();
    error.in_file("f.toml").to_string()
}

/// A line of the small file, what stands there instead, and what reading says.
const MISTAKES: [(&str, &str, &str); 26] = [
    (
        "heal_at = \"20s\"",
        "heal_at = 20s",
        "f.toml:8:11: not TOML: ",
    ),
    (
        "version = 1",
        "version = 2",
        "f.toml:2:11: version 2 is unknown: this program reads version 1",
    ),
    ("version = 1", "", "f.toml:1:1: the file needs `version`"),
    (
        "heal_at = \"20s\"",
        "",
        "f.toml:5:1: [world] needs `heal_at`",
    ),
    (
        "dispatchers = 2",
        "dispatchers = 0",
        "f.toml:6:15: 0 is out of range: 1 to 1000",
    ),
    (
        "dispatchers = 2",
        "dispatchers = []",
        "f.toml:6:15: 0 is out of range: 1 to 1000",
    ),
    (
        "workers = 2",
        "workers = \"2\"",
        "f.toml:7:11: expected a whole number, found a text",
    ),
    ("workers = 2", "", "f.toml:5:1: [world] needs `workers`"),
    (
        "workers = 2",
        "workers = 2\nworker = [{ processes = 2 }]",
        "f.toml:5:1: write `workers` or `[[world.worker]]`, not both",
    ),
    (
        "runs = \"2s\"",
        "runs = \"2s\"\nrun = 1",
        "f.toml:13:1: [[submit]] has no `run`; it may have at, task, runs, ends, timeout, \
             at_most_once, count or every",
    ),
    (
        "every = \"10ms\"",
        "every = \"10 ms\"",
        "f.toml:14:9: `10 ms` has no unit that is known: write ns, us, ms, s or min",
    ),
    (
        "ends = \"hangs\"",
        "ends = \"ends\"",
        "f.toml:20:8: `ends` means nothing here; write returns, raises, exits, crashes, hangs \
             or returns-too-much",
    ),
    (
        "task = \"0000000a-0000-0000-0000-000000000000\"",
        "task = \"2\"",
        "f.toml:18:8: the task `2` is submitted twice",
    ),
    (
        "task = \"0000000a-0000-0000-0000-000000000000\"",
        "task = \"two\"",
        "f.toml:18:8: `two` names no task: write a number or a UUID",
    ),
    (
        "task = \"3\"",
        "task = \"9\"",
        "f.toml:33:8: no [[submit]] has the task `9`",
    ),
    (
        "node = \"W0\"",
        "node = \"W9\"",
        "f.toml:26:8: there is no W9: the world has 2 workers, counted from 0",
    ),
    ("node = \"W0\"", "", "f.toml:24:1: [[fault]] needs `node`"),
    (
        "node = \"W0\"",
        "node = \"w0\"",
        "f.toml:26:8: `w0` is no place: C is the client",
    ),
    (
        "what = \"pause\"",
        "what = \"cut\"",
        "f.toml:28:1: [[fault]] has no `for`; it may have at, what or node",
    ),
    (
        "what = \"pause\"",
        "what = \"store-cut\"",
        "f.toml:26:8: `store-cut` cannot befall W0: write a dispatcher, such as D0",
    ),
    (
        "for = \"good\"",
        "by = \"-2s\"",
        "f.toml:24:1: [[fault]] needs `for`",
    ),
    (
        "on = \"dial W1\"",
        "on = \"dial D1\"",
        "f.toml:37:6: `dial D1` means nothing here; write up W0, down W0, dial W0,",
    ),
    (
        "on = \"dial W1\"",
        "on = \"up W1\"",
        "f.toml:38:8: `to` bends only `dial`",
    ),
    (
        "dispatcher = \"D1\"",
        "dispatcher = \"D2\"",
        "f.toml:39:14: there is no D2: the world has 2 dispatchers, counted from 0",
    ),
    (
        "breaks = \"P1\"",
        "breaks = \"P14\"",
        "f.toml:42:10: `P14` means nothing here; write P1, P2,",
    ),
    (
        "breaks = \"P1\"",
        "",
        "f.toml:41:1: [expect] needs `breaks` or `keeps`",
    ),
];

#[test]
fn every_mistake_is_told_with_its_place_and_a_hint() {
    for (line, other, expected) in MISTAKES {
        let found = error(line, other);
        assert!(found.starts_with(expected), "\n{found}\n{expected}");
    }
}

#[test]
fn only_the_clock_of_the_store_jumps_back() {
    let jump = |node: &str| {
        let fault = format!("what = \"clock-jump\"\nby = \"-2s\"\nnode = \"{node}\"");
        let text = SMALL.replacen("what = \"cancel\"\ntask = \"3\"", &fault, 1);
        read(&text).map(|scenario| scenario.plan.faults[1].what)
    };
    assert_eq!(jump("S"), Ok(Trouble::ClockJump { millis: -2_000 }));
    let error = jump("W1").unwrap_err().to_string();
    let expected = "34:8: `clock-jump` cannot befall W1: write S, whose clock alone may jump back";
    assert_eq!(error, expected);
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_it_was(scenario in any_scenario()) {
        let text = write(&scenario);
        let read = read(&text);
        prop_assert_eq!(read.as_ref(), Ok(&scenario), "{}", text);
    }
}
