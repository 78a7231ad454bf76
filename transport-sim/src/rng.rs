//! One stream of random numbers a subsystem, so that a change in one does not move the others.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// A subsystem's stream.
#[derive(Clone, Debug)]
pub struct Stream(SmallRng);

impl Stream {
    /// The stream of this name under this seed.
    pub fn new(seed: u64, name: &str) -> Stream {
        // FNV-1a over the name, mixed with the seed: only needs to keep the streams apart.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Stream(SmallRng::seed_from_u64(seed ^ hash.rotate_left(17)))
    }

    /// Any number.
    pub fn u64(&mut self) -> u64 {
        self.0.random()
    }

    /// A number below `limit`; 0 if there is none.
    pub fn below(&mut self, limit: usize) -> usize {
        if limit == 0 {
            0
        } else {
            self.0.random_range(0..limit)
        }
    }

    /// True so many times in a thousand.
    pub fn per_mille(&mut self, chance: u32) -> bool {
        self.0.random_range(0..1_000) < chance
    }

    /// A time between two, both included.
    pub fn between(&mut self, low: Duration, high: Duration) -> Duration {
        let (low, high) = (low.as_nanos() as u64, high.as_nanos() as u64);
        Duration::from_nanos(self.0.random_range(low..=high.max(low)))
    }
}
