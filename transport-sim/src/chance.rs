//! Where a run may take a turn: either dice decide, or a list that says what is to happen.
//!
//! Every decision that is made while the world runs is made here, so a run whose decisions were
//! written down can be repeated, and made smaller, without a random number.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use mpcsfaas_core::time::Instant;

use crate::plan::{Bend, Occasion, Twist};
use crate::rng::Stream;

/// A twist in a list befalls an occasion this much after its time at the latest. When others were
/// taken away, its own occasion may come a little later; but never is it some unrelated one.
const SLACK: Duration = Duration::from_millis(50);

/// Of a thousand occasions, how many take another way than the usual.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Odds {
    /// Messages that come late.
    pub late: u32,
    /// How late at most.
    pub latest: Duration,
    /// Messages within a session that are lost silently.
    pub lost: u32,
    /// Messages that come twice.
    pub twice: u32,
    /// Connects that go to another dispatcher.
    pub detour: u32,
    /// Ends of connections that one side does not hear of.
    pub unheard: u32,
    /// Ends of connections that lose what was sent before.
    pub swallowed: u32,
    /// Store requests that never arrive.
    pub request_lost: u32,
    /// Store requests that come late.
    pub request_late: u32,
    /// Store requests that arrive a second time, later.
    pub request_twice: u32,
    /// Store requests that are carried out and not answered, submits included.
    pub reply_lost: u32,
    /// Doorbells that nobody hears.
    pub doorbell_lost: u32,
    /// Nodes whose timer comes before what has arrived, when they go on after a pause.
    pub timer_first: u32,
    /// Python children that end before they are ready.
    pub spawn_fails: u32,
}

/// Decides.
#[derive(Debug)]
pub struct Chance {
    source: Source,
    /// What was decided, if it is to be written down.
    record: Option<Vec<Twist>>,
    /// Twists of the list whose time is over.
    missed: usize,
    /// Occasions seen at this instant; only needed to write down and to look up.
    counted_at: Instant,
    counts: BTreeMap<Occasion, u32>,
}

#[derive(Debug)]
enum Source {
    Dice(Box<Dice>),
    List(BTreeMap<Occasion, VecDeque<Twist>>),
}

#[derive(Debug)]
struct Dice {
    odds: Odds,
    dispatchers: usize,
    links: Stream,
    store: Stream,
    lives: Stream,
}

impl Chance {
    /// Dice of this seed.
    pub fn drawn(odds: Odds, dispatchers: usize, seed: u64) -> Chance {
        Chance::new(Source::Dice(Box::new(Dice {
            odds,
            dispatchers,
            links: Stream::new(seed, "links"),
            store: Stream::new(seed, "store"),
            lives: Stream::new(seed, "lives"),
        })))
    }

    /// Exactly these; everything else goes its usual way.
    pub fn listed(twists: &[Twist]) -> Chance {
        let mut list: BTreeMap<Occasion, VecDeque<Twist>> = BTreeMap::new();
        let mut sorted: Vec<&Twist> = twists.iter().collect();
        sorted.sort_by_key(|twist| (twist.at, twist.nth));
        for twist in sorted {
            list.entry(twist.on).or_default().push_back(twist.clone());
        }
        Chance::new(Source::List(list))
    }

    fn new(source: Source) -> Chance {
        Chance {
            source,
            record: None,
            missed: 0,
            counted_at: Instant::ZERO,
            counts: BTreeMap::new(),
        }
    }

    /// Writes down what is decided from here on.
    pub fn record(&mut self) {
        self.record.get_or_insert_default();
    }

    /// How many twists of the list have befallen nothing: their occasions did not come.
    pub fn idle(&self) -> usize {
        match &self.source {
            Source::Dice(_) => 0,
            Source::List(list) => self.missed + list.values().map(VecDeque::len).sum::<usize>(),
        }
    }

    /// What was written down.
    pub fn recorded(&self) -> &[Twist] {
        self.record.as_deref().unwrap_or_default()
    }

    /// What happens instead of the usual, if anything.
    pub(crate) fn bend(&mut self, now: Instant, on: Occasion) -> Option<Bend> {
        match &mut self.source {
            Source::Dice(dice) if self.record.is_none() => dice.throw(on),
            Source::Dice(dice) => {
                let bend = dice.throw(on);
                let nth = self.count(now, on);
                self.note(now, nth, on, bend)
            }
            Source::List(list) if list.is_empty() => None,
            Source::List(_) => {
                let nth = self.count(now, on);
                let bend = self.look_up(now, nth, on);
                self.note(now, nth, on, bend)
            }
        }
    }

    fn note(&mut self, at: Instant, nth: u32, on: Occasion, bend: Option<Bend>) -> Option<Bend> {
        if let (Some(record), Some(bend)) = (&mut self.record, bend) {
            record.push(Twist { at, nth, on, bend });
        }
        bend
    }

    /// How many such occasions there were at this very instant.
    fn count(&mut self, now: Instant, on: Occasion) -> u32 {
        if self.counted_at != now {
            self.counted_at = now;
            self.counts.clear();
        }
        let count = self.counts.entry(on).or_default();
        *count += 1;
        *count - 1
    }

