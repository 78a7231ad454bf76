//! Dispatchers that are not there, go away, hang, or are two.

use mpcsfaas_core::task::Status;
use mpcsfaas_transport_sim::plan::{FOR_GOOD, Trouble};

use super::evidence::{any_of, does_not_leave, gives_up, runs_again, some_stay_running, stays};
use super::setup::{D0, Setup, T1, W0, ms, secs};
use super::{ALL, LOCAL, PULL, PUSH, Scenario};

pub(super) const SCENARIOS: [Scenario; 8] = [
    Scenario {
        number: 1,
        name: "published-unheard",
        modes: ALL,
        happens: "A task is submitted before the dispatcher is up.",
        without: "the dispatcher is up from the beginning",
        breaks: &["P1"],
        setup: |mode| {
            Setup::new(mode, 10)
                .dispatcher_starts(2_000)
                .worker(3_000, 1)
                .task(1_000, 100)
        },
        remedy: |setup| setup.plan.shape.dispatchers[0] = Setup::START,
        symptom: |run| stays(run, T1, Status::Queued),
    },
    Scenario {
        number: 2,
        name: "dispatcher-restarts",
        modes: PUSH,
        happens: "The dispatcher crashes and is started again; then a task is submitted.",
        without: "no crash",
        breaks: &["P6"],
        setup: |mode| {
            Setup::new(mode, 10)
                .worker(10, 1)
                .fault(1_000, D0, Trouble::Crash(secs(1)))
                .task(4_000, 100)
        },
        remedy: Setup::calm,
        symptom: |run| stays(run, T1, Status::Queued),
    },
    Scenario {
        number: 3,
        name: "dies-with-a-question",
        modes: PULL,
        happens: "The dispatcher hangs, and crashes while a worker waits for its answer.",
        without: "it hangs, and goes on",
        breaks: &["P8"],
        setup: |mode| {
            Setup::new(mode, 10)
                .worker(10, 1)
                .fault(1_000, D0, Trouble::Pause(secs(1)))
                .fault(1_990, D0, Trouble::Crash(secs(1)))
                .task(4_000, 100)
        },
        remedy: |setup| setup.plan.faults.truncate(1),
        symptom: |run| stays(run, T1, Status::Queued),
    },
    Scenario {
        number: 11,
        name: "sigterm-while-it-hangs",
        modes: PULL,
        happens: "A worker gets SIGTERM while the dispatcher hangs.",
        without: "the dispatcher does not hang",
        breaks: &["P8"],
        setup: |mode| {
            Setup::new(mode, 80)
                .worker(10, 1)
                .fault(1_000, D0, Trouble::Pause(secs(75)))
                .fault(3_000, W0, Trouble::Leave(FOR_GOOD))
        },
        remedy: |setup| {
            setup.plan.faults.remove(0);
        },
        symptom: |run| does_not_leave(run, W0, secs(60)),
    },
    Scenario {
        number: 12,
        name: "sigterm-with-a-task",
        modes: LOCAL,
        happens: "The dispatcher, its processes with it, gets SIGTERM while a task runs, and is started again.",
        without: "no SIGTERM",
        breaks: &["P1"],
        setup: |mode| {
            Setup::new(mode, 10)
                .worker(10, 1)
                .task(500, 3_000)
                .fault(2_000, D0, Trouble::Leave(secs(1)))
                .fault(2_000, W0, Trouble::Leave(secs(1)))
        },
        remedy: Setup::calm,
        symptom: |run| stays(run, T1, Status::Running),
    },
    Scenario {
        number: 14,
        name: "worker-starts-first",
        modes: PUSH,
        happens: "A worker starts 8 s before the dispatcher.",
        without: "the dispatcher is up from the beginning",
        breaks: &["P8"],
        setup: |mode| {
            Setup::new(mode, 12)
                .dispatcher_starts(8_000)
                .worker(10, 1)
                .task(9_000, 100)
        },
        remedy: |setup| setup.plan.shape.dispatchers[0] = Setup::START,
        symptom: |run| any_of([gives_up(run, W0), stays(run, T1, Status::Queued)]),
    },
    Scenario {
        number: 16,
        name: "two-dispatchers",
        modes: ALL,
        happens: "There are two dispatchers.",
        without: "there is one",
        breaks: &["P11"],
        setup: |mode| {
            Setup::new(mode, 10)
                .second_dispatcher()
                .worker(10, 1)
                .worker(10, 1)
                .task(1_000, 100)
        },
        remedy: |setup| setup.plan.shape.dispatchers.truncate(1),
        symptom: |run| runs_again(run, T1),
    },
    Scenario {
        number: 23,
        name: "frames-interleave",
        modes: PUSH,
        happens: "Two threads of the dispatcher send: one tasks, one answers to beats.",
        without: "no thread writes between the two frames of another's message",
        breaks: &["P10"],
        setup: |mode| {
            let mut setup = Setup::new(mode, 10).worker(10, 2).worker(260, 2);
            for number in 0..100 {
                setup = setup.task(1_000 + 30 * number, 5);
            }
            setup.dispatcher.frame_gap = Some(ms(5));
            setup
        },
        remedy: |setup| setup.dispatcher.frame_gap = None,
        symptom: some_stay_running,
    },
];
