//! Small studies: that a run is what its seed says, and that the figures are what they say.

use super::measure::at_rank;
use super::*;

const LINK: Duration = Duration::from_millis(1);

fn point(workers: usize) -> Point {
    Point {
        workload: Workload::Noop,
        flow: Flow::Push,
        latency: LINK,
        workers,
        processes: 5,
        tasks_per_worker: 5,
        runs: Duration::from_millis(100),
        step_cost: Duration::ZERO,
    }
}

fn rows(points: &[Point]) -> Vec<Row> {
    study(points, 1..3, None, || ())
}

/// Submit, what it claimed, run, result, commit: five links, and the run itself. The function is known
/// everywhere, and the dispatcher has looked at the queue before.
#[test]
fn a_task_alone_takes_its_five_links() {
    for flow in [Flow::Push, Flow::Pull] {
        for workload in [Workload::Noop, Workload::Sleep] {
            let alone = Point {
                tasks_per_worker: 1,
                flow,
                workload,
                ..point(1)
            };
            let runs = match workload {
                Workload::Noop => stage::NOOP,
                Workload::Sleep | Workload::Cpu => alone.runs,
            };
            let [row] = &rows(&[alone])[..] else {
                panic!("one point, one row");
            };
            assert!(row.is_well(), "{row:?}");
            assert_eq!((row.completion, row.p50, row.p99), {
                let time = 5 * LINK + runs;
                (time, time, time)
            });
        }
    }
}

#[test]
fn the_same_seeds_give_the_same_rows_and_others_do_not() {
    let cpu = Point {
        workload: Workload::Cpu,
        ..point(3)
    };
    assert_eq!(rows(&[cpu]), rows(&[cpu]));
    assert_ne!(rows(&[cpu]), study(&[cpu], 3..5, None, || ()));
}

#[test]
fn efficiency_is_measured_by_the_fewest_workers_of_the_same_condition() {
    let slow = |workers| Point {
        latency: 20 * LINK,
        step_cost: Duration::from_micros(100),
        ..point(workers)
    };
    let points = [point(4), slow(2), point(2), slow(200)];
    let rows = rows(&points);
    let share = |base: usize, row: usize| {
        rows[base].completion.as_secs_f64() / rows[row].completion.as_secs_f64()
    };
    let expected = [share(2, 0), 1.0, 1.0, share(1, 3)];
    assert_eq!(
        expected.to_vec(),
        rows.iter().map(|row| row.efficiency).collect::<Vec<_>>()
    );
    assert!(rows[3].efficiency < 1.0, "{:?}", rows[3]);
    let text = text(&[rows[2].clone(), rows[0].clone()]);
    assert!(
        text.contains("noop push 1ms, 5 a worker: 95 % or more up to 4 of 4 workers\n"),
        "{text}"
    );
}

/// All are submitted together, and claimed in the same step.
#[test]
fn many_tasks_are_claimed_in_the_time_of_few() {
    for flow in [Flow::Push, Flow::Pull] {
        let of = |workers| Point {
            flow,
            ..point(workers)
        };
        let [few, many] = &rows(&[of(1), of(200)])[..] else {
            panic!("two points, two rows");
        };
        assert_eq!(many.cost.claims, 0, "{many:?}");
        assert_eq!(few.completion, 7 * LINK + stage::NOOP);
        assert_eq!(many.completion, few.completion);
    }
}

#[test]
fn played_again_a_dispatcher_ends_as_it_did_in_the_world() {
    use mpcsfaas_transport_sim::{Chance, Ours, Tampers, World};
    let tampers = Tampers {
        dispatcher: Some(tape::recorder),
        ..Tampers::default()
    };
    let plan = point(7).plan(5);
    let mut world = World::new(plan, Chance::listed(&[]), Box::new(Ours), tampers);
    while !world.is_done() && world.step() {}
    assert!(world.is_done());
    let tape = tape::take().unwrap();
    assert_eq!(tape.play(|| (), drop), *world.dispatcher(0).unwrap());
    assert!(tape::take().is_none());
}

#[test]
fn a_step_cost_is_paid_for_each_step() {
    let cost = Duration::from_micros(100);
    let dear = Point {
        step_cost: cost,
        ..point(20)
    };
    let [cheap, dear] = &rows(&[point(20), dear])[..] else {
        panic!("two points, two rows");
    };
    // Each worker's result is a step, and the last waits for all others.
    assert!(
        dear.completion >= cheap.completion + 20 * cost,
        "{cheap:?} {dear:?}"
    );
    assert!(dear.is_well());
    assert!(legend(&[dear.point]).contains("takes 100us for each step"));
}

#[test]
fn processor_time_is_what_the_clock_says() {
    use std::cell::Cell;
    thread_local! {
        static NOW: Cell<u64> = const { Cell::new(0) };
    }
    // Each look at it takes a millisecond, and a playing looks twice.
    fn clock() -> Option<Duration> {
        NOW.set(NOW.get() + 1);
        Some(Duration::from_millis(NOW.get()))
    }
    let [row] = &study(&[point(2)], 1..2, Some(clock), || ())[..] else {
        panic!("one point, one row");
    };
    assert_eq!(row.cost.processor, Some(Duration::from_millis(1)));
    assert_eq!(row.processor_per_task(), Some(100.0));
    let [row] = &study(&[point(2)], 1..2, Some(|| None), || ())[..] else {
        panic!("one point, one row");
    };
    assert_eq!(row.cost.processor, None);
}

#[test]
fn ranks_are_the_nearest() {
    let times: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
    let rank = |percent| at_rank(&times, percent).as_millis();
    assert_eq!([50, 95, 99, 100].map(rank), [100, 190, 198, 200]);
    assert_eq!(at_rank(&times[..1], 50), times[0]);
    assert_eq!(at_rank(&[], 50), Duration::ZERO);
}

#[test]
fn the_table_fits_a_terminal_and_names_what_went_wrong() {
    let mut rows = rows(&[point(1), point(2)]);
    rows[1].disturbed = 3;
    let text = text(&rows) + &legend(&[point(1)]);
    for line in text.lines() {
        assert!(line.chars().count() <= 120, "{line}");
    }
    assert!(
        text.contains(
            "NOT WELL: noop push 1ms, 5 a worker with 2 workers: 0 tasks never ended, 3 "
        )
    );
}
