//! A study whose figures a test makes up.

use std::time::Duration;

use mpcsfaas_core::store::op::Mode;

use super::{FORMAT, Key, RunRow, Setting, Study, Versions, WorkloadRow, cells, fits};
use crate::cmd::bench::study::machine::Machine;
use crate::cmd::bench::study::pacing::{Ending, Measured, Task};
use crate::cmd::bench::study::plan::{Pacing, Run, Scaling};

/// A round of a run whose tasks take the same time one after the other, and so end at its multiples.
pub fn run(mode: Mode, scaling: Scaling, workers: u32, round: u32, task_ms: u64) -> RunRow {
    let tasks = match scaling {
        Scaling::Weak => 10 * workers,
        Scaling::Strong => 40,
    };
    let ended = |number: u32| Duration::from_millis(task_ms) * (number + 1);
    let task = |number| Task {
        ending: Ending::Completed,
        began: ended(number) - Duration::from_millis(task_ms),
        ended: ended(number),
        inside: None,
    };
    let measured = Measured {
        tasks: (0..tasks).map(task).collect(),
        submitted: Duration::from_millis(task_ms),
        pauses: Duration::ZERO,
    };
    let key = Key {
        mode,
        workload: "cpu".to_owned(),
        scaling,
        workers,
    };
    let run = Run {
        workload: 0,
        scaling,
        round,
        tasks,
    };
    RunRow::of(key, &run, &measured)
}

/// All modes with 1, 2 and 4 workers and three rounds, on an idle machine; `task_ms` says how long a
/// task takes.
pub fn study(task_ms: impl Fn(Mode, Scaling, u32, u32) -> u64) -> Study {
    let mut runs = Vec::new();
    for mode in [Mode::Local, Mode::Pull, Mode::Push] {
        for workers in [1, 2, 4] {
            for round in 1..=3 {
                for scaling in [Scaling::Weak, Scaling::Strong] {
                    let ms = task_ms(mode, scaling, workers, round);
                    runs.push(run(mode, scaling, workers, round, ms));
                }
            }
        }
    }
    of_runs(runs)
}

/// A study of these runs, each with 2 processes a worker and tasks that compute for 2 ms.
pub fn of_runs(runs: Vec<RunRow>) -> Study {
    let workloads = vec![WorkloadRow {
        workload: "cpu".to_owned(),
        computation_ms: 2.0,
        calls: 100,
    }];
    Study {
        format: FORMAT,
        complete: true,
        stopped_by: None,
        started_at: "2026-01-01T00:00:00.000Z".to_owned(),
        ended_at: "2026-01-01T00:01:00.000Z".to_owned(),
        command: vec!["mpcsfaas".to_owned()],
        versions: Versions {
            mpcsfaas: "0.1.0".to_owned(),
            optimised: true,
            python: Some("3.11.7".to_owned()),
            dill: Some("0.4.0".to_owned()),
            redis: None,
        },
        machine: Machine::default(),
        setting: Setting {
            modes: vec![Mode::Local, Mode::Pull, Mode::Push],
            workers: vec![1, 2, 4],
            processes: 2,
            tasks_per_worker: 10,
            strong_tasks: 40,
            scalings: vec![Scaling::Weak, Scaling::Strong],
            rounds: 3,
            pacing: Pacing::Burst,
            rate: None,
            store: "embedded".to_owned(),
        },
        cells: cells(&runs, 2, &workloads),
        fits: fits(&runs),
        workloads,
        runs,
    }
}
