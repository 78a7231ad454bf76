//! The time by which the store's leases and retention run.

use mpcsfaas_core::time::{Instant, WallTime};

/// The store's time: the wall clock, but it never runs backwards and never stands still. If the
/// wall clock is set back, it goes on at the pace of the monotonic clock, so that leases still end.
#[derive(Debug)]
pub(super) struct StoreClock {
    anchor: Instant,
    at_anchor: WallTime,
}

impl StoreClock {
    pub(super) fn new(now: Instant, wall: WallTime) -> StoreClock {
        StoreClock {
            anchor: now,
            at_anchor: wall,
        }
    }

    pub(super) fn advance(&mut self, now: Instant, wall: WallTime) -> WallTime {
        let steady = self.at_anchor + (now - self.anchor);
        if wall > steady {
            *self = StoreClock::new(now, wall);
        }
        wall.max(steady)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stores_time_goes_on_when_the_wall_clock_is_set_back() {
        let millis = |n: u64| Instant::from_nanos(n * 1_000_000);
        let mut clock = StoreClock::new(millis(0), WallTime(1_000_000));
        assert_eq!(clock.advance(millis(5), WallTime(1_000_007)).0, 1_000_007);
        assert_eq!(clock.advance(millis(6), WallTime(400)).0, 1_000_008);
        assert_eq!(clock.advance(millis(66), WallTime(460)).0, 1_000_068);
        assert_eq!(clock.advance(millis(67), WallTime(2_000_000)).0, 2_000_000);
    }
}
