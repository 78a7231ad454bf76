//! What was measured on the original comes out of its model, and none of it out of ours.

use super::figures::{Figure, MEASURED_3, MEASURED_10, MEASURED_15, MEASURED_GOODBYE, PUBLISHED};
use super::*;
use crate::seed_model::TIMEOUT;

/// Phases of the scan in which the tests look.
const SEEDS: Range<u64> = 0..8;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The original's measurement, with so many live workers in place of half as many.
fn crew(live: usize, timeout: Duration) -> Setting {
    Setting {
        dead: live / 2,
        live,
        timeout,
        ..Setting::default()
    }
}

/// The ways to go: with a goodbye, killed, vanished.
fn ways(setting: Setting) -> [Setting; 3] {
    [(true, true), (false, true), (false, false)].map(|(goodbye, closes)| Setting {
        goodbye,
        closes,
        ..setting
    })
}

fn original(setting: &Setting, seed: u64) -> Measured {
    measure::run(setting, Machine::Original, seed)
}

/// Whether a completion is one that the rule allows.
fn allows(setting: &Setting, completion_s: f64) -> bool {
    let (earliest, latest) = setting.completes_within();
    (earliest.as_secs_f64()..=latest.as_secs_f64()).contains(&completion_s)
}

fn setting_of(figure: &Figure, timeout_s: f64) -> Setting {
    Setting {
        dead: figure.dead,
        goodbye: figure.goodbye,
        ..crew(figure.live, Duration::from_secs_f64(timeout_s))
    }
}

#[test]
fn as_many_tasks_are_stuck_as_were_measured() {
    for figure in MEASURED_10 {
        let row = run(&setting_of(&figure, 10.0), Machine::Original, SEEDS);
        assert_eq!(Some(row.stuck_min), figure.stuck);
        assert_eq!(Some(row.stuck_max), figure.stuck);
        assert_eq!((row.late, row.unfinished), (row.stuck, 0));
    }
}

#[test]
fn the_world_keeps_to_the_stall_rule_whatever_the_numbers() {
    let mut seed = 0;
    for dead in 0..=5 {
        for live in [1, 2, 3, 5, 8] {
            for batch in [1, 3, 5, 7, 16] {
                let setting = Setting {
                    dead,
                    live,
                    batch,
                    gap: secs(2),
                    timeout: secs(4),
                    ..Setting::default()
                };
                seed += 1;
                let stuck = original(&setting, seed).stuck;
                assert_eq!(stuck, setting.rule(seed).stuck(), "{setting:?} {seed}");
            }
        }
    }
}

#[test]
fn the_last_task_ends_right_after_the_scan_that_the_rule_names() {
    for (gap, timeout) in [(7, 10), (7, 15), (0, 3), (5, 7)] {
        let setting = Setting {
            gap: secs(gap),
            ..crew(4, secs(timeout))
        };
        let (earliest, latest) = setting.completes_within();
        for seed in SEEDS {
            let completion = original(&setting, seed).completion;
            let found = setting.rule(seed).removed_after();
            assert!(found >= earliest && found + SETTLE <= latest);
            assert!(completion > found && completion < found + SETTLE);
        }
    }
}

#[test]
fn phases_of_the_scan_fill_the_interval() {
    let setting = crew(2, secs(10));
    assert_eq!(setting.completes_within(), (secs(3), millis(8_300)));
    let row = run(&setting, Machine::Original, 0..24);
    assert!(
        row.completion_min_s < 3.5 && row.completion_max_s > 7.8,
        "{row:?}"
    );
    assert!((5.0..6.2).contains(&row.completion_s), "{row:?}");
}

#[test]
fn what_was_measured_and_what_was_published_lies_in_the_interval() {
    for figure in MEASURED_10.iter().chain(&MEASURED_15) {
        let setting = setting_of(figure, figure.timeout_s.unwrap());
        assert!(
            figure
                .completion_s
                .is_none_or(|took| allows(&setting, took))
        );
    }
    let fits = |timeout: f64| {
        let allowed = |figure: &Figure| {
            let setting = setting_of(figure, timeout);
            allows(&setting, figure.completion_s.unwrap())
        };
        PUBLISHED.iter().all(allowed)
    };
    let timeouts = [10.0, 11.0, 12.0, 13.0, 14.0, 15.0];
    assert_eq!(timeouts.map(fits), [false, true, true, true, true, false]);
    let unexplained: Vec<usize> = MEASURED_GOODBYE
        .iter()
        .filter(|figure| !allows(&setting_of(figure, 15.0), figure.completion_s.unwrap()))
        .map(|figure| figure.live)
        .collect();
    assert_eq!(unexplained, [4]);
}

#[test]
fn five_seconds_more_of_patience_cost_five_seconds() {
    for live in [2, 4, 8] {
        let [ten, fifteen] = [10, 15].map(|timeout| {
            let setting = crew(live, secs(timeout));
            run(&setting, Machine::Original, SEEDS).completion_s
        });
        assert!((fifteen - ten - 5.0).abs() < 0.2, "{ten} {fifteen}");
    }
}

