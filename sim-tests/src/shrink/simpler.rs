//! Simpler forms of one thing in a plan: shorter, rounder, more usual.
//!
//! Each form comes closer to an end (less long, a multiple of a greater unit, the usual way), so
//! that no chain of them goes on for ever.

use std::time::Duration;

use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::plan::{Bend, Ending, FOR_GOOD, Fault, Plan, Submit, Trouble, Twist};

use super::units::{self, Unit};

/// Times are rounded to these.
const UNITS: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_millis(100),
    Duration::from_millis(10),
    Duration::from_millis(1),
];

/// Durations that are tried first, in milliseconds.
const SHORT: [u64; 7] = [0, 1, 10, 100, 1_000, 10_000, 100_000];

/// Plans in which this unit is simpler, the simplest first.
pub(super) fn unit(plan: &Plan, unit: Unit) -> Vec<Plan> {
    let with = |change: &dyn Fn(&mut Plan)| {
        let mut plan = plan.clone();
        change(&mut plan);
        plan
    };
    match unit {
        Unit::Submit(place) => (submits(&plan.submits[place]).into_iter())
            .map(|simple| with(&|plan| plan.submits[place] = simple.clone()))
            .collect(),
        Unit::Fault(place) => (faults(&plan.faults[place]).into_iter())
            .map(|simple| with(&|plan| plan.faults[place] = simple.clone()))
            .collect(),
        Unit::Twist(place) => (twists(&plan.twists[place]).into_iter())
            .map(|simple| with(&|plan| plan.twists[place] = simple.clone()))
            .collect(),
    }
}

/// Plans that heal right after the last thing that happens, or at a rounder time.
pub(super) fn healing(plan: &Plan) -> Vec<Plan> {
    let last = (units::of(plan).last()).map_or(Instant::ZERO, |&unit| units::at(plan, unit));
    let [_, after] = around(last, UNITS[0]);
    (after < plan.heal_at)
        .then_some(after)
        .into_iter()
        .chain(rounder(plan.heal_at))
        .map(|heal_at| Plan {
            heal_at,
            ..plan.clone()
        })
        .collect()
}

fn submits(submit: &Submit) -> Vec<Submit> {
    let mut simpler = Vec::new();
    // One that hangs without a deadline never ends, and that would be another failure.
    if submit.ends != Ending::Hangs {
        simpler.push(Submit {
            timeout: None,
            ..submit.clone()
        });
    }
    simpler.extend([
        Submit {
            at_most_once: false,
            ..submit.clone()
        },
        Submit {
            ends: Ending::Returns,
            ..submit.clone()
        },
    ]);
    simpler.extend(shorter(submit.runs).map(|runs| Submit {
        runs,
        ..submit.clone()
    }));
    simpler.extend(
        submit
            .timeout
            .into_iter()
            .flat_map(shorter)
            .map(|timeout| Submit {
                timeout: Some(timeout),
                ..submit.clone()
            }),
    );
    simpler.extend(rounder(submit.at).map(|at| Submit {
        at,
        ..submit.clone()
    }));
    simpler
}

fn faults(fault: &Fault) -> Vec<Fault> {
    let troubles = troubles(fault.what).into_iter().map(|what| Fault {
        what,
        ..fault.clone()
    });
    let times = rounder(fault.at).map(|at| Fault {
        at,
        ..fault.clone()
    });
    troubles.chain(times).collect()
}

fn troubles(what: Trouble) -> Vec<Trouble> {
    match what {
        Trouble::Clog(time) => shorter(time).map(Trouble::Clog).collect(),
        Trouble::Pause(time) => shorter(time).map(Trouble::Pause).collect(),
        Trouble::Crash(time) => shorter(time).map(Trouble::Crash).collect(),
        Trouble::Leave(time) => shorter(time).map(Trouble::Leave).collect(),
        Trouble::StoreCut(time) => shorter(time).map(Trouble::StoreCut).collect(),
        Trouble::Partition { from, way, time } => shorter(time)
            .map(|time| Trouble::Partition { from, way, time })
            .collect(),
        Trouble::Slow { by, time } => (shorter(time).map(|time| Trouble::Slow { by, time }))
            .chain(shorter(by).map(|by| Trouble::Slow { by, time }))
            .collect(),
        Trouble::ClockDrift(ppm) => nearer_to_zero(i64::from(ppm))
            .filter_map(|ppm| i32::try_from(ppm).ok())
            .map(Trouble::ClockDrift)
            .collect(),
        Trouble::ClockJump { millis } => nearer_to_zero(millis)
            .map(|millis| Trouble::ClockJump { millis })
            .collect(),
        Trouble::Cut | Trouble::Cancel(_) | Trouble::Junk | Trouble::Impostor => Vec::new(),
    }
}

fn twists(twist: &Twist) -> Vec<Twist> {
    let bends = match twist.bend {
        Bend::Late(by) => shorter(by).map(Bend::Late).collect(),
        Bend::Twice(after) => shorter(after).map(Bend::Twice).collect(),
        Bend::Lost | Bend::To(_) | Bend::Swallowed | Bend::TimerFirst | Bend::Fails => Vec::new(),
    };
    let first = Twist {
        nth: 0,
        ..twist.clone()
    };
    let bends = bends.into_iter().map(|bend| Twist {
        bend,
        ..twist.clone()
    });
    let times = rounder(twist.at).map(|at| Twist {
        at,
        ..twist.clone()
    });
    [first].into_iter().chain(bends).chain(times).collect()
}

/// Shorter durations: powers of ten from the least, then this one cut to a round one.
fn shorter(time: Duration) -> impl Iterator<Item = Duration> {
    let short = SHORT.into_iter().map(Duration::from_millis);
    let cut = UNITS.into_iter().map(move |unit| time - over(time, unit));
    short
        .chain(cut.filter(move |_| time != FOR_GOOD))
        .filter(move |&shorter| shorter < time)
}

/// Times close by that are multiples of a greater unit: the one before, then the one after.
fn rounder(at: Instant) -> impl Iterator<Item = Instant> {
    UNITS
        .into_iter()
        .take_while(move |&unit| !over(at - Instant::ZERO, unit).is_zero())
        .flat_map(move |unit| around(at, unit))
}

/// The multiples of a unit before and after a time; the time itself if it is one.
fn around(at: Instant, unit: Duration) -> [Instant; 2] {
    let over = over(at - Instant::ZERO, unit);
    let before = Instant::ZERO + ((at - Instant::ZERO) - over);
    let after = if over.is_zero() { at } else { before + unit };
    [before, after]
}

/// What is left of a duration after the last whole unit.
fn over(time: Duration, unit: Duration) -> Duration {
    let nanos = time.as_nanos() % unit.as_nanos();
    Duration::from_nanos(nanos as u64)
}

/// Numbers of the same sign that are less far from zero: powers of ten, from the least.
fn nearer_to_zero(number: i64) -> impl Iterator<Item = i64> {
    (0..19)
        .map(move |power| number.signum() * 10_i64.pow(power))
        .filter(move |nearer| nearer.unsigned_abs() < number.unsigned_abs())
}
