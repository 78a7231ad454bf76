//! Artificial bugs: each is a predicate over plans.

use std::time::Duration;

use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::Flow;
use mpcsfaas_transport_sim::place::Place;
use mpcsfaas_transport_sim::plan::{
    Bend, Ending, FOR_GOOD, Fault, Occasion, Plan, Shape, Submit, Trouble, Twist, WorkerShape,
};

use super::*;

/// Units are known by these after they have moved: a submit by its task, a fault by its node, a
/// twist by its `nth`.
fn plan() -> Plan {
    let at = |millis: u64| Instant::ZERO + Duration::from_micros(millis * 1_000 + 123);
    let processes = 3;
    let starts = at(5);
    Plan {
        shape: Shape {
            salt: 99,
            dispatchers: vec![Instant::ZERO, at(7)],
            workers: vec![WorkerShape { starts, processes }; 4],
            flow: Flow::Push,
            latency: Duration::from_millis(20),
            queue_limit: 1_000,
            claim_limit: 256,
            timeout: Duration::from_secs(3),
        },
        submits: (0..40)
            .map(|number| Submit {
                at: at(number * 90),
                task: TaskId(u128::from(number)),
                runs: Duration::from_micros(1_234_567),
                ends: Ending::Raises,
                timeout: Some(Duration::from_secs(5)),
                at_most_once: true,
            })
            .collect(),
        faults: (0..10)
            .map(|number| Fault {
                at: at(number * 300 + 50),
                node: Place::Worker((number % 4) as usize),
                what: match number % 3 {
                    0 => Trouble::Pause(Duration::from_millis(2_345)),
                    1 => Trouble::Cancel(number as usize * 3),
                    _ => Trouble::Cut,
                },
            })
            .collect(),
        twists: (0..100)
            .map(|number| Twist {
                at: at(u64::from(number) * 40),
                nth: number,
                on: Occasion::Up(number as usize % 4),
                bend: match number % 2 {
                    0 => Bend::Lost,
                    _ => Bend::Late(Duration::from_millis(777)),
                },
            })
            .collect(),
        heal_at: at(20_000),
    }
}

const GENEROUS: Budget = Budget { runs: 100_000 };

/// Shrinks, and sees to it that the result fails and no unit of it can go.
fn check(bug: impl Fn(&Plan) -> bool) -> Shrunk<()> {
    let shrunk = shrink(&plan(), |plan| bug(plan).then_some(()), GENEROUS);
    assert!(bug(&shrunk.plan), "{:#?}", shrunk.plan);
    for gone in units::of(&shrunk.plan) {
        let fewer = units::keep(&shrunk.plan, |unit| unit != gone);
        assert!(!bug(&fewer), "{gone:?} can go from {:#?}", shrunk.plan);
    }
    shrunk
}

fn submits(plan: &Plan, task: u128) -> bool {
    plan.submits.iter().any(|submit| submit.task.0 == task)
}

/// Whether there is a twist that was made the `number`th, as the time tells: it is only rounded.
fn twists(plan: &Plan, number: u64) -> bool {
    let made = Instant::ZERO + Duration::from_millis(number * 40);
    plan.twists
        .iter()
        .any(|twist| (twist.at - made).max(made - twist.at) < Duration::from_millis(20))
}

fn pauses(plan: &Plan) -> impl Iterator<Item = &Fault> {
    let pause = |fault: &&Fault| matches!(fault.what, Trouble::Pause(_));
    plan.faults.iter().filter(pause)
}

/// The tasks that cancels point at.
fn cancelled(plan: &Plan) -> Vec<u128> {
    (plan.faults.iter())
        .filter_map(|fault| match fault.what {
            Trouble::Cancel(place) => Some(plan.submits[place].task.0),
            _ => None,
        })
        .collect()
}

#[test]
fn only_the_three_units_that_matter_are_left() {
    let shrunk = check(|plan| submits(plan, 7) && pauses(plan).count() > 0 && twists(plan, 41));
    assert_eq!((shrunk.units_before, shrunk.units_after), (150, 3));
    assert!(shrunk.runs < 200, "{} runs", shrunk.runs);
}