    fn look_up(&mut self, now: Instant, nth: u32, on: Occasion) -> Option<Bend> {
        let Source::List(list) = &mut self.source else {
            return None;
        };
        let line = list.get_mut(&on)?;
        while line
            .front()
            .is_some_and(|twist| now.since(twist.at) > SLACK)
        {
            line.pop_front();
            self.missed += 1;
        }
        let due = |twist: &Twist| twist.at < now || (twist.at == now && twist.nth <= nth);
        match line.front().is_some_and(due) {
            true => line.pop_front().map(|twist| twist.bend),
            false => None,
        }
    }
}

impl Dice {
    fn throw(&mut self, on: Occasion) -> Option<Bend> {
        let odds = self.odds;
        match on {
            Occasion::Up(_) | Occasion::Down(_) => {
                let bends = [odds.lost, odds.twice, odds.late];
                match pick(&mut self.links, &bends)? {
                    0 => Some(Bend::Lost),
                    1 => Some(Bend::Twice(self.lateness())),
                    _ => Some(Bend::Late(self.lateness())),
                }
            }
            Occasion::Dial(_) => {
                pick(&mut self.links, &[odds.detour])?;
                Some(Bend::To(self.links.below(self.dispatchers)))
            }
            Occasion::EndUp(_) | Occasion::EndDown(_) => {
                match pick(&mut self.links, &[odds.unheard, odds.swallowed])? {
                    0 => Some(Bend::Lost),
                    _ => Some(Bend::Swallowed),
                }
            }
            Occasion::Request(_) => {
                let bends = [odds.request_lost, odds.request_twice, odds.request_late];
                match pick(&mut self.store, &bends)? {
                    0 => Some(Bend::Lost),
                    1 => Some(Bend::Twice(self.lag())),
                    _ => Some(Bend::Late(
                        self.store
                            .between(Duration::from_millis(1), Duration::from_secs(1)),
                    )),
                }
            }
            Occasion::Reply(_) | Occasion::Answer => {
                pick(&mut self.store, &[odds.reply_lost]).map(|_| Bend::Lost)
            }
            Occasion::Doorbell(_) => {
                pick(&mut self.store, &[odds.doorbell_lost]).map(|_| Bend::Lost)
            }
            Occasion::Waking(_) => {
                pick(&mut self.lives, &[odds.timer_first]).map(|_| Bend::TimerFirst)
            }
            Occasion::Spawn(_) => pick(&mut self.lives, &[odds.spawn_fails]).map(|_| Bend::Fails),
        }
    }

    /// How long after a request its copy comes: sometimes when a lease that was live is over.
    fn lag(&mut self) -> Duration {
        let longest = match self.store.below(4) {
            0 => Duration::from_secs(20),
            _ => Duration::from_secs(5),
        };
        self.store.between(Duration::from_millis(1), longest)
    }

    fn lateness(&mut self) -> Duration {
        self.links
            .between(Duration::from_micros(10), self.odds.latest)
    }
}

/// Which of several things happens, if one does. Draws nothing where nothing can.
fn pick(stream: &mut Stream, odds: &[u32]) -> Option<usize> {
    if odds.iter().all(|odd| *odd == 0) {
        return None;
    }
    let mut thrown = stream.below(1_000) as u32;
    for (index, odd) in odds.iter().enumerate() {
        if thrown < *odd {
            return Some(index);
        }
        thrown -= odd;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const ODDS: Odds = Odds {
        late: 300,
        latest: Duration::from_millis(9),
        lost: 100,
        twice: 100,
        detour: 0,
        unheard: 0,
        swallowed: 0,
        request_lost: 0,
        request_late: 0,
        request_twice: 0,
        reply_lost: 500,
        doorbell_lost: 0,
        timer_first: 0,
        spawn_fails: 0,
    };

    fn occasions() -> Vec<(Instant, Occasion)> {
        let on = |number: u64| match number % 3 {
            0 => Occasion::Up(0),
            1 => Occasion::Down(0),
            _ => Occasion::Answer,
        };
        // Several at one instant.
        (0..500)
            .map(|n| (Instant::from_nanos(n / 7 * 1_000_000), on(n)))
            .collect()
    }

    #[test]
    fn what_was_written_down_happens_again_without_dice() {
        let mut drawn = Chance::drawn(ODDS, 1, 7);
        drawn.record();
        let first: Vec<_> = occasions()
            .iter()
            .map(|(at, on)| drawn.bend(*at, *on))
            .collect();
        let mut listed = Chance::listed(drawn.recorded());
        let again: Vec<_> = occasions()
            .iter()
            .map(|(at, on)| listed.bend(*at, *on))
            .collect();
        assert_eq!(first, again);
        assert!(first.iter().flatten().count() > 100);
    }

    #[test]
    fn a_twist_finds_its_occasion_a_little_later_and_no_other() {
        let at = Instant::ZERO + Duration::from_secs(1);
        let twist = Twist {
            at,
            nth: 0,
            on: Occasion::Up(0),
            bend: Bend::Lost,
        };
        let mut chance = Chance::listed(std::slice::from_ref(&twist));
        assert_eq!(
            chance.bend(Instant::ZERO, Occasion::Up(0)),
            None,
            "too early"
        );
        assert_eq!(chance.bend(at, Occasion::Down(0)), None, "another occasion");
        let later = at + Duration::from_millis(2);
        assert_eq!(chance.bend(later, Occasion::Up(0)), Some(Bend::Lost));
        assert_eq!(chance.bend(later, Occasion::Up(0)), None, "only once");
        let mut chance = Chance::listed(&[twist]);
        assert_eq!(
            chance.bend(at + Duration::from_secs(1), Occasion::Up(0)),
            None,
            "too late"
        );
    }
}
