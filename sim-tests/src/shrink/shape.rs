//! Smaller worlds: fewer nodes, fewer processes, all there from the start.

use std::collections::BTreeSet;
use std::time::Duration;

use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::place::Place;
use mpcsfaas_transport_sim::plan::{Bend, Occasion, Plan, Shape, Trouble, WorkerShape};

/// The usual latency.
const LATENCY: Duration = Duration::from_millis(1);

/// The usual limit of the queue.
const QUEUE_LIMIT: u64 = 1_000_000;
const CLAIM_LIMIT: u32 = 256;

/// Nodes that there can be more than one of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    Dispatcher,
    Worker,
}

/// The same plan in smaller worlds.
pub(super) fn smaller(plan: &Plan) -> Vec<Plan> {
    let mut plans = Vec::new();
    let named = named(plan);
    for (kind, count) in [
        (Kind::Worker, plan.shape.workers.len()),
        (Kind::Dispatcher, plan.shape.dispatchers.len()),
    ] {
        let unnamed = (0..count)
            .rev()
            .find(|&index| !named.contains(&(kind, index)));
        if count > 1 {
            plans.extend(unnamed.map(|index| without(plan, kind, index)));
        }
    }
    plans.extend(plainer(&plan.shape).into_iter().map(|shape| Plan {
        shape,
        ..plan.clone()
    }));
    plans.push(numbered(plan));
    plans
}

/// The same tasks under short names, in the order of the plan.
fn numbered(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    for (submit, number) in plan.submits.iter_mut().zip(1..) {
        submit.task = TaskId(number);
    }
    plan
}

/// The same nodes, with fewer special traits.
fn plainer(shape: &Shape) -> Vec<Shape> {
    let mut shapes = Vec::new();
    let mut plainer = |change: &dyn Fn(&mut Shape)| {
        let mut plain = shape.clone();
        change(&mut plain);
        shapes.push(plain);
    };
    for index in 0..shape.workers.len() {
        plainer(&|plain| plain.workers[index].processes = 1);
        plainer(&|plain| {
            plain.workers[index] = WorkerShape {
                starts: Instant::ZERO,
                ..plain.workers[index]
            };
        });
    }
    for index in 0..shape.dispatchers.len() {
        plainer(&|plain| plain.dispatchers[index] = Instant::ZERO);
    }
    plainer(&|plain| plain.latency = LATENCY);
    plainer(&|plain| plain.queue_limit = QUEUE_LIMIT);
    plainer(&|plain| plain.claim_limit = CLAIM_LIMIT);
    plainer(&|plain| plain.salt = 0);
    shapes
}

/// The nodes that a fault or a twist names.
fn named(plan: &Plan) -> BTreeSet<(Kind, usize)> {
    let mut named = BTreeSet::new();
    each_name(&mut plan.clone(), |kind, index| {
        named.insert((kind, *index));
    });
    named
}

/// The plan without a node; those after it move up.
fn without(plan: &Plan, kind: Kind, gone: usize) -> Plan {
    let mut plan = plan.clone();
    match kind {
        Kind::Dispatcher => drop(plan.shape.dispatchers.remove(gone)),
        Kind::Worker => drop(plan.shape.workers.remove(gone)),
    }
    each_name(&mut plan, |of, index| {
        if of == kind && *index > gone {
            *index -= 1;
        }
    });
    plan
}

/// Visits each index of a node that stands in a fault or a twist.
fn each_name(plan: &mut Plan, mut visit: impl FnMut(Kind, &mut usize)) {
    let node = |place: &mut Place, visit: &mut dyn FnMut(Kind, &mut usize)| match place {
        Place::Dispatcher(index) => visit(Kind::Dispatcher, index),
        Place::Worker(index) => visit(Kind::Worker, index),
        Place::Client | Place::Store => {}
    };
    for fault in &mut plan.faults {
        node(&mut fault.node, &mut visit);
        if let Trouble::Partition { from, .. } = &mut fault.what {
            visit(Kind::Dispatcher, from);
        }
    }
    for twist in &mut plan.twists {
        match &mut twist.on {
            Occasion::Up(index)
            | Occasion::Down(index)
            | Occasion::Dial(index)
            | Occasion::EndUp(index)
            | Occasion::EndDown(index)
            | Occasion::Spawn(index) => visit(Kind::Worker, index),
            Occasion::Request(index) | Occasion::Reply(index) | Occasion::Doorbell(index) => {
                visit(Kind::Dispatcher, index);
            }
            Occasion::Waking(place) => node(place, &mut visit),
            Occasion::Answer => {}
        }
        if let Bend::To(index) = &mut twist.bend {
            visit(Kind::Dispatcher, index);
        }
    }
}