#[test]
fn what_is_left_is_simple() {
    let shrunk = check(|plan| {
        submits(plan, 7)
            && pauses(plan).any(|fault| fault.what != Trouble::Pause(Duration::ZERO))
            && twists(plan, 41)
    });
    let Plan {
        shape,
        submits,
        faults,
        twists,
        heal_at,
    } = shrunk.plan;
    let whole = |at: Instant| (at - Instant::ZERO).subsec_micros().is_multiple_of(1_000);
    assert_eq!(shape.dispatchers, [Instant::ZERO]);
    assert_eq!((shape.salt, shape.latency), (0, Duration::from_millis(1)));
    assert!(
        shape.workers.len() <= 2,
        "a pause and a twist name one each"
    );
    for worker in shape.workers {
        assert_eq!((worker.starts, worker.processes), (Instant::ZERO, 1));
    }
    let [submit] = &submits[..] else {
        panic!("{submits:?}")
    };
    assert_eq!(
        (submit.runs, submit.ends),
        (Duration::ZERO, Ending::Returns)
    );
    assert_eq!((submit.timeout, submit.at_most_once), (None, false));
    assert_eq!(faults[0].what, Trouble::Pause(Duration::from_millis(1)));
    assert_eq!(
        (twists[0].nth, twists[0].bend),
        (0, Bend::Late(Duration::ZERO))
    );
    assert!([submit.at, faults[0].at, twists[0].at, heal_at].map(whole) == [true; 4]);
    assert!(heal_at <= Instant::ZERO + Duration::from_secs(2));
}

#[test]
fn a_bug_that_comes_and_goes_with_the_number_of_twists_is_shrunk_all_the_same() {
    let shrunk = check(|plan| plan.twists.len() % 3 == 1 && submits(plan, 3));
    assert_eq!(shrunk.units_after, 2);
}

#[test]
fn things_that_only_matter_together_are_both_kept() {
    let shrunk =
        check(|plan| (0..40).step_by(5).all(|task| submits(plan, task)) && plan.twists.len() >= 17);
    assert_eq!(shrunk.units_after, 8 + 17);
}

#[test]
fn a_cancel_follows_its_task() {
    let shrunk = check(|plan| cancelled(plan).contains(&21));
    assert_eq!(cancelled(&shrunk.plan), [21]);
    assert_eq!(shrunk.units_after, 2);
}

#[test]
fn a_cancel_goes_with_its_task() {
    let fewer = units::keep(&plan(), |unit| unit != Unit::Submit(3));
    assert_eq!(cancelled(&fewer), [12, 21]);
}

#[test]
fn a_node_that_is_named_stays_and_moves_up() {
    let named = |plan: &Plan| plan.faults.iter().any(|fault| fault.what == Trouble::Cut);
    let shrunk = check(named);
    assert_eq!(shrunk.plan.shape.workers.len(), 1);
    assert_eq!(shrunk.plan.faults[0].node, Place::Worker(0));
}

#[test]
fn trouble_for_good_becomes_short() {
    let mut plan = plan();
    plan.faults[0].what = Trouble::Crash(FOR_GOOD);
    let long = |fault: &Fault| match fault.what {
        Trouble::Crash(time) => time >= Duration::from_secs(30),
        _ => false,
    };
    let bug = |plan: &Plan| plan.faults.iter().any(long).then_some(());
    let shrunk = shrink(&plan, bug, GENEROUS);
    assert_eq!(shrunk.plan.faults.len(), 1);
    assert_eq!(
        shrunk.plan.faults[0].what,
        Trouble::Crash(Duration::from_secs(100))
    );
}

#[test]
fn a_plan_that_does_not_fail_comes_back_as_it_is() {
    let shrunk = shrink(&plan(), |_| None::<()>, GENEROUS);
    assert_eq!((shrunk.plan, shrunk.runs), (plan(), 1));
    assert_eq!(shrunk.violation, None);
}

#[test]
fn a_bug_that_needs_nothing_leaves_nothing() {
    assert_eq!(check(|_| true).units_after, 0);
}

#[test]
fn no_plan_is_run_twice_and_the_budget_is_kept() {
    let mut seen = Vec::new();
    let bug = |plan: &Plan| {
        assert!(!seen.contains(plan));
        seen.push(plan.clone());
        (submits(plan, 7) && twists(plan, 41)).then_some(seen.len())
    };
    let shrunk = shrink(&plan(), bug, Budget { runs: 20 });
    assert_eq!((shrunk.runs, seen.len()), (20, 20));
    assert!(submits(&shrunk.plan, 7) && twists(&shrunk.plan, 41));
    assert_eq!(
        shrunk.violation,
        seen.iter()
            .position(|plan| *plan == shrunk.plan)
            .map(|i| i + 1)
    );
}

#[test]
fn shrinking_twice_gives_the_same() {
    let bug = |plan: &Plan| (submits(plan, 7) && plan.twists.len() > 3).then_some(());
    assert_eq!(
        shrink(&plan(), bug, GENEROUS),
        shrink(&plan(), bug, GENEROUS)
    );
}
