//! A seeded generator for jitter. The seed is a value that the driver brings, so that a replay
//! draws the same numbers.

use std::time::Duration;

/// SplitMix64 (Steele, Lea, Flood 2014): one word of state, which is what `Eq + Hash` want.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator that gives the same numbers for the same seed.
    pub const fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next number.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A time between a half and the whole of `time`, so that peers that fail together do not
    /// come back together.
    pub fn jitter(&mut self, time: Duration) -> Duration {
        let half = time / 2;
        let span = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX).max(1);
        half + Duration::from_nanos(self.next_u64() % span)
    }
}
