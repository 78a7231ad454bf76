//! The rules with made-up figures.

use super::*;

fn profile(us: f64, busy_share: f64) -> Profile {
    Profile {
        function: "f".to_owned(),
        payload: String::new(),
        params: String::new(),
        runs: 100,
        first_us: us,
        p50_us: us,
        p90_us: us,
        error: 0.01,
        busy_share,
        pickling_us: 5.0,
        function_bytes: 300,
        params_bytes: 20,
        result_bytes: 5,
    }
}

fn measured(mode: Mode, processes: u32, alone_ms: f64, tasks_per_s: f64) -> Measured {
    Measured {
        mode,
        processes,
        alone_ms,
        tasks_per_s,
        range: (tasks_per_s * 0.99, tasks_per_s * 1.01),
        batches: Vec::new(),
    }
}

fn with_batches(rates: [f64; 4]) -> Measured {
    let sizes = [4, 16, 64, 256];
    let batches = sizes.into_iter().zip(rates);
    Measured {
        batches: batches
            .map(|(size, tasks_per_s)| Batches { size, tasks_per_s })
            .collect(),
        ..measured(Mode::Push, 2, 0.6, 5_000.0)
    }
}

fn setting(advice: &[Advice], setting: &str) -> Option<String> {
    let found = advice.iter().find(|advice| advice.setting == setting);
    found.map(|advice| advice.value.clone())
}

fn mode_of(figures: [(Mode, f64, f64); 3]) -> (Mode, String) {
    let measured = figures.map(|(mode, alone, rate)| measured(mode, 2, alone, rate));
    let (best, why) = best_mode(&measured).unwrap();
    (best.mode, why)
}

#[test]
fn throughput_decides_the_mode_then_latency_then_custom() {
    use Mode::{Local, Pull, Push};
    let (mode, why) = mode_of([(Local, 9.0, 900.0), (Pull, 1.0, 500.0), (Push, 1.0, 700.0)]);
    assert_eq!(
        (mode, why.as_str()),
        (Local, "900/s; pull 500/s, push 700/s")
    );
    let (mode, why) = mode_of([(Local, 9.0, 900.0), (Pull, 1.0, 890.0), (Push, 2.0, 880.0)]);
    assert_eq!(mode, Pull);
    assert!(why.starts_with("1.00 ms for a task by itself"), "{why}");
    let (mode, why) = mode_of([(Local, 1.0, 900.0), (Pull, 1.0, 890.0), (Push, 1.05, 880.0)]);
    assert_eq!(mode, Push);
    assert!(why.contains("no more than chance"), "{why}");
    assert!(best_mode(&[]).is_none());
}

#[test]
fn rounds_that_differ_more_than_the_modes_decide_nothing() {
    let unsteady = Measured {
        range: (600.0, 1_200.0),
        ..measured(Mode::Local, 2, 1.0, 1_000.0)
    };
    let steady = measured(Mode::Push, 2, 1.0, 800.0);
    let (best, _) = best_mode(&[unsteady.clone(), steady.clone()])
        .map(|(m, why)| (m.mode, why))
        .unwrap();
    assert_eq!(best, Mode::Push);
    let (_, advice) = processes(&profile(38.0, 1.0), &unsteady, Some(&steady));
    assert_eq!(advice.value, "1");
}

#[test]
fn the_only_mode_is_the_best() {
    let only = [measured(Mode::Pull, 2, 1.0, 10.0)];
    let (best, why) = best_mode(&only).unwrap();
    assert_eq!(best.mode, Mode::Pull);
    assert!(why.contains("no other was measured"), "{why}");
}

#[test]
fn a_function_that_waits_can_use_more_processes_than_there_are_processors() {
    assert_eq!(useful_processes(&profile(100.0, 1.0), 2), 2);
    assert_eq!(useful_processes(&profile(100.0, 0.25), 2), 8);
    assert_eq!(useful_processes(&profile(100.0, 0.0), 2), MOST_PROCESSES);
    assert_eq!(useful_processes(&profile(100.0, 0.5), 64), MOST_PROCESSES);
}

