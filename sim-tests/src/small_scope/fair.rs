//! The fair way to the end: nothing more goes wrong, everything that may happen does.

use std::time::Duration;

use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::task::Status;
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::TaskRef;
use mpcsfaas_transport_sim::history::{End, Seen, Waits, What};
use mpcsfaas_transport_sim::place::Place;

use super::moves::{Kind, Move, choices};
use super::scope::{RUNS, Scope};
use super::state::State;
use super::step::Step;
use crate::run::Violation;

/// How long a way may be after all trouble is over. The judge of P1 has a tighter bound.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long after the last task the sessions may take to settle.
const SETTLING: Duration = Duration::from_secs(10);

/// More moves than this at one instant are a loop in which time stands still.
const CROWD: usize = 1_000;

/// The beginning takes fewer moves.
const MOST: usize = 10_000;

/// How long the troubles last that are not over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lasts {
    /// As short as they can.
    Shortest,
    /// As long as they can.
    Longest,
}

/// Goes from a state to the end.
///
/// # Errors
/// The first promise that was broken, and the moves that led there.
pub(super) fn go(scope: &Scope, from: &State) -> Result<(), (Violation, Vec<Move>)> {
    let ways = match from.is_well() {
        true => &[Lasts::Shortest][..],
        false => &[Lasts::Shortest, Lasts::Longest],
    };
    ways.iter().try_for_each(|lasts| {
        let mut way = Vec::new();
        walk(scope, *lasts, from, &mut way).map_err(|violation| (violation, way))
    })
}

fn walk(scope: &Scope, lasts: Lasts, from: &State, way: &mut Vec<Move>) -> Result<(), Violation> {
    let mut state = from.clone();
    let (mut healed_at, mut done_at) = (None, None);
    let mut crowd = 0;
    while crowd < CROWD {
        if healed_at.is_none() && state.is_well() {
            healed_at = Some(state.now);
            let at = state.now;
            let what = What::Healed;
            state.judges = state.judges.after(&[Seen { at, what }])?.into();
        }
        if done_at.is_none() && state.is_done(scope) {
            done_at = Some(state.now);
        }
        if let Some(healed_at) = healed_at
            && is_over(scope, state.now, healed_at, done_at)
        {
            let end = End {
                at: state.now,
                healed_at,
                done_at,
                waits: waits(scope, &state),
                outside: outside(&state),
            };
            return state.judges.finish(&end);
        }
        let step = next(scope, lasts, &state);
        way.push(step);
        crowd = match step {
            Move::Time(_) => 0,
            _ => crowd + 1,
        };
        state = Step::new(scope, &state, step).judge()?;
    }
    Err(Violation {
        promise: "invariant",
        what: "time stands still".to_owned(),
        at: state.now,
    })
}

fn is_over(scope: &Scope, now: Instant, healed_at: Instant, done_at: Option<Instant>) -> bool {
    let work = RUNS * scope.tasks as u32;
    let settled = |done_at: Instant| now >= done_at.max(healed_at) + SETTLING;
    done_at.is_some_and(settled) || now >= healed_at + PATIENCE + work
}

/// What is due comes first, then what has taken its time; then time passes.
fn next(scope: &Scope, lasts: Lasts, state: &State) -> Move {
    let choices = choices(scope, state);
    let mut free = choices.iter().filter(|choice| choice.kind == Kind::Free);
    let mut due = choices.iter().filter(|choice| choice.kind == Kind::Due);
    let longer = |step| matches!(step, Move::StayStill(_) | Move::StayDown(_));
    let due = match lasts {
        Lasts::Shortest => due.next(),
        Lasts::Longest => due
            .clone()
            .find(|choice| longer(choice.step))
            .or(due.next()),
    };
    let ripe = |step: &Move| match *step {
        Move::ChildEnds(worker, slot) => ends_at(state, worker, slot) <= state.now,
        _ => true,
    };
    let ripe = due.or_else(|| free.find(|choice| ripe(&choice.step)));
    if let Some(choice) = ripe {
        return choice.step;
    }
    let children = (0..state.workers.len()).flat_map(|worker| {
        let slots = 0..state.workers[worker].children.len();
        slots.map(move |slot| ends_at(state, worker, slot))
    });
    let next = state.next_deadline().into_iter().chain(children).min();
    Move::Time(next.unwrap_or(state.now + RUNS))
}

fn ends_at(state: &State, worker: usize, slot: usize) -> Instant {
    let never = Instant::from_nanos(u64::MAX);
    state.workers[worker].children[slot].map_or(never, |(_, since)| since + RUNS)
}

/// Live workers that are in no dispatcher's roster with their present session.
fn outside(state: &State) -> Vec<Place> {
    let dispatchers = || {
        state
            .dispatchers
            .iter()
            .filter_map(|node| node.process.as_ref())
    };
    let is_outside = |index: &usize| {
        let Some(process) = &state.workers[*index].process else {
            return false;
        };
        let name = (process.machine.id().into(), process.machine.session());
        let seated = dispatchers().any(|dispatcher| {
            let mut workers = dispatcher.machine.workers();
            workers.any(|(worker, session)| (worker, session) == (&name.0, name.1))
        });
        !process.machine.is_welcome() || !seated
    };
    (0..state.workers.len())
        .filter(is_outside)
        .map(Place::Worker)
        .collect()
}

fn waits(scope: &Scope, state: &State) -> Vec<(TaskId, Waits)> {
    let unsubmitted = (state.submitted..scope.tasks).map(Scope::task);
    let mut waits: Vec<_> = unsubmitted.map(|task| (task, Waits::ForAnAnswer)).collect();
    for (task, row) in state.store.store.tasks() {
        if !row.status.is_terminal() {
            let owner = row.holder.as_ref().map(|holder| holder.dispatcher);
            let attempt = row.attempt;
            let running = TaskRef { task, attempt };
            let runs = |node: &usize| {
                let children = state.workers[*node].children.iter().flatten();
                children.map(|(task, _)| *task).any(|task| task == running)
            };
            let why = match (row.status, owner, (0..state.workers.len()).find(runs)) {
                (Status::Running, _, Some(worker)) => Waits::ForAWorkersEnd(Place::Worker(worker)),
                (Status::Running, Some(owner), None) => Waits::ForItsOwner(owner),
                _ => Waits::ForNobodyKnowsWhat,
            };
            waits.push((task, why));
        }
    }
    waits
}

/// Starts everybody, waits until every worker is welcome, and submits the first task.
pub(super) fn begin(scope: &Scope, mut state: State) -> State {
    let nobody = Scope { tasks: 0, ..*scope };
    let calm = |state: &State| {
        let welcome = |index| state.look_at_worker(index).is_some_and(|seen| seen.welcome);
        let still = choices(&nobody, state)
            .iter()
            .all(|choice| choice.kind != Kind::Due);
        still && (0..scope.workers).all(welcome)
    };
    for _ in 0..MOST {
        let step = match calm(&state) {
            true => Move::Submit,
            false => next(&nobody, Lasts::Shortest, &state),
        };
        match Step::new(scope, &state, step).judge() {
            Ok(next) => state = next,
            Err(violation) => unreachable!("a quiet beginning: {violation}"),
        }
        if step == Move::Submit {
            return state;
        }
    }
    unreachable!("everybody is welcome in the end")
}
