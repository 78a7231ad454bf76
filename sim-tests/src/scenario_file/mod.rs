//! Plans as TOML files that people write and read.
//!
//! ```toml
//! # A worker is paused while it runs a task, and its result comes late.
//! version = 1
//! name = "late-result"
//!
//! [world]
//! dispatchers = 1            # or when each starts: ["0s", "2s"]
//! workers = 2                # or [[world.worker]] with starts and processes
//! processes = 1
//! flow = "push"              # or pull
//! latency = "1ms"
//! timeout = "3s"
//! queue_limit = 1000000
//! claim_limit = 256
//! salt = 7
//! heal_at = "20s"
//!
//! [[submit]]
//! at = "100ms"
//! task = "1"                 # a small number or a UUID; without one: its place, from 1
//! runs = "2s"
//! ends = "returns"           # raises, exits, crashes, hangs, returns-too-much
//! timeout = "5s"
//! at_most_once = false
//! count = 5                  # as many tasks with the numbers that follow, ...
//! every = "10ms"             # ... each so much later than the one before
//!
//! [[fault]]
//! at = "1s"
//! node = "W0"
//! what = "pause"
//! for = "10s"                # or "good"
//!
//! [[twist]]
//! at = "1.2s"
//! on = "up W0"
//! nth = 0
//! bend = "late"
//! by = "2s"
//!
//! [expect]
//! breaks = "P1"              # or keeps = "all"
//! ```
//!
//! Faults: `cut`, `clog` (`for`), `partition` (`from = "D0"`, `way = "up"`, `for`), `slow` (`by`,
//! `for`), `pause`, `crash`, `leave`, `store-cut` (`for`), `clock-drift` (`ppm`), `clock-jump`
//! (`by = "-2s"`), `cancel` (`task`, no `node`), `junk`, `impostor`. Twists befall `up`, `down`, `dial`,
//! `end-up`, `end-down`, `spawn` of a worker, `request`, `reply`, `doorbell` of a dispatcher, `waking`
//! of any node, and `answer`; they bend it to `late` (`by`), `lost`, `twice` (`after`), `to`
//! (`dispatcher`), `swallowed`, `timer-first` or `fails`. What all of these mean stands in
//! [`mpcsfaas_transport_sim::plan`].
//!
//! [`read()`] refuses whatever it does not know, and says where; [`write()`] is exact to the nanosecond.

mod error;
mod fields;
mod read;
mod read_trouble;
mod time;
mod words;
mod write;

#[cfg(test)]
mod drawn;
#[cfg(test)]
mod tests;

use mpcsfaas_transport_sim::plan::Plan;

pub use self::error::{Mistake, ScenarioError};
pub use self::read::read;
pub use self::time::{TimeError, read as read_time, write as write_time};
pub use self::write::write;

/// The version of the format.
pub const VERSION: u32 = 1;

/// What a run can break, in the words of `docs/PROTOCOL.md`.
pub const PROMISES: [(&str, &str); 15] = [
    (
        "P1",
        "An accepted task reaches exactly one terminal state, whatever crashes, once faults end.",
    ),
    ("P2", "A terminal result never changes."),
    ("P3", "Only the current attempt commits."),
    (
        "P4",
        "A worker never holds more tasks than the credit it gave.",
    ),
    ("P5", "Status moves only along the table."),
    (
        "P6",
        "A live worker that was declared dead is told, says Hello and works again.",
    ),
    (
        "P7",
        "A worker that leaves says goodbye and hands back what it has not started.",
    ),
    ("P8", "No peer's silence, junk or death blocks another."),
    (
        "P9",
        "A paused dispatcher does not declare everybody dead when it wakes.",
    ),
    (
        "P10",
        "Duplicates, reordering across reconnects and stale identities are harmless.",
    ),
    (
        "P11",
        "With several dispatchers a task has one owner; no attempt starts twice; a dead one's tasks come back after its lease.",
    ),
    (
        "P12",
        "What a worker still runs when its dispatcher restarts is adopted, not run again, if its Hello comes before the lease ends.",
    ),
    (
        "P13",
        "Every queue, buffer, payload and wait has a limit and a clear error.",
    ),
    ("invariant", "Every machine is sound at each step."),
    (
        "history",
        "What a client could see can be explained by what happened.",
    ),
];

/// A plan with a name, and what its run should show.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scenario {
    /// What people call it, in few words.
    pub name: String,
    /// The run.
    pub plan: Plan,
    /// What comes of it.
    pub expect: Expect,
}

/// What a run should show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expect {
    /// Every promise is kept.
    Keeps,
    /// This promise is broken; one of [`PROMISES`].
    Breaks(&'static str),
}
