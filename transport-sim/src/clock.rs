//! A node's own clock: it starts somewhere, runs a little too fast or too slow, and may jump.

use mpcsfaas_core::time::Instant;

/// The clock of one node. It never runs backwards, unless a jump says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    /// World time of the last change of rate, or jump.
    since: u64,
    /// What the clock showed then.
    shown: u64,
    /// How much faster than the world's it runs, in millionths.
    ppm: i32,
}

const MILLION: i128 = 1_000_000;

impl Clock {
    /// A clock that shows `shown` when the world begins, and runs at the world's rate.
    pub const fn new(shown: Instant) -> Clock {
        Clock {
            since: 0,
            shown: shown.as_nanos(),
            ppm: 0,
        }
    }

    /// What it shows at a time of the world.
    pub fn show(&self, world: Instant) -> Instant {
        let passed = world.as_nanos().saturating_sub(self.since);
        let own = match self.ppm {
            0 => passed,
            ppm => (i128::from(passed) * (MILLION + i128::from(ppm)) / MILLION) as u64,
        };
        Instant::from_nanos(self.shown.saturating_add(own))
    }

    /// The first time of the world at which it shows `shown` or more.
    pub fn when(&self, shown: Instant) -> Instant {
        let ahead = shown.as_nanos().saturating_sub(self.shown);
        let passed = match self.ppm {
            0 => ahead,
            ppm => {
                let rate = MILLION + i128::from(ppm);
                let passed = (i128::from(ahead) * MILLION + rate - 1) / rate;
                u64::try_from(passed).unwrap_or(u64::MAX)
            }
        };
        Instant::from_nanos(self.since.saturating_add(passed))
    }

    /// From now on it runs this much faster than the world's, in millionths.
    pub fn set_drift(&mut self, world: Instant, ppm: i32) {
        self.shown = self.show(world).as_nanos();
        self.since = world.as_nanos();
        self.ppm = ppm.max(-900_000);
    }

    /// It jumps by so many milliseconds.
    pub fn jump(&mut self, millis: i64) {
        let nanos = millis.saturating_mul(1_000_000);
        self.shown = self.shown.saturating_add_signed(nanos);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_on_the_own_clock_is_reached_and_not_missed() {
        for ppm in [-900_000, -300, -1, 0, 1, 700, 1_000_000] {
            let mut clock = Clock::new(Instant::from_nanos(5_000));
            clock.set_drift(Instant::from_nanos(77), ppm);
            for own in [5_100, 123_457, 1_000_000_007] {
                let own = Instant::from_nanos(own);
                let world = clock.when(own);
                assert!(clock.show(world) >= own, "{ppm} ppm");
                let before = Instant::from_nanos(world.as_nanos() - 1);
                assert!(clock.show(before) < own, "{ppm} ppm");
            }
        }
    }

    #[test]
    fn a_jump_changes_what_is_shown_and_not_the_rate() {
        let mut clock = Clock::new(Instant::ZERO);
        clock.jump(2);
        assert_eq!(
            clock.show(Instant::from_nanos(5)),
            Instant::from_nanos(2_000_005)
        );
        clock.jump(-1);
        assert_eq!(
            clock.show(Instant::from_nanos(5)),
            Instant::from_nanos(1_000_005)
        );
    }
}
