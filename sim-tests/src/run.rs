//! One run: trouble, then healing, then a bounded time in which everything must come right.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use mpcsfaas_core::Machine;
use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::history::{Seen, What};
use mpcsfaas_transport_sim::marks::Marks;
use mpcsfaas_transport_sim::plan::{Plan, Twist};
use mpcsfaas_transport_sim::trace::Line;
use mpcsfaas_transport_sim::{Cast, Chance, Knobs, Mode, Ours, Place, Tampers, World};

use crate::checkers::{self, Checker, Setting};

/// How long after healing a run goes on at most, beyond the time that all the work takes in one
/// process. The judge of P1 has a tighter bound of its own; this one only ends the run.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a task costs at least beyond its run: claim, run, commit, acknowledgement, each there and
/// back; and a child that has to be replaced after it.
const ROUND_TRIPS: u32 = 10;
const SPAWN: Duration = Duration::from_millis(100);

/// How long after the last task the sessions may take to settle.
const SETTLING: Duration = Duration::from_secs(10);

/// More events than this at one instant are a machine that asks to be woken again and again.
const CROWD: u64 = 20_000;

/// The full check of all machines is done each so many steps, and at each fault; in a large world
/// less often.
const FULL_CHECK: u64 = 64;

/// A store of more tasks than this is not checked at each fault.
const LARGE: u64 = 10_000;

/// A promise that was broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Which, such as `P2`; `invariant` is a machine's own check.
    pub promise: &'static str,
    /// How, in words.
    pub what: String,
    /// When, in world time.
    pub at: Instant,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} broken at {:?}: {}", self.promise, self.at, self.what)
    }
}

/// What is to be run, and what is to be kept of it.
#[derive(Debug)]
pub struct Case {
    plan: Plan,
    chance: Chance,
    cast: Box<dyn Cast>,
    tampers: Tampers,
    judged: bool,
    told: bool,
    kept: bool,
}

/// What a run has shown.
#[derive(Debug)]
pub struct Run {
    /// The plan, as it was.
    pub plan: Plan,
    /// The first promise that was broken, if one was.
    pub violation: Option<Violation>,
    /// The hash chain over all events.
    pub hash: u64,
    /// Events handled.
    pub events: u64,
    /// World time at the end.
    pub ended_at: Instant,
    /// When the last task had ended, if all have.
    pub done_at: Option<Instant>,
    /// What it covered.
    pub marks: Marks,
    /// How often each judge's premise held.
    pub premises: Vec<(&'static str, u64)>,
    /// What was decided on the way, if it was written down.
    pub twists: Vec<Twist>,
    /// How many twists of the plan have befallen nothing.
    pub idle_twists: usize,
    /// The story, if it was told.
    pub story: Vec<Line>,
    /// What was seen, if it was kept.
    pub history: Vec<Seen>,
}

impl Case {
    /// The run of a seed.
    pub fn of_seed(mode: Mode, seed: u64) -> Case {
        Case::of_knobs(&Knobs::of(mode, seed), seed)
    }

    /// The run that a seed draws under these settings.
    pub fn of_knobs(knobs: &Knobs, seed: u64) -> Case {
        let chance = Chance::drawn(knobs.odds, knobs.dispatchers, seed);
        Case::new(knobs.draw(seed), chance)
    }

    /// The run of a plan as it stands, without a random number.
    pub fn of_plan(plan: &Plan) -> Case {
        let chance = Chance::listed(&plan.twists);
        Case::new(plan.clone(), chance)
    }

    fn new(plan: Plan, chance: Chance) -> Case {
        Case {
            plan,
            chance,
            cast: Box::new(Ours),
            tampers: Tampers::default(),
            judged: true,
            told: false,
            kept: false,
        }
    }

    /// With a bug planted.
    #[must_use]
    pub fn with(mut self, tampers: Tampers) -> Case {
        self.tampers = tampers;
        self
    }

