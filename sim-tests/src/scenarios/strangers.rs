//! Peers that are no workers. Ours do not speak the original's dialect, so that in their world
//! the same thing happens in their own: a message of a session that is over, one that is lost, and
//! a worker that says Hello again.

use mpcsfaas_core::task::Status;
use mpcsfaas_transport_sim::plan::{Bend, FOR_GOOD, Occasion, Trouble};

use super::evidence::{any_of, becomes_again, ends_unrun, stays};
use super::setup::{Setup, T1, T2, W0, ms};
use super::{PUSH, REMOTE, Scenario};
use crate::seed_model::Role;
use crate::seed_model::cast::name_of;

pub(super) const SCENARIOS: [Scenario; 3] = [
    Scenario {
        number: 17,
        name: "anybody-ends-tasks",
        modes: REMOTE,
        happens: "A peer that nobody knows sends results: of a task that runs, and of one that has ended.",
        without: "it is not there",
        breaks: &["P3", "P5"],
        setup: |mode| {
            let lies = vec![
                (ms(200), T1, Status::Completed),
                (ms(300), T2, Status::Running),
            ];
            Setup::new(mode, 20)
                .worker(10, 2)
                .task(1_000, 5_000)
                .task(1_000, 200)
                .stranger(3_000, Role::Lies(lies))
                .fault(3_200, W0, Trouble::Impostor)
        },
        remedy: Setup::calm,
        symptom: |run| {
            any_of([
                ends_unrun(run, T1),
                becomes_again(run, T2, &[Status::Running]),
            ])
        },
    },
    Scenario {
        number: 18,
        name: "only-beats",
        modes: REMOTE,
        happens: "A registered peer beats and does not run its task.",
        without: "a worker is in its place",
        breaks: &["P1"],
        setup: |mode| {
            Setup::new(mode, 20)
                .stranger(10, Role::OnlyBeats)
                .worker(4_000, 1)
                .task(1_200, 100)
                // In our world: function and task are lost on their way, and their worker beats.
                .twist(1_200, Occasion::Down(0), Bend::Lost)
                .twist(1_200, Occasion::Down(0), Bend::Lost)
        },
        remedy: Setup::calm,
        symptom: |run| stays(run, T1, Status::Running),
    },
    Scenario {
        number: 19,
        name: "registers-again",
        modes: PUSH,
        happens: "A worker with a task is registered again, and is killed later.",
        without: "it is registered once",
        breaks: &["P1"],
        setup: |mode| {
            Setup::new(mode, 20)
                .worker(10, 1)
                .task(1_000, 10_000)
                .stranger(2_000, Role::Registers(name_of(0, 1)))
                // In our world: a worker that has lost its connection says Hello again.
                .fault(2_000, W0, Trouble::Cut)
                .fault(6_000, W0, Trouble::Crash(FOR_GOOD))
                .worker(6_500, 1)
        },
        remedy: |setup| {
            setup.strangers.clear();
            setup.plan.faults.remove(0);
        },
        symptom: |run| stays(run, T1, Status::Running),
    },
];
