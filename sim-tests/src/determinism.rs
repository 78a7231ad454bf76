//! The same seed is the same run: told by the hash chain, and if it is not, by the first event that
//! differs.

use mpcsfaas_transport_sim::trace::Line;
use mpcsfaas_transport_sim::{Mode, Tampers};
use thiserror::Error;

use crate::run::{Case, Run};

/// Two runs of one seed that were not the same.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error(
    "seed {seed} ran in two ways; they part at event {number}, {at}:\n  first:  {first}\n  second: {second}"
)]
pub struct Divergence {
    /// Which seed.
    pub seed: u64,
    /// The number of the first event that differs, from 1.
    pub number: u64,
    /// Its time in the first run.
    pub at: String,
    /// It, in the first run.
    pub first: String,
    /// It, in the second.
    pub second: String,
}

/// Runs a seed twice and compares.
///
/// # Errors
/// Where the two runs part.
pub fn check(mode: Mode, seed: u64, tampers: Tampers) -> Result<u64, Box<Divergence>> {
    let run = || Case::of_seed(mode, seed).with(tampers).run();
    let (first, second) = (run(), run());
    if first.hash == second.hash && first.events == second.events {
        return Ok(first.hash);
    }
    // The hashes say that; only the stories say where.
    let told = || Case::of_seed(mode, seed).with(tampers).told().run();
    Err(Box::new(part(seed, &told(), &told())))
}

fn part(seed: u64, first: &Run, second: &Run) -> Divergence {
    let (one, two) = (&first.story, &second.story);
    let same = one
        .iter()
        .zip(two)
        .take_while(|(a, b)| a.hash == b.hash)
        .count();
    let words = |line: Option<&Line>| match line {
        Some(line) => {
            let from = line
                .from
                .map(|from| format!("<-{from}"))
                .unwrap_or_default();
            format!("{}{from} {}", line.node, line.what)
        }
        None => "the run is over".to_owned(),
    };
    let line = one.get(same).or(two.get(same));
    Divergence {
        seed,
        number: line.map_or(first.events, |line| line.number),
        at: line.map_or(String::new(), |line| format!("{:?}", line.at)),
        first: words(one.get(same)),
        second: words(two.get(same)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bugs::DIVERGING;

    #[test]
    fn a_run_that_is_not_the_same_twice_is_found_and_the_first_event_named() {
        let found = (1..20).find_map(|seed| check(Mode::Swarm, seed, DIVERGING).err());
        let divergence = found.expect("planted");
        assert!(divergence.first.contains("Beat"), "{divergence}");
        assert!(divergence.second.contains("Beat"), "{divergence}");
        assert_ne!(divergence.first, divergence.second);
    }
}
