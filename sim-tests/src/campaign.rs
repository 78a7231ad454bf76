//! Many seeds on many threads, and whether they reached what they should.
//!
//! Each seed is a world of its own, so threads share nothing but the number of the next seed. Runs
//! are taken in the order of their seeds, whichever ends first: a campaign comes to the same with
//! any number of threads.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::ops::{ControlFlow, RangeInclusive};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::chain::Chain;
use mpcsfaas_transport_sim::marks::{BENDS, FAULTS, Marks};
use mpcsfaas_transport_sim::{Mode, Tampers};

use crate::run::{Case, Run, Violation};

/// So many seeds of the swarm reach everything that there is to reach.
pub const ENOUGH: u64 = 1_000;

/// Which seeds, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How much trouble there is.
    pub mode: Mode,
    /// The seeds.
    pub seeds: RangeInclusive<u64>,
    /// A bug that is planted, or none.
    pub tampers: Tampers,
    /// How many seeds run at once.
    pub threads: NonZeroUsize,
}

/// What the runs of many seeds came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Campaign {
    /// How much trouble there was.
    pub mode: Mode,
    /// Seeds that were run.
    pub runs: u64,
    /// Those that broke a promise, in order.
    pub failures: Vec<(u64, Violation)>,
    /// The hash chain over the hashes of all runs.
    pub hash: u64,
    /// Events handled, in all runs.
    pub events: u64,
    /// World time that went by, in all runs.
    pub lived: Duration,
    /// What was covered.
    pub marks: Marks,
    /// How often each judge's premise held.
    pub premises: Vec<(&'static str, u64)>,
}

