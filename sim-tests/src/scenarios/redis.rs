//! Redis that is away, or fails once.

use mpcsfaas_core::task::Status;
use mpcsfaas_transport_sim::Place;
use mpcsfaas_transport_sim::plan::{Bend, Occasion, Trouble};

use super::evidence::stays;
use super::setup::{Setup, T1, secs};
use super::{ALL, Scenario};

pub(super) const SCENARIOS: [Scenario; 2] = [
    Scenario {
        number: 15,
        name: "redis-away",
        modes: ALL,
        happens: "Redis is away for 6 s; then a task is submitted.",
        without: "Redis stays",
        breaks: &["P8"],
        setup: |mode| {
            Setup::new(mode, 12)
                .worker(10, 1)
                .fault(1_000, Place::Store, Trouble::Crash(secs(6)))
                .task(9_000, 100)
        },
        remedy: Setup::calm,
        symptom: |run| stays(run, T1, Status::Queued),
    },
    Scenario {
        number: 21,
        name: "fails-after-the-pop",
        modes: ALL,
        happens: "The dispatcher does not reach Redis for a moment after a submit.",
        without: "it does",
        breaks: &["P1"],
        setup: |mode| {
            let setup = Setup::new(mode, 15)
                .worker(10, 1)
                .task(1_000, 100)
                .task(3_000, 100);
            // A twist befalls the first request within 50 ms: the dispatcher asks sooner or later,
            // by its mode.
            (1_000..1_600).step_by(25).fold(setup, |setup, millis| {
                setup.twist(millis, Occasion::Request(0), Bend::Lost)
            })
        },
        remedy: Setup::calm,
        symptom: |run| stays(run, T1, Status::Queued),
    },
];
