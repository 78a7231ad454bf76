//! The drivers' own promise: whoever cannot connect tries again in ever longer pauses.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::time::Duration;

use mpcsfaas_core::time::Instant;
use mpcsfaas_sim_tests::run::Violation;
use mpcsfaas_transport_sim::Place;

/// In so much time ...
const WINDOW: Duration = Duration::from_secs(1);

/// ... a process tries to connect at most so often.
const MOST: usize = 16;

/// Judges all attempts to connect, in their order.
pub(crate) fn judge(dials: &[(Place, Instant)]) -> Option<Violation> {
    let mut recent: BTreeMap<Place, VecDeque<Instant>> = BTreeMap::new();
    for (place, at) in dials.iter().copied() {
        let recent = recent.entry(place).or_default();
        recent.push_back(at);
        while recent
            .front()
            .is_some_and(|first| at.since(*first) > WINDOW)
        {
            recent.pop_front();
        }
        if recent.len() > MOST {
            return Some(Violation {
                promise: "no storm",
                what: format!(
                    "{place} tried to connect {} times in {WINDOW:?}",
                    recent.len()
                ),
                at,
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dials(count: u64, pause: Duration) -> Vec<(Place, Instant)> {
        (0..count)
            .map(|number| (Place::Worker(0), Instant::ZERO + pause * number as u32))
            .collect()
    }

    #[test]
    fn who_pauses_makes_no_storm_and_who_does_not_does() {
        assert!(judge(&dials(1_000, Duration::from_millis(100))).is_none());
        let storm = judge(&dials(1_000, Duration::from_millis(10)));
        assert_eq!(storm.map(|storm| storm.promise), Some("no storm"));
    }

    #[test]
    fn many_at_once_are_no_storm_if_each_is_somebody_else() {
        let crowd: Vec<_> = (0..100)
            .map(|n| (Place::Worker(n), Instant::ZERO))
            .collect();
        assert!(judge(&crowd).is_none());
    }
}
