//! What can be taken out of a plan: submits, faults and twists.

use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::plan::{Fault, Plan, Trouble};

/// Names a thing by its place in the plan.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Unit {
    Submit(usize),
    Fault(usize),
    Twist(usize),
}

/// All units of a plan in the order of time, so that neighbours have to do with each other.
pub(super) fn of(plan: &Plan) -> Vec<Unit> {
    let submits = (0..plan.submits.len()).map(Unit::Submit);
    let faults = (0..plan.faults.len()).map(Unit::Fault);
    let twists = (0..plan.twists.len()).map(Unit::Twist);
    let mut units: Vec<Unit> = submits.chain(faults).chain(twists).collect();
    units.sort_by_key(|&unit| (at(plan, unit), unit));
    units
}

/// When it happens.
pub(super) fn at(plan: &Plan, unit: Unit) -> Instant {
    match unit {
        Unit::Submit(place) => plan.submits[place].at,
        Unit::Fault(place) => plan.faults[place].at,
        Unit::Twist(place) => plan.twists[place].at,
    }
}

/// The plan without the units that are not kept, and without the cancels of tasks that are gone.
pub(super) fn keep(plan: &Plan, kept: impl Fn(Unit) -> bool) -> Plan {
    let mut submits = Vec::new();
    let mut moved = Vec::new();
    for (place, submit) in plan.submits.iter().enumerate() {
        let stays = kept(Unit::Submit(place));
        moved.push(stays.then_some(submits.len()));
        submits.extend(stays.then(|| submit.clone()));
    }
    let faults = (plan.faults.iter().enumerate())
        .filter(|&(place, _)| kept(Unit::Fault(place)))
        .filter_map(|(_, fault)| follow(fault, &moved))
        .collect();
    let twists = (plan.twists.iter().enumerate())
        .filter(|&(place, _)| kept(Unit::Twist(place)))
        .map(|(_, twist)| twist.clone())
        .collect();
    Plan {
        shape: plan.shape.clone(),
        submits,
        faults,
        twists,
        heal_at: plan.heal_at,
    }
}

/// A cancel whose task has moved to another place, or `None` if the task is gone.
fn follow(fault: &Fault, moved: &[Option<usize>]) -> Option<Fault> {
    let Trouble::Cancel(task) = fault.what else {
        return Some(fault.clone());
    };
    let place = moved.get(task).copied().flatten()?;
    Some(Fault {
        what: Trouble::Cancel(place),
        ..fault.clone()
    })
}
