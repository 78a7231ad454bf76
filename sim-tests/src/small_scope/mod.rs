//! Small scope, exhaustively: every order of what may happen in a small world, up to a depth.
//!
//! Seeds look at few paths of large worlds; this looks at all paths of a small one: the machines of
//! `core`, one to two dispatchers, two workers, two tasks. Most bugs of a protocol show in a small
//! world, if all of it is looked at (Jackson's small-scope hypothesis). The judges are those of the
//! seeds, and look at the same history.
//!
//! ```text
//!             moves (reduced)         act                  judges
//!   state ───────────────────▶ move ──────▶ state, seen ──────────▶ state of the next level, once
//!                                                          └──────▶ a promise is broken: the path
//! ```
//!
//! # Time
//!
//! Messages take none. Everything that is *due* (something to read, a deadline that has come)
//! happens before time passes, in every order; then time goes to the next deadline of any process.
//! So a message is late exactly if its receiver stands still or its connection is cut, and that is a
//! fault, which judges see. A Python child may end at any time, and so may a task be submitted. A
//! pause lasts for 1, 5 or 12 s, and a process that crashed is replaced after 0.5 or 12 s: one on
//! either side of each patience (3 s of silence, 10 s of a lease).
//!
//! # What a state is
//!
//! The machines, what is under way, the time, which faults are left, and what was seen so far of
//! each task and node (`judges`): two paths are taken for one only if the machines are the same *and*
//! the judges have seen the same. `reduce` leaves out orders that come to the same.
//!
//! # The end
//!
//! That everything ends well cannot be seen at a depth. So from some states of each level the *fair
//! way* is gone to the end, without another fault, and P1 and the others are judged there.
//!
//! Reading order: [`Scope`] (what is searched), `state`, `moves` (what may happen next), `act`, with
//! `lives` and `wires` (what a move does), `reduce`, `judges`, `step`, `fair`, `search`; `part` (what
//! states share), `story` (a path for people).

mod act;
mod fair;
mod judges;
mod lives;
mod moves;
mod part;
mod reduce;
mod scope;
mod search;
mod state;
mod step;
mod story;
#[cfg(test)]
mod tests;
mod wires;

use std::time::{Duration, Instant};

use mpcsfaas_transport_sim::trace::Line;

pub use self::scope::{Faults, MOST_DISPATCHERS, MOST_TASKS, MOST_WORKERS, Scope};
use self::search::Broken;
pub use self::search::{Level, Limits};
use self::state::State;
use crate::run::{Violation, in_short};
use crate::trace::Names;

/// What a search came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exhausted {
    /// Levels that are complete, from the beginning on.
    pub levels: Vec<Level>,
    /// States that were found of a level that is not.
    pub beyond: u64,
    /// Whether there is nothing beyond.
    pub to_the_end: bool,
    /// The shortest path that breaks a promise.
    pub counterexample: Option<Counterexample>,
    /// How long it took.
    pub took: Duration,
}

/// A path that breaks a promise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counterexample {
    /// Which promise, and how.
    pub violation: Violation,
    /// How many steps it takes until it goes wrong, or until no more trouble is needed.
    pub steps: usize,
    /// How many steps follow on the fair way to the end.
    pub fair_steps: usize,
    /// All of them.
    pub story: Vec<Line>,
    /// What the tasks in it are called.
    pub names: Names,
}

impl Exhausted {
    /// The depth of the last level that is complete.
    pub fn depth(&self) -> usize {
        self.levels.len().saturating_sub(1)
    }

    /// States that were found.
    pub fn states(&self) -> u64 {
        self.beyond + self.levels.iter().map(|level| level.states).sum::<u64>()
    }

    /// Moves that were tried, but for those of the last level.
    pub fn moves(&self) -> u64 {
        self.levels.iter().map(|level| level.moves).sum()
    }

    /// Fair ways that were gone to the end.
    pub fn ends(&self) -> u64 {
        self.levels.iter().map(|level| level.ends).sum()
    }
}

/// Searches a small world. What is found does not depend on the number of threads, as long as no
/// limit but the depth is met.
pub fn exhaust(scope: &Scope, limits: &Limits) -> Exhausted {
    let began = Instant::now();
    let start = fair::begin(scope, State::new(scope));
    let found = search::search(scope, &start, *limits);
    let counterexample = found
        .broken
        .map(|broken| counterexample(scope, &start, broken));
    Exhausted {
        levels: found.levels,
        beyond: found.beyond,
        to_the_end: found.exhausted,
        counterexample,
        took: began.elapsed(),
    }
}

fn counterexample(scope: &Scope, start: &State, broken: Broken) -> Counterexample {
    let Broken {
        mut violation,
        path,
        way,
    } = broken;
    violation.what = in_short(&violation.what, |task| Some(task.0));
    let (steps, fair_steps) = (path.len(), way.len());
    let all: Vec<_> = path.into_iter().chain(way).collect();
    Counterexample {
        violation,
        steps,
        fair_steps,
        story: story::tell(scope, start, &all),
        names: Names::of(&scope.plan()),
    }
}
