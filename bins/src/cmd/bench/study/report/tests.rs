//! The report as a whole, and how figures are written.

use super::super::outcome::sample::study;
use super::super::plots;
use super::*;

fn report(study: &Study) -> String {
    markdown(study, &plots::draw(study).unwrap())
}

#[test]
fn a_report_has_all_its_sections_in_order() {
    let text = report(&study(|_, _, _, _| 10));
    let sections: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("## "))
        .collect();
    let expected = [
        "Per mode",
        "Anomalies",
        "Latency distribution",
        "Workloads",
        "Scaling",
        "Cost",
        "Recommendations",
        "Limitations",
    ];
    assert_eq!(sections, expected.map(|name| format!("## {name}")));
    for plot in [
        "throughput",
        "latency",
        "distribution",
        "weak-scaling",
        "overhead",
    ] {
        assert!(text.contains(&format!("({plot}.svg)")), "{plot}");
    }
    assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
}

#[test]
fn the_published_figures_stand_beside_the_same_client_only() {
    let mut study = study(|_, _, _, _| 10);
    assert!(!report(&study).contains("ublished"));
    study.setting.pacing = Pacing::Original;
    let text = report(&study);
    assert!(
        text.contains("| pull | 20.4 |") && text.contains("authors' machine"),
        "{text}"
    );
    assert!(
        text.contains("59 to 70") && text.contains("| 8 | 8.25 |"),
        "{text}"
    );
}

#[test]
fn an_interrupted_study_says_so() {
    let mut study = study(|_, _, _, _| 10);
    study.complete = false;
    study.stopped_by = Some("interrupted; the\nplatform".to_owned());
    assert!(report(&study).contains("**Incomplete**: interrupted; the platform."));
}

#[test]
fn a_table_holds_whatever_is_put_into_it() {
    let text = table(&["a"], &[vec!["x|y\nz <b>".to_owned()]]);
    assert_eq!(text, "| a |\n|---|\n| x\\|y z &lt;b> |\n");
}

#[test]
fn figures_have_the_digits_that_mean_something() {
    let texts = [0.0, 0.0123, 0.5, 12.34, 1234.5].map(short);
    assert_eq!(texts, ["0.00", "0.0123", "0.50", "12.3", "1234"]);
    let spread = Spread {
        median: 2.0,
        min: 1.0,
        max: 3.0,
    };
    assert_eq!(ranged(Some(&spread)), "2.00 [1.00–3.00]");
    assert_eq!((ranged(None), from_to(&[])), (dash(), dash()));
    assert_eq!(
        (from_to(&[2.0, 1.0]), from_to(&[2.0, 2.0])),
        ("1.00 to 2.00".to_owned(), "2.00".to_owned())
    );
}
