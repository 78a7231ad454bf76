//! How good the judges are: each planted bug, and how many seeds of the swarm it takes to find it.
//!
//! ```text
//!   bug x base ──▶ seeds from the base on, until one breaks a promise ──▶ median, p95, judges
//!         none ──▶ the same seeds without a bug: nobody breaks a promise
//! ```
//!
//! A *base* is a place to begin counting: 20 of them, far apart, say how much luck there is in the
//! number of seeds. [`ablation`] asks the same with one class of trouble taken out of each world:
//! which bugs is it needed for?
//!
//! Reading order: this file, `search` (one bug, one base), [`ablation`], [`Class`], `table` (what
//! is printed), `jobs` (threads).

pub mod ablation;
mod class;
mod jobs;
mod search;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

pub use self::class::Class;
pub use self::search::Find;
pub use self::table::{ablation_text, text};
use crate::bugs::Bug;

/// So many bases are usual.
pub const BASES: u64 = 20;

/// A bug counts as found if 95 of 100 bases find it within so many seeds.
pub const ENOUGH: u64 = 200;

/// So far are the bases apart: no search is longer.
pub const STRIDE: u64 = 1_000_000;

/// What is to be looked for, and how long.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The bugs.
    pub bugs: Vec<Bug>,
    /// From how many places the seeds are counted.
    pub bases: u64,
    /// How many seeds are run from each at most.
    pub limit: u64,
    /// How many searches there are at once.
    pub threads: NonZeroUsize,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// One entry a bug, in their order.
    pub entries: Vec<Entry>,
    /// How many seeds were run without a bug: all that have found one, and those before them.
    pub control_seeds: u64,
    /// Seeds that break a promise without a bug, and which. There should be none.
    pub control_breaks: Vec<(u64, &'static str)>,
}

/// A bug, and how it was found from each base.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The bug.
    pub bug: Bug,
    /// From each base in turn; `None` if the limit came first.
    pub finds: Vec<Option<Find>>,
}

impl Entry {
    /// How many bases found it.
    pub fn found(&self) -> usize {
        self.finds.iter().flatten().count()
    }

    /// In how many seeds half of the bases have found it. `None`: not within the limit.
    pub fn median(&self) -> Option<u64> {
        self.seeds_of(50)
    }

    /// In how many seeds 95 of 100 bases have found it. `None`: not within the limit.
    pub fn p95(&self) -> Option<u64> {
        self.seeds_of(95)
    }

    /// Whether [`ENOUGH`] seeds are enough.
    pub fn is_found(&self) -> bool {
        self.p95().is_some_and(|seeds| seeds <= ENOUGH)
    }

    /// The judges that found it, and from how many bases, the most frequent first.
    pub fn judges(&self) -> Vec<(&'static str, usize)> {
        let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
        for find in self.finds.iter().flatten() {
            *counts.entry(find.promise).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts
    }

    /// The number of seeds that so many of 100 bases need at most: the nearest rank.
    fn seeds_of(&self, percent: usize) -> Option<u64> {
        let mut seeds: Vec<u64> = self.finds.iter().flatten().map(|find| find.seeds).collect();
        seeds.sort_unstable();
        let rank = (self.finds.len() * percent).div_ceil(100);
        seeds.get(rank.checked_sub(1)?).copied()
    }
}

impl Catalogue {
    /// Whether nothing broke without a bug, and nine of ten bugs are found.
    pub fn is_well(&self) -> bool {
        let found = self.entries.iter().filter(|entry| entry.is_found()).count();
        self.control_breaks.is_empty() && 10 * found >= 9 * self.entries.len()
    }
}

/// Looks for each bug from each base. `done` is told of each search that is over; there are as many
/// as [`searches`] says.
pub fn catalogue(settings: &Settings, mut done: impl FnMut()) -> Catalogue {
    let Settings {
        ref bugs,
        bases,
        limit,
        threads,
    } = *settings;
    let jobs: Vec<(Bug, u64)> = bugs
        .iter()
        .flat_map(|bug| (0..bases).map(move |base| (*bug, base)))
        .collect();
    let search =
        |(bug, base): &(Bug, u64)| search::first_find(Some(*bug), &[], first_seed(*base), limit);
    let mut finds = jobs::each(&jobs, threads, search, &mut done).into_iter();
    let entries: Vec<Entry> = bugs
        .iter()
        .map(|bug| Entry {
            bug: *bug,
            finds: finds.by_ref().take(bases as usize).collect(),
        })
        .collect();
    let controls: Vec<(u64, u64)> = (0..bases)
        .map(|base| (base, longest(&entries, base)))
        .collect();
    let control =
        |(base, seeds): &(u64, u64)| search::first_find(None, &[], first_seed(*base), *seeds);
    let breaks = jobs::each(&controls, threads, control, done);
    let breaks = controls.iter().zip(breaks).filter_map(|((base, _), find)| {
        let find = find?;
        Some((first_seed(*base) + find.seeds - 1, find.promise))
    });
    Catalogue {
        control_breaks: breaks.collect(),
        control_seeds: controls.iter().map(|(_, seeds)| seeds).sum(),
        entries,
    }
}

/// How many searches a catalogue is: one for each bug and base, and one without a bug for each base.
pub fn searches(settings: &Settings) -> u64 {
    (settings.bugs.len() as u64 + 1) * settings.bases
}

fn first_seed(base: u64) -> u64 {
    1 + base * STRIDE
}

/// The most seeds that any bug took to be found from a base.
fn longest(entries: &[Entry], base: u64) -> u64 {
    let finds = entries
        .iter()
        .filter_map(|entry| entry.finds.get(base as usize));
    finds.flatten().map(|find| find.seeds).max().unwrap_or(0)
}
