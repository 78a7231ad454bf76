//! Workers that are paused, killed, told to leave, or join; and functions that end their process.

use mpcsfaas_core::task::Status;
use mpcsfaas_transport_sim::plan::{Bend, Ending, FOR_GOOD, Occasion, Trouble};

use super::evidence::{any_of, becomes_again, idles, is_missed_late, runs_again, stays};
use super::setup::{Setup, T1, T2, W0, W1, ms, secs};
use super::{ALL, PULL, PUSH, REMOTE, Scenario};

/// What a lost worker's task may take to be missed: 3 s of silence, 0.5 s for a worker whose
/// connection broke, and a moment.
const MISSED_IN: std::time::Duration = ms(3_600);

pub(super) const SCENARIOS: [Scenario; 9] = [
    Scenario {
        number: 4,
        name: "paused-and-forgotten",
        modes: PUSH,
        happens: "The only worker is paused for 10 s; then a task is submitted.",
        without: "no pause",
        breaks: &["P6"],
        setup: |mode| {
            Setup::new(mode, 20)
                .worker(10, 1)
                .fault(1_100, W0, Trouble::Pause(secs(10)))
                .task(13_000, 100)
        },
        remedy: Setup::calm,
        symptom: |run| stays(run, T1, Status::Queued),
    },
    Scenario {
        number: 5,
        name: "served-unregistered",
        modes: PULL,
        happens: "A worker is paused for 8 s, then gets a task, and is killed.",
        without: "no pause",
        breaks: &["P1"],
        setup: |mode| {
            Setup::new(mode, 20)
                .worker(10, 1)
                .worker(13_000, 1)
                .fault(1_100, W0, Trouble::Pause(secs(8)))
                .task(10_000, 5_000)
                .fault(12_000, W0, Trouble::Crash(FOR_GOOD))
        },
        remedy: |setup| {
            setup.plan.faults.remove(0);
        },
        symptom: |run| stays(run, T1, Status::Running),
    },
    Scenario {
        number: 6,
        name: "late-result",
        modes: REMOTE,
        happens: "A worker is paused with a task until the task was given back, and its result comes late.",
        without: "no pause",
        breaks: &["P2", "P3"],
        setup: |mode| {
            Setup::new(mode, 20)
                .worker(10, 1)
                .task(500, 1_000)
                .fault(1_100, W0, Trouble::Pause(secs(10)))
                .worker(12_000, 1)
        },
        remedy: Setup::calm,
        symptom: |run| becomes_again(run, T1, &[Status::Running, Status::Completed]),
    },
    Scenario {
        number: 7,
        name: "missed-by-the-scan",
        modes: PUSH,
        happens: "A worker is killed with a task.",
        without: "it is not killed",
        breaks: &["P1"],
        setup: |mode| {
            Setup::new(mode, 20)
                .worker(10, 1)
                .task(5_500, 5_000)
                .worker(6_500, 1)
                .fault(7_500, W0, Trouble::Crash(FOR_GOOD))
        },
        remedy: Setup::calm,
        symptom: |run| is_missed_late(run, T1, W0, MISSED_IN),
    },
    Scenario {
        number: 8,
        name: "ends-its-process",
        modes: ALL,
        happens: "A function calls os._exit.",
        without: "it returns",
        breaks: &["P1"],
        setup: |mode| {
            Setup::new(mode, 10)
                .worker(10, 1)
                .task_that(Ending::Exits, 1_000, 100)
                .task(1_500, 100)
        },
        remedy: |setup| setup.plan.submits[0].ends = Ending::Returns,
        symptom: |run| stays(run, T1, Status::Running),
    },
    Scenario {
        number: 9,
        name: "newcomer-idles",
        modes: REMOTE,
        happens: "8 tasks of 1 s wait at a worker with one process, and one with four joins.",
        without: "both are there from the beginning",
        breaks: &["P4"],
        setup: |mode| {
            let setup = Setup::new(mode, 20).worker(10, 1).worker(1_600, 4);
            (0..8).fold(setup, |setup, _| setup.task(1_000, 1_000))
        },
        remedy: |setup| setup.plan.shape.workers[1].starts = setup.plan.shape.workers[0].starts,
        symptom: |run| idles(run, W1),
    },
    Scenario {
        number: 10,
        name: "sigterm-drops-a-result",
        modes: PUSH,
        happens: "A worker gets SIGTERM while one task runs and the result of another is not sent.",
        without: "no SIGTERM",
        breaks: &["P7"],
        setup: |mode| {
            Setup::new(mode, 20)
                .worker(10, 2)
                .task(500, 1_000)
                .task(500, 4_000)
                .worker(1_300, 2)
                .fault(1_608, W0, Trouble::Leave(FOR_GOOD))
        },
        remedy: Setup::calm,
        symptom: |run| any_of([runs_again(run, T1), runs_again(run, T2)]),
    },
    Scenario {
        number: 20,
        name: "removed-before-the-send",
        modes: PUSH,
        happens: "A silent worker is chosen for a task and removed by the scan before the task is sent.",
        without: "Redis is not slow between the two",
        breaks: &["P1"],
        setup: |mode| {
            Setup::new(mode, 20)
                .worker(10, 1)
                .worker(20, 1)
                .fault(1_100, W0, Trouble::Pause(secs(10)))
                .task(4_850, 100)
                // Two, because each befalls what comes within 50 ms, and the pusher naps for 100.
                .twist(4_850, Occasion::Request(0), Bend::Late(ms(300)))
                .twist(4_900, Occasion::Request(0), Bend::Late(ms(300)))
        },
        remedy: |setup| setup.plan.twists.clear(),
        symptom: |run| stays(run, T1, Status::Running),
    },
    Scenario {
        number: 22,
        name: "requeue-races-a-result",
        modes: REMOTE,
        happens: "A paused worker's task is put back, and its result comes between the reading and the writing of the row.",
        without: "Redis is not slow between the two",
        breaks: &["P2"],
        setup: |mode| {
            Setup::new(mode, 20)
                .worker(10, 1)
                .task(500, 1_000)
                .fault(1_100, W0, Trouble::Pause(ms(3_930)))
                .worker(5_500, 1)
                .twist(5_001, Occasion::Request(0), Bend::Late(ms(400)))
        },
        remedy: |setup| setup.plan.twists.clear(),
        symptom: |run| becomes_again(run, T1, &[Status::Queued]),
    },
];
