//! One run: a seed, a fresh thread, madsim's runtime, and the judges.

use std::any::Any;
use std::time::Duration;

use madsim::Config;
use madsim::runtime::Runtime;
use mpcsfaas_core::time::Instant;
use mpcsfaas_sim_tests::checkers::{self, Setting};
use mpcsfaas_sim_tests::run::Violation;
use mpcsfaas_transport_sim::Place;
use mpcsfaas_transport_sim::history::{End, Seen, Waits, What};
use mpcsfaas_transport_sim::plan::Plan;
use tokio::time::sleep;

use crate::bugs::Bug;
use crate::client::sleep_until;
use crate::knobs::{FAULTS, knobs_of, name_of};
use crate::storm;
use crate::trouble;
use crate::watch::Account;
use crate::world::World;

/// How long after healing a run goes on at most, beyond the time that all the work takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long after the last task the sessions may take to settle.
const SETTLING: Duration = Duration::from_secs(10);

/// How often it is looked whether all is done.
const LOOK: Duration = Duration::from_millis(100);

/// What madsim's timers add: none is shorter than a millisecond.
const GRAIN: Duration = Duration::from_millis(5);

/// What a run has shown.
#[derive(Debug)]
pub struct Run {
    /// Its seed.
    pub seed: u64,
    /// The first promise that was broken, if one was.
    pub violation: Option<Violation>,
    /// The hash chain over everything that a machine or the store took in.
    pub hash: u64,
    /// How much that was.
    pub events: u64,
    /// World time at the end.
    pub ended_at: Instant,
    /// How often each judge's premise held.
    pub premises: Vec<(&'static str, u64)>,
    /// How often each fault struck.
    pub faults: Vec<(&'static str, u64)>,
    /// The story, if it was told.
    pub story: Vec<(Instant, String)>,
}

/// What is to be run, and what is to be kept of it.
#[derive(Debug)]
pub struct Case {
    seed: u64,
    plan: Plan,
    bug: Option<Bug>,
    told: bool,
}

impl Case {
    /// The run of a seed.
    pub fn of_seed(seed: u64) -> Case {
        Case::of_plan(knobs_of(seed).draw(seed), seed)
    }

    /// The run of a plan; the seed decides the order of tasks, and all that is drawn on the way.
    pub fn of_plan(plan: Plan, seed: u64) -> Case {
        Case {
            seed,
            plan,
            bug: None,
            told: false,
        }
    }

    /// With a mistake planted.
    #[must_use]
    pub fn with(mut self, bug: Bug) -> Case {
        self.bug = Some(bug);
        self
    }

    /// Tells its story.
    #[must_use]
    pub fn told(mut self) -> Case {
        self.told = true;
        self
    }

    /// What the seed has drawn, in one line.
    pub fn settings(&self) -> String {
        knobs_of(self.seed).to_string()
    }

    /// Runs it to the end.
    pub fn run(self) -> Run {
        run(self)
    }
}

fn run(
    Case {
        seed,
        plan,
        bug,
        told: tell,
    }: Case,
) -> Run {
    // Hash maps take their keys from the thread, so each run has a fresh one.
    let setting = Setting::of(&told(&plan));
    let thread = std::thread::spawn(move || {
        let latency = plan.shape.latency;
        let mut config = Config::default();
        config.net.send_latency = latency / 2..latency;
        let runtime = Runtime::with_seed_and_config(seed, config);
        runtime.block_on(go(plan, bug, tell))
    });
    match thread.join() {
        Ok((account, end)) => judge(seed, &setting, account, &end),
        Err(panic) => Run {
            seed,
            violation: Some(panicked(panic.as_ref())),
            hash: 0,
            events: 0,
            ended_at: Instant::ZERO,
            premises: Vec::new(),
            faults: Vec::new(),
            story: Vec::new(),
        },
    }
}

/// The plan as the judges should see it: what is slower here is in the latency.
fn told(plan: &Plan) -> Plan {
    let mut told = plan.clone();
    told.shape.latency += GRAIN;
    told
}

async fn go(plan: Plan, bug: Option<Bug>, tell: bool) -> (Account, End) {
    let world = World::new(plan, bug, tell);
    let work: Duration = world.plan.submits.iter().map(|s| s.runs + LOOK).sum();
    let last = world.plan.heal_at + PATIENCE + work;
    world.open(Place::Store);
    for index in 0..world.plan.shape.dispatchers.len() {
        world.open(Place::Dispatcher(index));
    }
    for index in 0..world.plan.shape.workers.len() {
        world.open(Place::Worker(index));
    }
    world.open(Place::Client);
    world.outside(trouble::strike_all(world.clone()));
    sleep_until(&world, world.plan.heal_at).await;
    let mut done_at = None;
    loop {
        sleep(LOOK).await;
        let now = world.watch.now();
        if done_at.is_none() && is_done(&world) {
            done_at = Some(now);
        }
        if now >= last || done_at.is_some_and(|at| now >= at + SETTLING) {
            break;
        }
    }
    let end = End {
        at: world.watch.now(),
        healed_at: world.plan.heal_at,
        done_at,
        waits: waits(&world),
        outside: world.watch.outside(),
    };
    (world.watch.take(), end)
}

fn is_done(world: &World) -> bool {
    world.client.unanswered().is_empty()
        && world
            .store()
            .tasks()
            .all(|(_, row)| row.status.is_terminal())
}

fn waits(world: &World) -> Vec<(mpcsfaas_core::id::TaskId, Waits)> {
    let submits = &world.plan.submits;
    let unanswered = world.client.unanswered().into_iter();
    let mut waits: Vec<_> = unanswered
        .map(|index| (submits[index].task, Waits::ForAnAnswer))
        .collect();
    let running = world.watch.running();
    for (task, row) in world.store().tasks() {
        if row.status.is_terminal() {
            continue;
        }
        let holder = row.holder.as_ref().map(|holder| holder.dispatcher);
        let why = match (running.get(&task), holder) {
            (Some(worker), _) => Waits::ForAWorkersEnd(*worker),
            (None, Some(holder)) => Waits::OnItsWay(holder),
            (None, None) => Waits::ForNobodyKnowsWhat,
        };
        waits.push((task, why));
    }
    waits
}

fn judge(seed: u64, setting: &Setting, account: Account, end: &End) -> Run {
    let mut judges = checkers::all(setting);
    let mut violation = account.broken.clone().map(|(at, what)| Violation {
        promise: "invariant",
        what,
        at,
    });
    'seen: for seen in &account.seen {
        if violation.is_some() {
            break;
        }
        for judge in &mut judges {
            if let Err(what) = judge.observe(seen) {
                violation = Some(Violation {
                    promise: judge.promise(),
                    what,
                    at: seen.at,
                });
                break 'seen;
            }
        }
    }
    let at = end.at;
    for judge in &mut judges {
        if violation.is_none()
            && let Err(what) = judge.finish(end)
        {
            let promise = judge.promise();
            violation = Some(Violation { promise, what, at });
        }
    }
    let violation = violation.or_else(|| storm::judge(&account.dials));
    Run {
        seed,
        violation,
        hash: account.hash,
        events: account.events,
        ended_at: at,
        premises: judges.iter().map(|j| (j.promise(), j.premises())).collect(),
        faults: FAULTS
            .iter()
            .map(|name| (*name, struck(name, &account.seen)))
            .collect(),
        story: account.story,
    }
}

fn struck(name: &str, seen: &[Seen]) -> u64 {
    let is_it = |seen: &&Seen| match &seen.what {
        What::Struck(fault) => name_of(fault) == Some(name),
        _ => false,
    };
    seen.iter().filter(is_it).count() as u64
}

fn panicked(panic: &(dyn Any + Send)) -> Violation {
    let words = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    Violation {
        promise: "invariant",
        what: format!("something panicked: {}", words.unwrap_or("without a word")),
        at: Instant::ZERO,
    }
}
