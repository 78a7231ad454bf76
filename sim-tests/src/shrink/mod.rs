//! Makes a plan that breaks a promise small: the fewest submits, faults and twists that still break it.
//!
//! Delta debugging (ddmin: Zeller and Hildebrandt 2002). All times of a plan are absolute, so taking
//! one thing out moves no other. A round takes away whole kinds and the end of the plan, then single
//! things, then makes simpler what is left; rounds go on until one finds nothing more to do. The same
//! plan and the same answers give the same result.

mod shape;
mod simpler;
mod units;

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem::discriminant;

use mpcsfaas_transport_sim::plan::Plan;

use self::units::Unit;

/// How much work shrinking may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// The most runs.
    pub runs: u32,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { runs: 2_000 }
    }
}

/// What shrinking came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shrunk<V> {
    /// The smallest plan found that still fails.
    pub plan: Plan,
    /// How it fails. `None`: the plan given does not fail, and is given back as it is.
    pub violation: Option<V>,
    /// Runs that it took.
    pub runs: u32,
    /// Submits, faults and twists of the plan given.
    pub units_before: usize,
    /// Submits, faults and twists of the smallest plan.
    pub units_after: usize,
}

/// Shrinks a plan. `same` runs a plan and gives the violation if it is the *same* one: usually of
/// the same promise, because another bug may hide behind the first.
///
/// Unless the budget ends first, the result is 1-minimal: without any one of its submits, faults and
/// twists it does not fail. A cancel follows its task to its new place, and goes with it.
pub fn shrink<V>(plan: &Plan, same: impl FnMut(&Plan) -> Option<V>, budget: Budget) -> Shrunk<V> {
    let mut search = Search {
        best: plan.clone(),
        violation: None,
        same,
        runs: 0,
        budget,
        tried: BTreeSet::new(),
    };
    if search.attempt(plan.clone()) {
        search.exhaust();
    }
    Shrunk {
        units_before: units::of(plan).len(),
        units_after: units::of(&search.best).len(),
        plan: search.best,
        violation: search.violation,
        runs: search.runs,
    }
}

struct Search<V, F> {
    /// The smallest plan that fails.
    best: Plan,
    /// How it fails.
    violation: Option<V>,
    same: F,
    runs: u32,
    budget: Budget,
    /// Fingerprints of all plans that were run: none is run twice.
    tried: BTreeSet<u64>,
}

impl<V, F: FnMut(&Plan) -> Option<V>> Search<V, F> {
    /// Goes round until nothing changes any more: what is simpler may need fewer units.
    fn exhaust(&mut self) {
        loop {
            let before = self.best.clone();
            self.drop_kinds();
            self.drop_tail();
            self.drop_units();
            self.simplify();
            if self.best == before || self.runs >= self.budget.runs {
                return;
            }
        }
    }

    /// Runs a plan, and takes it as the best if it fails. A plan that was run before, or comes after
    /// the budget's end, counts as one that does not.
    fn attempt(&mut self, plan: Plan) -> bool {
        if self.runs >= self.budget.runs || !self.tried.insert(fingerprint(&plan)) {
            return false;
        }
        self.runs += 1;
        let Some(violation) = (self.same)(&plan) else {
            return false;
        };
        self.best = plan;
        self.violation = Some(violation);
        true
    }

    /// Takes the first of these plans that fails.
    fn attempt_any(&mut self, plans: impl IntoIterator<Item = Plan>) -> bool {
        plans.into_iter().any(|plan| self.attempt(plan))
    }

    /// All twists, all faults; then all that bend alike; then all faults of a kind.
    fn drop_kinds(&mut self) {
        self.attempt(units::keep(&self.best, |unit| {
            !matches!(unit, Unit::Twist(_))
        }));
        self.attempt(units::keep(&self.best, |unit| {
            !matches!(unit, Unit::Fault(_))
        }));
        for twist in self.best.twists.clone() {
            let mut plan = self.best.clone();
            plan.twists
                .retain(|other| discriminant(&other.bend) != discriminant(&twist.bend));
            self.attempt(plan);
        }
        for fault in self.best.faults.clone() {
            let mut plan = self.best.clone();
            plan.faults
                .retain(|other| discriminant(&other.what) != discriminant(&fault.what));
            self.attempt(plan);
        }
    }

    /// Everything from some time on: halves its way to the earliest such time.
    fn drop_tail(&mut self) {
        let whole = self.best.clone();
        let times: Vec<_> = units::of(&whole)
            .iter()
            .map(|&unit| units::at(&whole, unit))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let (mut needed, mut enough) = (0, times.len());
        while needed < enough {
            let middle = usize::midpoint(needed, enough);
            let plan = units::keep(&whole, |unit| units::at(&whole, unit) < times[middle]);
            if self.attempt(plan) {
                enough = middle;
            } else {
                needed = middle + 1;
            }
        }
    }

    /// ddmin: one of `parts` equal parts alone, or all but one; if neither fails, smaller parts.
    fn drop_units(&mut self) {
        let mut parts = 2;
        loop {
            let whole = self.best.clone();
            let units = units::of(&whole);
            let size = units.len().div_ceil(parts).max(1);
            let chunks: Vec<BTreeSet<Unit>> = units
                .chunks(size)
                .map(|chunk| chunk.iter().copied().collect())
                .collect();
            let alone = |chunk: &BTreeSet<Unit>| units::keep(&whole, |unit| chunk.contains(&unit));
            let without =
                |chunk: &BTreeSet<Unit>| units::keep(&whole, |unit| !chunk.contains(&unit));
            if self.attempt_any(chunks.iter().map(alone)) {
                parts = 2;
            } else if self.attempt_any(chunks.iter().map(without)) {
                parts = (parts - 1).max(2);
            } else if size == 1 {
                return;
            } else {
                parts = (parts * 2).min(units.len());
            }
        }
    }

    /// Makes simpler what is left, one thing after the other. No unit changes its place here.
    fn simplify(&mut self) {
        for unit in units::of(&self.best) {
            while self.attempt_any(simpler::unit(&self.best, unit)) {}
        }
        while self.attempt_any(simpler::healing(&self.best)) {}
        while self.attempt_any(shape::smaller(&self.best)) {}
    }
}

/// A digest of all that a plan says.
fn fingerprint(plan: &Plan) -> u64 {
    let Plan {
        shape,
        submits,
        faults,
        twists,
        heal_at,
    } = plan;
    let mut hasher = DefaultHasher::new();
    (submits, faults, twists, heal_at).hash(&mut hasher);
    (shape.salt, &shape.dispatchers, shape.flow).hash(&mut hasher);
    (shape.latency, shape.queue_limit, shape.timeout).hash(&mut hasher);
    shape.claim_limit.hash(&mut hasher);
    for worker in &shape.workers {
        (worker.starts, worker.processes).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests;