#[test]
fn more_processes_are_advised_only_if_they_do_more() {
    let short = profile(38.0, 1.0);
    let many = measured(Mode::Push, 2, 0.6, 5_000.0);
    let one = measured(Mode::Push, 1, 0.6, 5_100.0);
    let advice = settings(&short, 2, &many, Some(&one));
    assert_eq!(setting(&advice, "processes").unwrap(), "1");
    let nap = profile(20_000.0, 0.1);
    let many = measured(Mode::Push, 20, 21.0, 950.0);
    let one = measured(Mode::Push, 1, 21.0, 48.0);
    let advice = settings(&nap, 2, &many, Some(&one));
    assert_eq!(setting(&advice, "processes").unwrap(), "20");
    let why = &advice[0].why;
    assert_eq!(
        why,
        "it waits for 90 % of its time; 20 do 950/s, one does 48/s"
    );
}

#[test]
fn the_smallest_batch_that_is_nearly_as_good_as_the_best_is_advised() {
    let short = profile(38.0, 1.0);
    let better = with_batches([6_000.0, 9_500.0, 10_000.0, 9_900.0]);
    let advice = settings(&short, 2, &better, None);
    assert_eq!(setting(&advice, "batch").unwrap(), "16");
    let no_better = with_batches([5_000.0, 5_100.0, 5_200.0, 5_100.0]);
    let advice = settings(&short, 2, &no_better, None);
    assert_eq!(setting(&advice, "batch").unwrap(), "1");
}

#[test]
fn what_cannot_be_set_is_not_advised() {
    // Without a batch endpoint there are no figures of batches.
    let none = measured(Mode::Push, 2, 0.6, 5_000.0);
    let advice = settings(&profile(38.0, 1.0), 2, &none, None);
    let named: Vec<&str> = advice.iter().map(|advice| advice.setting).collect();
    assert_eq!(named, ["processes", "items_per_task"]);
}

#[test]
fn short_work_is_to_be_done_several_items_at_a_time() {
    // 0.4 ms of each of 2 processes for 40 us of work: 360 us of overhead, 9 times as much work.
    let busy = measured(Mode::Push, 2, 0.6, 5_000.0);
    let advice = settings(&profile(40.0, 1.0), 2, &busy, None);
    assert_eq!(setting(&advice, "items_per_task").unwrap(), "81");
    let why = &advice.last().unwrap().why;
    let said = "40 us of work in the 400 us that a task takes of a process, which is 10 %";
    assert!(why.starts_with(said), "{why}");

    assert_eq!(
        [0.1, 9.0, 80.2, 481.3, 12_345.0].map(two_digits),
        [2, 9, 81, 490, 13_000]
    );

    let long = measured(Mode::Push, 2, 101.0, 19.0);
    let advice = settings(&profile(100_000.0, 1.0), 2, &long, None);
    assert_eq!(setting(&advice, "items_per_task").unwrap(), "1");
}

#[test]
fn what_is_faster_without_a_platform_is_told() {
    let busy = measured(Mode::Push, 2, 0.6, 5_000.0);
    let told = worth(&profile(40.0, 1.0), [&busy]);
    assert!(
        told.starts_with("One Python process that calls it in a loop does 25000/s"),
        "{told}"
    );
    let told = worth(&profile(1_000.0, 1.0), [&busy]);
    assert!(told.starts_with("The platform does 5000/s"), "{told}");
}

#[test]
fn figures_have_the_digits_that_they_are_worth() {
    let times = [0.0003, 0.038, 2.345, 20.1, 2_500.0].map(ms);
    assert_eq!(times, ["0.3 us", "38 us", "2.35 ms", "20 ms", "2.5 s"]);
    assert_eq!([0.5, 5_123.4].map(rate), ["0.50", "5123"]);
}
