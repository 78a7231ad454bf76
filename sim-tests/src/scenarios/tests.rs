//! The scenarios show what they should, and the page says so.

use std::path::PathBuf;

use mpcsfaas_transport_sim::Place;
use mpcsfaas_transport_sim::history::What;
use mpcsfaas_transport_sim::plan::{FOR_GOOD, Trouble};

use super::evidence::starts;
use super::setup::{T1, T2, W0, secs};
use super::*;
use crate::checkers::{self, Setting};
use crate::run::Case;
use crate::seed_model::{Original, Part};

#[test]
fn the_original_fails_in_each_for_its_fault_alone_and_ours_keep_every_promise() {
    let complaints: Vec<String> = table()
        .iter()
        .flat_map(|verdict| {
            let Verdict {
                number, name, mode, ..
            } = verdict;
            let lines = verdict.complaints().into_iter();
            lines.map(move |complaint| format!("{number} {name}, {mode}: {complaint}"))
        })
        .collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn there_is_one_for_each_failure_that_can_be_played() {
    let numbers: Vec<u32> = all().iter().map(|scenario| scenario.number).collect();
    let playable: Vec<u32> = (1..=12).chain(14..=23).collect();
    assert_eq!(numbers, playable);
}

#[test]
fn without_its_fault_the_original_does_its_work() {
    for scenario in all() {
        for mode in scenario.modes {
            let run = scenario.without_fault(*mode).played_by_the_original();
            assert!(run.done_at.is_some(), "{}, {mode}", scenario.name);
        }
    }
}

#[test]
fn a_verdict_complains_of_whatever_is_not_as_it_should_be() {
    let good = all()[0].play(Mode::Push);
    assert!(good.complaints().is_empty());
    let symptom = good.original.clone();
    let swapped = Verdict {
        original: good.ours.clone(),
        ours: symptom.clone(),
        ..good.clone()
    };
    assert_eq!(swapped.complaints().len(), 2);
    let bad = Verdict {
        original_without_fault: symptom.clone(),
        violation: symptom,
        ..swapped
    };
    assert_eq!(bad.complaints().len(), 4);
}

#[test]
fn the_columns_of_the_text_are_aligned() {
    let text = report::text(&[all()[0].play(Mode::Pull), all()[9].play(Mode::Push)]);
    let columns: Vec<_> = text.lines().map(|line| line.find("  P")).collect();
    assert_eq!(columns[1], columns[2], "\n{text}");
    assert!(columns[1].is_some(), "\n{text}");
}

/// Otherwise ours would be praised for nothing.
#[test]
fn what_goes_wrong_goes_wrong_in_our_world_too() {
    for scenario in all() {
        for mode in scenario.modes {
            let world = scenario.with_fault(*mode);
            let run = world.played_by_ours();
            let struck: u64 = run.marks.faults.values().sum();
            assert_eq!(struck, world.plan.faults.len() as u64, "{}", scenario.name);
            let twisted = |what: &What| matches!(what, What::Twisted { .. });
            let twisted = run.history.iter().any(|seen| twisted(&seen.what));
            let twists = !world.plan.twists.is_empty();
            assert_eq!(twisted, twists, "{}", scenario.name);
        }
    }
}

#[test]
fn what_befalls_a_worker_with_a_task_befalls_the_one_that_has_it_in_both_worlds() {
    for scenario in all() {
        if ![5, 6, 7, 10, 17, 19, 22].contains(&scenario.number) {
            continue;
        }
        for mode in scenario.modes {
            let world = scenario.with_fault(*mode);
            for run in [world.played_by_the_original(), world.played_by_ours()] {
                let first = starts(&run, T1).next().map(|(_, place)| place);
                assert_eq!(first, Some(W0), "{}, {mode}", scenario.name);
            }
        }
    }
}

#[test]
fn our_dispatcher_serves_the_originals_workers() {
    for mode in [Mode::Push, Mode::Pull] {
        let setup = Setup::new(mode, 10).worker(10, 1).worker(20, 2);
        let setup = (0..20).fold(setup, |setup, n| setup.task(1_000 + 10 * n, 100));
        let run = mixed(&setup, Part::Workers);
        assert_kept(&run);
        let both = [W0, Place::Worker(1)];
        assert!(both.iter().all(|place| started_at(&run, *place)), "{mode}");
    }
}

/// R15
#[test]
fn our_dispatcher_serves_the_originals_workers_after_a_pause() {
    for mode in [Mode::Push, Mode::Pull] {
        let setup = Setup::new(mode, 20)
            .worker(10, 1)
            .task(500, 1_000)
            .fault(1_100, W0, Trouble::Pause(secs(10)))
            .worker(2_000, 1)
            .fault(14_000, Place::Worker(1), Trouble::Crash(FOR_GOOD))
            .task(16_000, 100);
        let run = mixed(&setup, Part::Workers);
        assert_kept(&run);
        let places = |task| starts(&run, task).map(|(_, place)| place);
        assert!(places(T1).eq([W0, Place::Worker(1)]), "{mode}");
        assert!(places(T2).eq([W0]), "{mode}");
    }
}

#[test]
fn a_stranger_of_the_originals_dialect_ends_no_task_of_ours_and_hides_none() {
    for number in [17, 19] {
        for scenario in all().iter().filter(|it| it.number == number) {
            for mode in scenario.modes {
                let run = mixed(&scenario.with_fault(*mode), Part::Strangers);
                assert_kept(&run);
                assert_eq!(scenario.symptom(&run), None, "{}, {mode}", scenario.name);
            }
        }
    }
}

/// What `docs/PROTOCOL.md` says cannot be promised: their dialect does not tell what a worker runs.
#[test]
fn a_stranger_that_only_beats_holds_its_task_at_our_dispatcher_too() {
    for scenario in all().iter().filter(|it| it.number == 18) {
        for mode in scenario.modes {
            let mut world = scenario.with_fault(*mode);
            world.plan.twists.clear();
            let run = mixed(&world, Part::Strangers);
            assert!(scenario.symptom(&run).is_some(), "{mode}");
        }
    }
}

/// Some of the original's processes around our dispatcher and store.
fn mixed(setup: &Setup, part: Part) -> Run {
    let cast = Original {
        part,
        ..setup.original()
    };
    Case::of_plan(&setup.plan)
        .played_by(Box::new(cast))
        .kept()
        .run()
}

/// P1, P2 and P5: what they get who know neither attempts nor credit.
fn assert_kept(run: &Run) {
    assert!(run.done_at.is_some(), "P1");
    for mut checker in checkers::all(&Setting::of(&run.plan)) {
        if ["P1", "P2", "P5"].contains(&checker.promise()) {
            for seen in &run.history {
                assert_eq!(checker.observe(seen), Ok(()), "{}", checker.promise());
            }
            assert!(checker.premises() > 0, "{}", checker.promise());
        }
    }
}

fn started_at(run: &Run, place: Place) -> bool {
    let started = |what: &What| matches!(what, What::Started { at, .. } if *at == place);
    run.history.iter().any(|seen| started(&seen.what))
}

/// `MPCSFAAS_BLESS=1` writes the page anew.
#[test]
fn the_page_is_what_the_runs_show() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/SCENARIOS.md");
    let is = report::markdown(&table());
    if std::env::var_os("MPCSFAAS_BLESS").is_some() {
        std::fs::write(&path, &is).expect("the page can be written");
    }
    let was = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        is == was,
        "docs/SCENARIOS.md is not what the runs show. If that is meant, run again with \
         MPCSFAAS_BLESS=1.\nwas:\n{was}\nis:\n{is}"
    );
}
