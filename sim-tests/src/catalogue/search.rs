//! The first seed of a range that breaks a promise.

use mpcsfaas_transport_sim::{Knobs, Mode};

use super::class::Class;
use crate::bugs::Bug;
use crate::run::Case;

/// How a bug was found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Find {
    /// How many seeds it took, the one that found it included.
    pub seeds: u64,
    /// The promise that was broken.
    pub promise: &'static str,
}

/// Runs the seeds from `base` on, `limit` at most, with a bug or none, in a world without these
/// classes of trouble.
pub(super) fn first_find(
    bug: Option<Bug>,
    without: &[Class],
    base: u64,
    limit: u64,
) -> Option<Find> {
    let tampers = bug.map(|bug| bug.tampers).unwrap_or_default();
    (1..=limit).find_map(|seeds| {
        let seed = base + (seeds - 1);
        let mut knobs = Knobs::of(Mode::Swarm, seed);
        for class in without {
            class.off(&mut knobs);
        }
        let run = Case::of_knobs(&knobs, seed).with(tampers).run();
        let promise = run.violation?.promise;
        Some(Find { seeds, promise })
    })
}
