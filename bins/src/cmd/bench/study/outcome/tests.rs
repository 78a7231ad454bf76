//! What cells and fits say of made-up runs.

use std::time::Duration;

use super::sample::{run, study};
use super::*;
use crate::cmd::bench::study::pacing::Task;

fn near(left: Option<f64>, right: f64) -> bool {
    left.is_some_and(|left| (left - right).abs() < 1e-6)
}

#[test]
fn a_run_counts_and_times_its_tasks() {
    let ms = Duration::from_millis;
    let task = |ending, began, ended| Task {
        ending,
        began: ms(began),
        ended: ms(ended),
        inside: Some(ms(3)),
    };
    let measured = Measured {
        tasks: vec![
            task(Ending::Completed, 0, 500),
            task(Ending::Completed, 100, 2000),
            task(Ending::Failed, 150, 900),
            task(Ending::Refused, 200, 210),
        ],
        submitted: ms(400),
        pauses: ms(200),
    };
    let template = run(Mode::Push, Scaling::Weak, 1, 1, 1);
    let plan = Run {
        workload: 0,
        scaling: Scaling::Weak,
        round: 2,
        tasks: 4,
    };
    let row = RunRow::of(template.key, &plan, &measured);
    assert_eq!(
        (row.completed, row.failed, row.refused, row.unfinished),
        (2, 1, 1, 0)
    );
    assert_eq!(
        (row.completion_s, row.throughput, row.pauses_s),
        (2.0, 1.0, 0.2)
    );
    // From each task's own submit, and not from the end of submission.
    assert_eq!(row.latencies_ms, [500.0, 1900.0]);
    assert_eq!(row.after_submission_ms, Some((100.0 + 1600.0) / 2.0));
    assert_eq!(row.inside_ms, [3.0, 3.0]);
}

#[test]
fn a_cell_is_the_median_of_its_rounds() {
    let study = study(|_, _, _, round| u64::from(round) * 10);
    assert_eq!(study.cells.len(), 3 * 3 * 2);
    let cell = &study.cells[0];
    assert_eq!((cell.rounds, cell.tasks, cell.processes), (3, 10, 2));
    assert_eq!(
        (cell.completion_s.min, cell.completion_s.median),
        (0.1, 0.2)
    );
    assert!(
        near(Some(cell.throughput.median), 50.0) && near(Some(cell.throughput_per_process), 25.0)
    );
    assert_eq!(cell.success_percent, 100.0);
}

#[test]
fn cells_are_compared_with_local_and_with_the_fewest_workers() {
    // Weak: 10 ms a task whatever the workers; so four times the tasks take four times as long.
    let slower = |mode| if mode == Mode::Push { 14 } else { 10 };
    let study = study(|mode, _, _, _| slower(mode));
    let cell = |mode, scaling, workers| {
        let mut cells = study.cells.iter();
        let key = |cell: &&Cell| (cell.key.mode, cell.key.scaling, cell.key.workers);
        cells
            .find(|cell| key(cell) == (mode, scaling, workers))
            .unwrap()
    };
    let weak = cell(Mode::Push, Scaling::Weak, 4);
    assert!(near(weak.efficiency_percent, 25.0), "{weak:?}");
    assert!(near(weak.latency_over_local_ms, 4.0), "{weak:?}");
    assert!(near(weak.completion_over_local_s, 40.0 * 0.004), "{weak:?}");
    // 14 ms, of which 2 are computation.
    assert!(near(weak.communication_ratio, 6.0), "{weak:?}");
    assert!(near(
        cell(Mode::Pull, Scaling::Strong, 2).efficiency_percent,
        50.0
    ));
    let first = cell(Mode::Local, Scaling::Weak, 1);
    assert_eq!(
        (first.efficiency_percent, first.latency_over_local_ms),
        (None, None)
    );
}

#[test]
fn nothing_is_compared_with_no_computation() {
    let mut study = study(|_, _, _, _| 10);
    study.workloads[0].computation_ms = 0.0002;
    let cells = cells(&study.runs, 2, &study.workloads);
    assert!(cells.iter().all(|cell| cell.communication_ratio.is_none()));
}

#[test]
fn weak_scaling_is_fitted_for_each_mode() {
    let study = study(|_, _, _, _| 10);
    assert_eq!(study.fits.len(), 3);
    for fit in &study.fits {
        // As many times as long as there are workers.
        assert!(near(Some(fit.completion.exponent), 1.0), "{fit:?}");
        assert!(near(Some(fit.completion.factor), 0.1), "{fit:?}");
    }
}

#[test]
fn what_is_written_can_be_read_again() {
    let study = study(|_, _, _, _| 10);
    let text = serde_json::to_string(&study).unwrap();
    let read: Study = serde_json::from_str(&text).unwrap();
    assert_eq!(read.runs.len(), study.runs.len());
    assert_eq!(read.cells[3].key, study.cells[3].key);
    assert_eq!(read.runs[7].latencies_ms, study.runs[7].latencies_ms);
    assert_eq!(read.setting.modes, study.setting.modes);
}