#[test]
fn three_seconds_are_enough_with_the_gap_and_not_without() {
    // The dead are found from 4 s before the first submit to 1 s after it.
    let usual: Vec<Measured> = (0..20)
        .map(|seed| original(&crew(8, TIMEOUT), seed))
        .collect();
    let lucky = usual
        .iter()
        .filter(|run| Some(run.stuck) == MEASURED_3[0].stuck);
    assert!((15..20).contains(&lucky.count()));
    assert!(usual.iter().all(|run| run.worst_wait < secs(1) + SETTLE));
    let no_gap = Setting {
        gap: Duration::ZERO,
        ..crew(8, TIMEOUT)
    };
    let row = run(&no_gap, Machine::Original, SEEDS);
    assert_eq!((row.stuck_min, row.stuck_max), (4, 4));
    assert!(row.completion_min_s > 3.0 && row.completion_s > 5.0);
}

#[test]
fn a_goodbye_would_leave_nothing_stuck() {
    for live in [2, 4, 8] {
        let setting = Setting {
            goodbye: true,
            ..crew(live, secs(15))
        };
        let row = run(&setting, Machine::Original, SEEDS);
        assert_eq!((row.stuck_max, row.unfinished), (0, 0));
        assert!(row.worst_wait_s < 0.15, "{row:?}");
    }
}

#[test]
fn it_is_the_same_whether_the_dead_were_killed_or_vanished() {
    let [_, killed, vanished] = ways(crew(4, secs(10)));
    for seed in SEEDS {
        assert_eq!(original(&killed, seed), original(&vanished, seed));
    }
}

#[test]
fn ours_keeps_to_its_bounds_with_and_without_a_gap() {
    for gap in [0, 7] {
        for setting in ways(Setting {
            gap: secs(gap),
            ..crew(8, secs(10))
        }) {
            let row = run(&setting, Machine::Ours, SEEDS);
            assert_eq!((row.stuck_max, row.unfinished, row.broken), (0, 0, 0));
            let bound = match gap {
                0 => setting.bound(),
                // They are known to be dead by then.
                _ => millis(150),
            };
            assert!(row.worst_wait_s < bound.as_secs_f64(), "{row:?}");
        }
    }
    let [goodbye, killed, vanished] = ways(Setting::default()).map(|setting| setting.bound());
    assert!(goodbye <= millis(150) && killed <= millis(700) && vanished <= millis(3_500));
}

/// The overlaps meet ours with tasks in hand, and at all times since its last beat.
#[test]
fn ours_keeps_to_its_bounds_whenever_workers_stop() {
    let mut worst = [Duration::ZERO; 3];
    for step in 0..16 {
        let overlap = millis(2 + 61 * step);
        let setting = Setting {
            gap: Duration::ZERO,
            overlap,
            ..crew(8, secs(10))
        };
        for (setting, worst) in ways(setting).iter().zip(&mut worst) {
            let run = measure::run(setting, Machine::Ours, step);
            assert_eq!((run.stuck, run.unfinished, run.broken), (0, 0, false));
            *worst = run.worst_wait.max(*worst);
        }
    }
    let [goodbye, killed, vanished] = worst;
    assert!(goodbye < millis(50));
    // They did have tasks in hand.
    assert!(killed > millis(500) && vanished > secs(2), "{worst:?}");
}

/// 20: the pusher has chosen a worker, which is gone when it sends.
#[test]
fn even_with_a_goodbye_the_original_loses_a_task_that_is_on_its_way() {
    let setting = Setting {
        gap: Duration::ZERO,
        overlap: millis(2),
        goodbye: true,
        ..crew(8, TIMEOUT)
    };
    let lost = (0..40).map(|seed| original(&setting, seed).unfinished);
    assert!(lost.sum::<usize>() > 0);
}

#[test]
fn the_table_is_aligned_and_fits_a_terminal() {
    let table = table(0..1);
    let text = text(&table);
    for line in text.lines() {
        assert!(line.chars().count() <= 120, "{line}");
    }
    let rows = |machine: &str| {
        text.lines()
            .filter(|line| line.starts_with(machine))
            .count()
    };
    assert_eq!((rows("original"), rows("ours")), (22, 22));
    assert_eq!(table.rows().count(), 44);
    assert!(text.contains("measured: 3 stuck, 4.13 s") && text.contains("its report: 9.13 s"));
    for row in table.rows().filter(|row| row.machine == "ours") {
        assert_eq!((row.stuck_max, row.unfinished, row.broken), (0, 0, 0));
    }
}

#[test]
fn the_same_seeds_give_the_same_rows() {
    let setting = crew(4, secs(10));
    assert_eq!(custom(&setting, 3..5), custom(&setting, 3..5));
    assert_ne!(custom(&setting, 3..5), custom(&setting, 5..7));
}

#[test]
fn odd_numbers_are_no_error() {
    let nobody = Setting {
        dead: 0,
        live: 0,
        batch: 0,
        ..Setting::default()
    };
    for row in custom(&nobody, 0..1).iter().chain(&custom(&nobody, 0..0)) {
        assert_eq!((row.stuck, row.completion_s), (0, 0.0));
    }
}