    /// With other processes than ours, which make other promises: they are watched, not judged.
    #[must_use]
    pub fn played_by(mut self, cast: Box<dyn Cast>) -> Case {
        self.cast = cast;
        self.judged = false;
        self
    }

    /// Writes down what is decided on the way.
    #[must_use]
    pub fn recorded(mut self) -> Case {
        self.chance.record();
        self
    }

    /// Tells its story.
    #[must_use]
    pub fn told(mut self) -> Case {
        self.told = true;
        self
    }

    /// Keeps what is seen.
    #[must_use]
    pub fn kept(mut self) -> Case {
        self.kept = true;
        self
    }

    /// Runs to the end, or to the first promise that is broken.
    pub fn run(self) -> Run {
        let mut judges = match self.judged {
            true => checkers::all(&Setting::of(&self.plan)),
            false => Vec::new(),
        };
        let mut world = World::new(self.plan, self.chance, self.cast, self.tampers);
        if self.told {
            world.tell();
        }
        let mut watch = Watch {
            judges: &mut judges,
            kept: self.kept.then(Vec::new),
        };
        let mut done_at = None;
        // A machine that panics is a failure like any other: it can be told, replayed and shrunk.
        let gone = catch_unwind(AssertUnwindSafe(|| {
            go(&mut world, &mut watch, &mut done_at)
        }));
        let violation = match gone {
            Ok(ended) => ended.err(),
            Err(panic) => Some(panicked(&world, panic.as_ref())),
        };
        let history = watch.kept.unwrap_or_default();
        Run {
            violation,
            hash: world.hash(),
            events: world.events(),
            ended_at: world.now(),
            done_at,
            premises: judges.iter().map(|j| (j.promise(), j.premises())).collect(),
            marks: world.marks().clone(),
            twists: world.chance().recorded().to_vec(),
            idle_twists: world.chance().idle(),
            story: world.story().to_vec(),
            history,
            plan: world.plan().clone(),
        }
    }
}

impl Run {
    /// The plan with everything that was decided on the way in it: a run of it is the same run,
    /// and draws no random number.
    pub fn explicit(&self) -> Plan {
        Plan {
            twists: self.twists.clone(),
            ..self.plan.clone()
        }
    }

    /// Nothing, or the promise that was broken.
    ///
    /// # Errors
    /// The violation.
    pub fn verdict(self) -> Result<Run, Violation> {
        match self.violation {
            Some(violation) => Err(violation),
            None => Ok(self),
        }
    }
}

/// Runs the world of a seed.
///
/// # Errors
/// The first promise that was broken.
pub fn run_seed(mode: Mode, seed: u64) -> Result<Run, Violation> {
    Case::of_seed(mode, seed).run().verdict()
}

/// Runs a plan as it stands.
///
/// # Errors
/// The first promise that was broken.
pub fn run_plan(plan: &Plan) -> Result<Run, Violation> {
    Case::of_plan(plan).run().verdict()
}

/// Everybody who looks at a run.
struct Watch<'a> {
    judges: &'a mut [Box<dyn Checker>],
    kept: Option<Vec<Seen>>,
}

impl Watch<'_> {
    fn look(&mut self, world: &World) -> Result<(), Violation> {
        // Most events leave nothing to see.
        if world.seen().is_empty() {
            return Ok(());
        }
        // Kept first: what breaks a promise was seen, too.
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(world.seen());
        }
        for judge in &mut *self.judges {
            for seen in world.seen() {
                judge
                    .observe(seen)
                    .map_err(|what| broken(judge.promise(), world, what))?;
            }
        }
        Ok(())
    }
}

fn broken(promise: &'static str, world: &World, what: String) -> Violation {
    let numbers = world.plan().task_numbers();
    Violation {
        promise,
        what: in_short(&what, |id| numbers.get(&id).copied()),
        at: world.now(),
    }
}

