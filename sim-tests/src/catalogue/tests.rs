//! What the figures of a catalogue mean, and that trouble that was taken out is out.

use std::num::NonZeroUsize;

use mpcsfaas_transport_sim::chance::Odds;
use mpcsfaas_transport_sim::{Knobs, Mode};

use super::ablation::{self, ablation};
use super::*;
use crate::bugs;

fn entry(finds: impl IntoIterator<Item = Option<(u64, &'static str)>>) -> Entry {
    let find = |(seeds, promise)| Find { seeds, promise };
    Entry {
        bug: bugs::ALL[0],
        finds: finds.into_iter().map(|it| it.map(find)).collect(),
    }
}

fn threads(threads: usize) -> NonZeroUsize {
    NonZeroUsize::new(threads).unwrap()
}

fn bugs(names: &[&str]) -> Vec<Bug> {
    names.iter().filter_map(|name| bugs::named(name)).collect()
}

fn class_of(name: &str) -> Class {
    Class::all().into_iter().find(|it| it.name == name).unwrap()
}

#[test]
fn every_bug_has_a_name_of_its_own() {
    for bug in bugs::ALL {
        let same = bugs::ALL.iter().filter(|other| other.name == bug.name);
        assert_eq!(same.count(), 1, "{}", bug.name);
    }
}

#[test]
fn one_base_of_twenty_may_have_bad_luck_and_no_more() {
    let lucky = |count| (1..=count).map(|seeds| Some((seeds, "P1")));
    let one = entry(lucky(19).chain([None]));
    assert_eq!(
        (one.found(), one.median(), one.p95()),
        (19, Some(10), Some(19))
    );
    assert!(one.is_found());
    let two = entry(lucky(18).chain([None, None]));
    assert_eq!((two.found(), two.median(), two.p95()), (18, Some(10), None));
    assert!(!two.is_found());
    let late = entry((1..=20).map(|base| Some((base * 11, "P1"))));
    assert_eq!(late.p95(), Some(209));
    assert!(!late.is_found());
}

#[test]
fn judges_are_named_by_how_often_they_were_first() {
    let entry = entry([Some((3, "P1")), Some((1, "P8")), None, Some((9, "P8"))]);
    assert_eq!(entry.judges(), [("P8", 2), ("P1", 1)]);
}

#[test]
fn a_bug_that_hides_is_named_with_what_would_find_it() {
    let hidden = bugs::ALL.into_iter().find(|bug| bug.wants.is_some());
    let hidden = hidden.expect("one at least");
    let catalogue = Catalogue {
        entries: vec![Entry {
            bug: hidden,
            finds: vec![None],
        }],
        control_seeds: 0,
        control_breaks: vec![(7, "P3")],
    };
    let text = text(&catalogue);
    for part in [hidden.name, "nobody", hidden.wants.unwrap(), "seed 7 P3"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(!catalogue.is_well());
}

#[test]
fn any_number_of_threads_finds_the_same() {
    let find = |count| {
        let settings = Settings {
            bugs: bugs(&["credit-counted-twice", "results-outside-the-credit"]),
            bases: 5,
            limit: 20,
            threads: threads(count),
        };
        let mut done = 0;
        let catalogue = catalogue(&settings, || done += 1);
        assert_eq!(done, searches(&settings));
        assert!(catalogue.is_well(), "{}", text(&catalogue));
        text(&catalogue)
    };
    assert_eq!(find(1), find(7));
}

#[test]
fn what_is_taken_out_is_out_and_nothing_else_is() {
    let drawn = || (1..=200).map(|seed| Knobs::of(Mode::Swarm, seed));
    for class in Class::all() {
        let changed = drawn().filter(|knobs| {
            let mut without = knobs.clone();
            class.off(&mut without);
            without != *knobs
        });
        assert!(changed.count() > 0, "{} takes out nothing", class.name);
    }
    let mut knobs = drawn().find(|knobs| knobs.faults.len() > 20).unwrap();
    let before = knobs.faults.len();
    class_of("cut").off(&mut knobs);
    assert!(before - knobs.faults.len() <= 1);
    for class in Class::all() {
        class.off(&mut knobs);
    }
    // Whoever adds a kind of trouble has to name it here too.
    let left = Knobs {
        faults: Vec::new(),
        odds: Odds {
            latest: knobs.odds.latest,
            ..Odds::default()
        },
        slow_tasks: 0,
        at_most_once: 0,
        deadlines: 0,
        bad_ends: 0,
        queue_limit: Knobs::calm().queue_limit,
        ..knobs.clone()
    };
    assert_eq!(knobs, left);
}

#[test]
fn a_bug_escapes_without_the_trouble_that_it_needs() {
    let settings = ablation::Settings {
        bugs: bugs(&["child-end-unnoticed", "credit-counted-twice"]),
        classes: ["bad-ends", "cut", "children"].map(class_of).to_vec(),
        limit: 100,
        threads: threads(2),
    };
    let ablation = ablation(&settings, || {});
    let escaped = |row: &ablation::Row| row.escaped.iter().map(|bug| bug.name).collect::<Vec<_>>();
    let rows: Vec<_> = ablation.rows.iter().map(escaped).collect();
    let alone = vec!["child-end-unnoticed"];
    assert_eq!(rows, [alone.clone(), vec![], alone]);
    assert!(ablation_text(&ablation).contains("find nothing alone: cut"));
}
