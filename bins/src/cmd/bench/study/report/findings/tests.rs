//! Each sentence is said if its condition holds, and not otherwise.

use super::super::super::outcome::sample::{of_runs, run, study};
use super::*;

/// As many workers, so many times as fast.
fn ideal() -> Study {
    study(|_, _, workers, _| 40 / u64::from(workers))
}

fn one(sentences: &[String], part: &str) -> String {
    let found: Vec<&String> = sentences.iter().filter(|one| one.contains(part)).collect();
    assert_eq!(found.len(), 1, "{part}: {sentences:#?}");
    found[0].clone()
}

#[test]
fn nothing_is_odd_about_an_ideal_platform() {
    assert_eq!(anomalies(&ideal()), Vec::<String>::new());
}

#[test]
fn a_collapse_is_told_with_its_factor() {
    let study = study(|mode, scaling, workers, _| match (mode, scaling, workers) {
        (Mode::Push, Scaling::Strong, 4) => 200,
        (_, _, workers) => 40 / u64::from(workers),
    });
    let told = one(&anomalies(&study), "throughput fell");
    assert_eq!(
        told,
        "push, cpu, strong scaling, 4 workers: throughput fell from 50.0 to 5.00 tasks/s, by a \
         factor of 10.0, from 2 workers on."
    );
}

#[test]
fn a_fall_that_is_the_clients_own_is_told_as_such() {
    let mut study = study(|_, scaling, workers, _| match scaling {
        Scaling::Weak => 10 * u64::from(workers),
        Scaling::Strong => 10,
    });
    for row in &mut study.runs {
        row.pauses_s = f64::from(row.key.workers - 1);
    }
    let told = anomalies(&of_runs(study.runs));
    assert!(
        told[0].ends_with("grew by 0.30 s, of which the client's own pauses are 1.00 s."),
        "{told:#?}"
    );
}

#[test]
fn rounds_that_overlap_are_no_collapse() {
    // The medians differ by 2, but one round of the later setting was as good.
    let study = study(
        |mode, scaling, workers, round| match (mode, scaling, workers, round) {
            (Mode::Push, Scaling::Strong, 4, 1) => 20,
            (Mode::Push, Scaling::Strong, 4, _) => 40,
            (_, _, workers, _) => 40 / u64::from(workers),
        },
    );
    let found = anomalies(&study);
    assert!(!found.iter().any(|one| one.contains("fell")), "{found:#?}");
    one(&found, "the rounds differ, from 25.0 to 50.0 tasks/s");
}

#[test]
fn tasks_that_were_not_done_are_counted() {
    let mut study = ideal();
    study.runs[0].completed -= 1;
    study.runs[0].unfinished = 1;
    let study = of_runs(study.runs);
    let told = one(&anomalies(&study), "were completed");
    assert!(
        told.contains("96.7 %") && told.contains("1 did not end in time"),
        "{told}"
    );
}

#[test]
fn a_mode_that_beats_local_is_odd() {
    let study = study(|mode, _, workers, _| match mode {
        Mode::Pull => 20 / u64::from(workers),
        _ => 40 / u64::from(workers),
    });
    let found = anomalies(&study);
    assert_eq!(found.len(), 6, "{found:#?}");
    assert!(
        found[0].starts_with("pull, cpu, weak scaling, 1 worker: 50.0 tasks/s"),
        "{found:#?}"
    );
}

#[test]
fn too_many_of_a_kind_are_summed_up() {
    // Every setting's rounds differ.
    let study = study(|_, _, workers, round| u64::from(round * round) * 40 / u64::from(workers));
    let found = anomalies(&study);
    assert_eq!(found.len(), NAMED + 1);
    assert!(found[NAMED].starts_with("10 more"), "{found:#?}");
}

#[test]
fn a_mode_is_recommended_if_every_round_says_so() {
    let faster = study(|mode, _, workers, round| match mode {
        Mode::Local => 20 / u64::from(workers),
        _ => (40 + u64::from(round)) / u64::from(workers),
    });
    let told = one(&recommendations(&faster), "take local for throughput");
    assert!(told.starts_with("cpu with 4 workers"), "{told}");

    let overlapping = study(|mode, _, _, round| match (mode, round) {
        (Mode::Local, 1) => 60,
        (Mode::Local, _) => 20,
        _ => 30,
    });
    one(
        &recommendations(&overlapping),
        "throughput does not decide between local and",
    );

    let mut once = faster;
    once.setting.rounds = 1;
    one(&recommendations(&once), "one round cannot tell modes apart");
}

#[test]
fn workers_that_add_nothing_are_told() {
    let study = study(|mode, _, workers, _| match (mode, workers) {
        (Mode::Push, 2 | 4) => 20,
        (_, workers) => 40 / u64::from(workers),
    });
    let told = one(&recommendations(&study), "gained little");
    assert!(
        told.starts_with("cpu in push mode: 2 workers did 50.0 of at most 50.0"),
        "{told}"
    );
    let told = recommendations(&ideal());
    assert!(
        !told.iter().any(|one| one.contains("gained little")),
        "{told:#?}"
    );
}

#[test]
fn larger_tasks_are_recommended_where_the_way_is_longer_than_the_work() {
    // 40 ms and less, of which 2 are computation.
    let mut long = ideal();
    assert!(
        larger_tasks(&long, "cpu").is_none(),
        "a burst's latency is its queue"
    );
    long.setting.pacing = Pacing::Open;
    one(&recommendations(&long), "put several into one task");
    let mut quick = study(|_, _, _, _| 3);
    quick.setting.pacing = Pacing::Open;
    let told = recommendations(&quick);
    assert!(
        !told.iter().any(|one| one.contains("put several")),
        "{told:#?}"
    );
}

#[test]
fn pauses_of_the_client_are_told_as_such() {
    let mut study = ideal();
    study.setting.pacing = Pacing::Original;
    assert!(of_scaling(&study).is_empty());
    for row in &mut study.runs {
        row.pauses_s = row.completion_s * 0.75;
    }
    let mut paused = of_runs(study.runs);
    paused.setting.pacing = Pacing::Original;
    assert!(of_scaling(&paused)[0].contains("That is 75.0 % of the completion"));
    one(
        &recommendations(&paused),
        "in 18 of 18 settings the client's own pauses",
    );
}

#[test]
fn a_single_run_has_nothing_to_be_compared_with() {
    let mut study = of_runs(vec![run(Mode::Push, Scaling::Weak, 1, 1, 2)]);
    study.setting.modes = vec![Mode::Push];
    study.setting.workers = vec![1];
    assert_eq!(recommendations(&study), ["The figures support none."]);
    assert!(of_mode(&study, Mode::Push).is_empty() && of_cost(&study).is_empty());
}