/// The same text with tasks named as in the story: `t14` instead of a UUID.
pub(crate) fn in_short(text: &str, number: impl Fn(TaskId) -> Option<u128>) -> String {
    /// How long a UUID is.
    const UUID: usize = 36;
    let mut short = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let id = rest.get(..UUID).and_then(|id| id.parse().ok());
        let taken = match id.and_then(&number) {
            Some(number) => {
                short.push('t');
                short += &number.to_string();
                UUID
            }
            None => {
                short.push(first);
                first.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    short
}

fn panicked(world: &World, panic: &(dyn Any + Send)) -> Violation {
    let words = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    let what = format!("a machine panicked: {}", words.unwrap_or("without a word"));
    broken("invariant", world, what)
}

fn go(
    world: &mut World,
    watch: &mut Watch<'_>,
    done_at: &mut Option<Instant>,
) -> Result<(), Violation> {
    let latency = world.plan().shape.latency;
    let submits = world.plan().submits.iter();
    let work: Duration = submits
        .map(|submit| submit.runs + ROUND_TRIPS * latency + SPAWN)
        .sum();
    let healed_at = world.plan().heal_at;
    let last = healed_at + PATIENCE + work;
    let mut checks = Checks::new(world);
    while world.step() {
        checks.check(world)?;
        watch.look(world)?;
        if world.is_healed() && world.is_done() {
            *done_at = done_at.or(Some(world.now()));
        }
        let settled = done_at.is_some_and(|at| world.now() >= at.max(healed_at) + SETTLING);
        if settled || world.now() >= last {
            break;
        }
    }
    let end = world.end_run(*done_at);
    for judge in &mut *watch.judges {
        judge
            .finish(&end)
            .map_err(|what| broken(judge.promise(), world, what))?;
    }
    Ok(())
}

/// The machines' own checks.
struct Checks {
    /// Machines are checked each so many steps: a dispatcher's check takes as long as it has workers.
    machines_each: u64,
    /// The store is checked each so many steps: checking it takes as long as it is large.
    store_each: u64,
    instant: Instant,
    crowd: u64,
}

impl Checks {
    fn new(world: &World) -> Checks {
        Checks {
            machines_each: FULL_CHECK.max(world.plan().shape.workers.len() as u64),
            store_each: FULL_CHECK.max(world.plan().submits.len() as u64),
            instant: Instant::ZERO,
            crowd: 0,
        }
    }

    fn check(&mut self, world: &World) -> Result<(), Violation> {
        self.crowd = if world.now() == self.instant {
            self.crowd + 1
        } else {
            0
        };
        self.instant = world.now();
        if self.crowd > CROWD + world.plan().submits.len() as u64 {
            let what = format!("time stands still: {:?} moves on and on", world.moved());
            return Err(broken("invariant", world, what));
        }
        let struck = |seen: &Seen| matches!(seen.what, What::Struck(_));
        let fault = world.seen().iter().any(struck);
        if fault || world.events().is_multiple_of(self.machines_each) {
            self.check_machines(world)
                .map_err(|what| broken("invariant", world, what))?;
        }
        // In a large world the next look at the store is near enough.
        let small = self.store_each <= LARGE;
        if (fault && small) || world.events().is_multiple_of(self.store_each) {
            world
                .store()
                .check()
                .map_err(|what| broken("invariant", world, what))?;
        }
        Ok(())
    }

    /// With many workers, those that have not moved are not looked at again.
    fn check_machines(&self, world: &World) -> Result<(), String> {
        let shape = &world.plan().shape;
        for index in 0..shape.dispatchers.len() {
            world.dispatcher(index).map_or(Ok(()), Machine::check)?;
        }
        if shape.workers.len() > FULL_CHECK as usize {
            return match world.moved() {
                Some(Place::Worker(index)) => world.worker(index).map_or(Ok(()), Machine::check),
                Some(_) | None => Ok(()),
            };
        }
        for index in 0..shape.workers.len() {
            world.worker(index).map_or(Ok(()), Machine::check)?;
        }
        Ok(())
    }
}