/// Something that a campaign should have reached and did not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gap {
    /// A kind of fault that never struck.
    Fault(&'static str),
    /// Another way than the usual that was never taken.
    Bend(&'static str),
    /// Something that never happened.
    Mark(&'static str),
    /// A promise whose judge never had anything to judge.
    Premise(&'static str),
}

/// Runs seeds. `watch` is shown each run in the order of seeds, and may end the campaign with it.
pub fn campaign(
    settings: &Settings,
    mut watch: impl FnMut(u64, &Run) -> ControlFlow<()>,
) -> Campaign {
    let first = *settings.seeds.start();
    let next = AtomicU64::new(0);
    let mut campaign = Campaign::new(settings.mode);
    thread::scope(|scope| {
        let (done, runs) = mpsc::channel();
        for _ in 0..settings.threads.get() {
            let (done, next) = (done.clone(), &next);
            scope.spawn(move || work(settings, next, &done));
        }
        drop(done);
        let mut early = BTreeMap::new();
        let mut due = 0;
        // Once nobody receives, no worker begins another seed.
        for (number, run) in runs {
            early.insert(number, run);
            while let Some(run) = early.remove(&due) {
                let seed = first + due;
                campaign.add(seed, &run);
                if watch(seed, &run).is_break() {
                    return;
                }
                due += 1;
            }
        }
    });
    campaign
}

/// Runs one seed after the other, counted from the first, until there are no more or nobody wants
/// to know.
fn work(settings: &Settings, next: &AtomicU64, done: &Sender<(u64, Run)>) {
    let (first, last) = (*settings.seeds.start(), *settings.seeds.end());
    let (mode, tampers) = (settings.mode, settings.tampers);
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let seed = match first.checked_add(number) {
            Some(seed) if seed <= last => seed,
            Some(_) | None => return,
        };
        let run = Case::of_seed(mode, seed).with(tampers).run();
        if done.send((number, run)).is_err() {
            return;
        }
    }
}

impl Campaign {
    fn new(mode: Mode) -> Campaign {
        Campaign {
            mode,
            runs: 0,
            failures: Vec::new(),
            hash: 0,
            events: 0,
            lived: Duration::ZERO,
            marks: Marks::default(),
            premises: Vec::new(),
        }
    }

    fn add(&mut self, seed: u64, run: &Run) {
        self.runs += 1;
        let violation = run.violation.clone();
        self.failures.extend(violation.map(|what| (seed, what)));
        self.hash = Chain::of(&(self.hash, run.hash));
        self.events += run.events;
        self.lived += run.ended_at.since(Instant::ZERO);
        self.marks += &run.marks;
        if self.premises.is_empty() {
            self.premises.clone_from(&run.premises);
        } else {
            // Every run has the same judges.
            for ((_, sum), (_, more)) in self.premises.iter_mut().zip(&run.premises) {
                *sum += more;
            }
        }
    }

    /// What was not reached. Fewer seeds than [`ENOUGH`], and other modes than the swarm, need not
    /// reach anything.
    pub fn gaps(&self) -> Vec<Gap> {
        if self.mode != Mode::Swarm || self.runs < ENOUGH {
            return Vec::new();
        }
        let Marks { faults, bends, .. } = &self.marks;
        let faults = FAULTS.iter().filter(|name| !faults.contains_key(*name));
        let bends = BENDS.iter().filter(|name| !bends.contains_key(*name));
        let never = |(name, count)| (count == 0).then_some(name);
        let marks = self.marks.coverage().into_iter().filter_map(never);
        let premises = self.premises.iter().copied().filter_map(never);
        (faults.map(|name| Gap::Fault(name)))
            .chain(bends.map(|name| Gap::Bend(name)))
            .chain(marks.map(Gap::Mark))
            .chain(premises.map(Gap::Premise))
            .collect()
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gap::Fault(name) => write!(f, "no fault `{name}` ever struck"),
            Gap::Bend(name) => write!(f, "no `{name}` was ever drawn"),
            Gap::Mark(name) => write!(f, "it never happened that {name}"),
            Gap::Premise(promise) => write!(f, "the judge of {promise} had nothing to judge"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bugs;

    fn with_threads(threads: usize) -> Settings {
        Settings {
            mode: Mode::Swarm,
            seeds: 1..=40,
            tampers: bugs::named("credit-counted-twice").unwrap().tampers,
            threads: NonZeroUsize::new(threads).unwrap(),
        }
    }

    #[test]
    fn any_number_of_threads_comes_to_the_same() {
        let run = |threads| {
            let mut seeds = Vec::new();
            let campaign = campaign(&with_threads(threads), |seed, _| {
                seeds.push(seed);
                ControlFlow::Continue(())
            });
            (campaign, seeds)
        };
        let (alone, seeds) = run(1);
        assert_eq!(seeds, Vec::from_iter(1..=40));
        assert!(alone.failures.len() > 1, "{:?}", alone.failures);
        for threads in [2, 7, 50] {
            assert_eq!(run(threads), (alone.clone(), seeds.clone()));
        }
    }

    #[test]
    fn a_campaign_ends_with_the_run_that_the_watcher_says() {
        for threads in [1, 5] {
            let campaign = campaign(&with_threads(threads), |seed, _| match seed {
                ..7 => ControlFlow::Continue(()),
                7.. => ControlFlow::Break(()),
            });
            assert_eq!(campaign.runs, 7);
        }
    }

    #[test]
    fn the_last_seed_that_there_is_can_be_run() {
        let settings = Settings {
            seeds: u64::MAX - 1..=u64::MAX,
            ..with_threads(3)
        };
        assert_eq!(
            campaign(&settings, |_, _| ControlFlow::Continue(())).runs,
            2
        );
    }

    #[test]
    fn what_was_never_reached_is_named_if_there_were_enough_seeds() {
        let mut campaign = Campaign {
            runs: ENOUGH,
            premises: vec![("P1", 3), ("P9", 0)],
            ..Campaign::new(Mode::Swarm)
        };
        campaign.marks.faults = FAULTS.into_iter().skip(1).map(|name| (name, 1)).collect();
        campaign.marks.bends = BENDS.into_iter().skip(1).map(|name| (name, 1)).collect();
        campaign.marks.cancelled = 1;
        let gaps = campaign.gaps();
        let others = |gap: &&Gap| !matches!(gap, Gap::Mark(_));
        assert_eq!(
            Vec::from_iter(gaps.iter().filter(others)),
            [
                &Gap::Fault(FAULTS[0]),
                &Gap::Bend(BENDS[0]),
                &Gap::Premise("P9")
            ]
        );
        assert!(gaps.contains(&Gap::Mark("a task timed out")));
        assert!(!gaps.contains(&Gap::Mark("a task was cancelled")));

        campaign.runs = ENOUGH - 1;
        assert_eq!(campaign.gaps(), []);
        campaign.runs = ENOUGH;
        campaign.mode = Mode::Lite;
        assert_eq!(campaign.gaps(), []);
    }
}
