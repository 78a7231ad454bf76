//! Which plots there are, and what is in them.

use super::super::outcome::sample::study;
use super::*;

fn names(study: &Study) -> Vec<&'static str> {
    let plots = draw(study).unwrap();
    plots.iter().map(|plot| plot.name).collect()
}

#[test]
fn there_is_a_plot_for_everything_that_was_measured() {
    let mut study = study(|_, _, _, _| 10);
    let all = [
        "throughput",
        "latency",
        "distribution",
        "weak-scaling",
        "overhead",
    ];
    assert_eq!(names(&study), all);
    study.setting.scalings = vec![Scaling::Strong];
    assert!(!names(&study).contains(&"weak-scaling"));
    for cell in &mut study.cells {
        cell.latency_over_local_ms = None;
    }
    assert!(!names(&study).contains(&"overhead"));
}

#[test]
fn every_plot_names_its_modes_and_can_be_written() {
    let study = study(|_, _, workers, _| 40 / u64::from(workers));
    for plot in draw(&study).unwrap() {
        let svg = plot.svg();
        assert!(
            svg.contains(">pull</text>") && svg.contains(">push</text>"),
            "{svg}"
        );
        assert!(
            !svg.contains("NaN") && !svg.contains("inf"),
            "{}: {svg}",
            plot.name
        );
        assert!(plot.png().unwrap().starts_with(b"\x89PNG"), "{}", plot.name);
    }
}

#[test]
fn modes_differ_in_more_than_colour() {
    let styles = [Mode::Local, Mode::Pull, Mode::Push].map(style);
    for (number, one) in styles.iter().enumerate() {
        for other in &styles[number + 1..] {
            assert!(one.marker != other.marker && one.color != other.color);
        }
    }
}

#[test]
fn a_distribution_ends_at_all_of_the_tasks() {
    let series = steps(vec![3.0, 0.0, 7.0, 5.0], style(Mode::Push));
    let last = series.figures.last().unwrap();
    assert_eq!((last.x, last.y), (7.0, 100.0));
    assert!((series.figures[0].x - LEAST_MS).abs() < 1e-9);
    assert!(steps(Vec::new(), style(Mode::Push)).figures.is_empty());
}

#[test]
fn figures_that_are_far_apart_are_drawn_by_their_logarithms() {
    let of = |figures: &[f64]| {
        let figures = figures.iter().map(|y| Figure::plain(1.0, *y)).collect();
        let series = [Series {
            style: style(Mode::Push),
            figures,
            marked: 1,
        }];
        spread_out(&Scale::Linear, &series)
    };
    assert_eq!(of(&[1.0, 20.0]), Scale::Linear);
    assert_eq!(of(&[1.0, 30.0]), Scale::Log);
    assert_eq!(of(&[-1.0, 30.0]), Scale::Linear);
}
