//! What is printed of runs, as text and as JSON.

use std::fmt;
use std::io::{self, ErrorKind, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use mpcsfaas_sim_tests::run::{Run, Violation};
use mpcsfaas_sim_tests::world::Knobs;
use serde_json::{Map, Value, json};

use super::SimError;
use super::target::{Setting, Target};

/// Prints on standard output. Whoever closes it, as `head` does, has seen enough.
pub(super) fn print(text: &str) -> Result<(), SimError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(SimError::Print(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// How far it is. Draws nothing where standard error is no terminal.
pub(super) fn bar(length: u64, of: &str) -> ProgressBar {
    let bar = ProgressBar::new(length);
    let style =
        ProgressStyle::with_template(&format!("[{{bar:40}}] {{pos}}/{{len}} {of}, {{per_sec}}"));
    bar.set_style(
        style
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> "),
    );
    bar
}

/// A seed that broke a promise, and how to see it again.
pub(super) fn failure(setting: Setting, seed: u64, violation: &Violation) -> String {
    let knobs = Knobs::of(setting.mode, seed);
    let replay = setting.replay(seed);
    format!("seed {seed}: {violation}\n  knobs: {knobs}\n  replay: {replay}\n")
}

/// The same, for a machine.
pub(super) fn failure_json(setting: Setting, seed: u64, violation: &Violation) -> Value {
    let mut fields = Target::Seed(seed).json(setting);
    fields.extend(object(json!({
        "violation": violation_json(violation),
        "replay": setting.replay(seed),
    })));
    Value::Object(fields)
}

/// Fields of a JSON object.
pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

pub(super) fn violation_json(violation: &Violation) -> Value {
    json!({
        "promise": violation.promise,
        "what": violation.what,
        "at_s": violation.at.as_nanos() as f64 / 1e9,
    })
}

/// What was done in which time, and the hash of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    pub(super) hash: u64,
    pub(super) runs: u64,
    pub(super) events: u64,
    /// World time.
    pub(super) lived: Duration,
    /// Time of this machine.
    pub(super) took: Duration,
}

impl Pace {
    pub(super) fn of(run: &Run, took: Duration) -> Pace {
        let mut pace = Pace {
            took,
            ..Pace::default()
        };
        pace.add(run);
        pace
    }

    fn each_second(&self, count: f64) -> f64 {
        count / self.took.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    fn virtual_to_wall(&self) -> f64 {
        self.each_second(self.lived.as_secs_f64())
    }

    /// Adds a run. The hash is that of the last.
    pub(super) fn add(&mut self, run: &Run) {
        self.hash = run.hash;
        self.runs += 1;
        self.events += run.events;
        self.lived += Duration::from_nanos(run.ended_at.as_nanos());
    }

    /// Fields of a JSON object.
    pub(super) fn json(&self) -> Map<String, Value> {
        object(json!({
            "hash": format!("{:016x}", self.hash),
            "runs": self.runs,
            "events": self.events,
            "virtual_s": self.lived.as_secs_f64(),
            "wall_s": self.took.as_secs_f64(),
            "events_per_s": self.each_second(self.events as f64),
            "seeds_per_s": self.each_second(self.runs as f64),
            "virtual_to_wall": self.virtual_to_wall(),
        }))
    }
}

/// One line. All but the hash differs from time to time.
impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "hash={:016x} events/s={:.0} seeds/s={:.1} virtual:wall={:.0}",
            self.hash,
            self.each_second(self.events as f64),
            self.each_second(self.runs as f64),
            self.virtual_to_wall(),
        )
    }
}
