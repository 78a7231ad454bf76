//! A run of a point: what its client saw, in world time, and what its dispatcher did.

use std::time::Duration;

use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::history::{Row as StoreRow, Seen, What};
use mpcsfaas_transport_sim::{Chance, Ours, Tampers, World};

use super::tape::{self, Clock, Cost};
use super::{Point, Row};

/// What one run came to.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Measured {
    /// When each task had ended after the submit, in the order of their ends.
    pub(super) waits: Vec<Duration>,
    /// Ended otherwise than with a result of the first attempt.
    pub(super) disturbed: usize,
    pub(super) cost: Cost,
}

pub(super) fn run(point: &Point, seed: u64, clock: Option<Clock>) -> Measured {
    let tampers = Tampers {
        dispatcher: Some(tape::recorder),
        ..Tampers::default()
    };
    let chance = Chance::listed(&[]);
    let mut world = World::new(point.plan(seed), chance, Box::new(Ours), tampers);
    let mut measured = Measured {
        waits: Vec::with_capacity(point.tasks()),
        disturbed: 0,
        cost: Cost::default(),
    };
    let (submit_at, gives_up_at) = (point.submit_at(), point.gives_up_at());
    let mut begun = false;
    while !world.is_done() && world.now() < gives_up_at && world.step() {
        if world.now() < submit_at {
            continue;
        }
        if !begun {
            begun = true;
            tape::mark();
        }
        measured.look(submit_at, world.seen());
    }
    let tape = tape::take();
    measured.cost = tape.map_or_else(Cost::default, |tape| tape.cost(clock));
    measured
}

impl Measured {
    fn look(&mut self, submit_at: Instant, seen: &[Seen]) {
        for Seen { at, what } in seen {
            let What::Row(row) = what else { continue };
            if row.status.is_terminal() {
                self.waits.push(at.since(submit_at));
                self.disturbed += usize::from(!is_plain(row));
            }
        }
    }
}

/// With the result of its first attempt.
fn is_plain(row: &StoreRow) -> bool {
    row.attempt == 1 && row.outcome.is_some_and(|ended| ended.result_of == Some(1))
}

/// What all runs of a point came to.
pub(super) fn row(point: &Point, runs: Vec<Measured>) -> Row {
    let tasks = point.tasks();
    let last = |run: &Measured| run.waits.last().copied().unwrap_or_default();
    let mut completions: Vec<Duration> = runs.iter().map(last).collect();
    completions.sort_unstable();
    let mut waits: Vec<Duration> = runs.iter().flat_map(|run| &run.waits).copied().collect();
    waits.sort_unstable();
    let most = |count: &dyn Fn(&Measured) -> usize| runs.iter().map(count).max().unwrap_or(0);
    let cost = runs.iter().map(|run| run.cost).reduce(Cost::and);
    Row {
        point: *point,
        completion: at_rank(&completions, 50),
        p50: at_rank(&waits, 50),
        p95: at_rank(&waits, 95),
        p99: at_rank(&waits, 99),
        efficiency: 0.0,
        unfinished: most(&|run| tasks - run.waits.len().min(tasks)),
        disturbed: most(&|run| run.disturbed),
        cost: cost.unwrap_or_default(),
        seeds: runs.len() as u64,
    }
}

/// The value that so many of 100 do not exceed: the nearest rank.
pub(super) fn at_rank(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    let value = rank.checked_sub(1).and_then(|index| sorted.get(index));
    value.copied().unwrap_or_default()
}
