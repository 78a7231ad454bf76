//! One run: trouble, then healing, then a bounded time in which everything must come right.

use std::fmt;
use std::time::Duration;

use mpcsfaas_core::Machine;
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::world::Place;
use mpcsfaas_transport_sim::{Knobs, World};

use crate::checkers::{self, Checker};

/// How long after healing the last task may take, beyond the time that all the work takes in
/// one process.
const RECOVERY: Duration = Duration::from_secs(60);

/// How long after the last task the sessions may take to settle.
const SETTLING: Duration = Duration::from_secs(10);

/// More events than this at one instant are a machine that asks to be woken again and again.
const CROWD: u64 = 10_000;

/// The full check of a machine's invariants is done each so many steps.
const FULL_CHECK: u64 = 16;

/// A promise that was broken.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Which, such as `P2`.
    pub promise: &'static str,
    /// How, in words.
    pub what: String,
    /// When.
    pub at: Instant,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} broken at {:?}: {}", self.promise, self.at, self.what)
    }
}

/// What a run saw.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Events handled.
    pub events: u64,
    /// Virtual time at the end.
    pub ended_at: Instant,
}

/// Runs a world to its end.
///
/// # Errors
/// The first promise that was broken.
pub fn run(world: &mut World) -> Result<Summary, Violation> {
    let mut judges = checkers::all();
    let work = world
        .knobs
        .longest_task
        .saturating_mul(world.knobs.tasks as u32);
    let mut done_at = None;
    let (mut instant, mut crowd) = (Instant::ZERO, 0);
    while let Some(step) = world.step().cloned() {
        crowd = if step.now == instant { crowd + 1 } else { 0 };
        instant = step.now;
        if crowd > CROWD {
            let what = format!("time stands still: {:?} moves on and on", step.moved);
            return Err(Violation {
                promise: "invariant",
                what,
                at: instant,
            });
        }
        check_machine(world, step.moved)?;
        for judge in &mut judges {
            judge
                .observe(world, &step)
                .map_err(|what| broken(judge.as_ref(), world, what))?;
        }
        if world.is_healed() && world.is_done() {
            done_at = done_at.or(Some(world.now()));
        }
        let healed_at = Instant::ZERO + world.knobs.trouble;
        let settled = done_at.is_some_and(|at| world.now() >= at.max(healed_at) + SETTLING);
        if settled || world.now() >= healed_at + RECOVERY + work {
            break;
        }
    }
    for judge in &mut judges {
        judge
            .finish(world)
            .map_err(|what| broken(judge.as_ref(), world, what))?;
    }
    Ok(Summary {
        events: world.events(),
        ended_at: world.now(),
    })
}

/// Runs the world of a seed.
///
/// # Errors
/// The first promise that was broken.
pub fn run_seed(seed: u64) -> Result<Summary, Violation> {
    run(&mut World::new(Knobs::swarm(seed), seed))
}

fn broken(judge: &dyn Checker, world: &World, what: String) -> Violation {
    Violation {
        promise: judge.promise(),
        what,
        at: world.now(),
    }
}

/// The machine that moved must be consistent.
fn check_machine(world: &World, moved: Option<Place>) -> Result<(), Violation> {
    let full = world.events().is_multiple_of(FULL_CHECK);
    let result = match moved {
        Some(Place::Dispatcher(index)) if full => world.dispatchers[index]
            .machine
            .as_ref()
            .map_or(Ok(()), Machine::check),
        Some(Place::Worker(index)) => world.workers[index]
            .machine
            .as_ref()
            .map_or(Ok(()), Machine::check),
        Some(Place::Dispatcher(_)) | None => Ok(()),
    };
    let store = if full { world.store().check() } else { Ok(()) };
    result.and(store).map_err(|what| Violation {
        promise: "invariant",
        what,
        at: world.now(),
    })
}
