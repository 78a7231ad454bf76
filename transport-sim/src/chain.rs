//! The hash chain: one number that two runs share exactly if every event was the same in both.

use std::hash::{Hash, Hasher};

/// A chain over everything that was written to it, in order. Not cryptographic: it only has to
/// tell runs apart, and to be the same on every machine and in every process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chain(u64);

impl Chain {
    /// The chain before its first event.
    pub const fn new() -> Chain {
        Chain(0x9e37_79b9_7f4a_7c15)
    }

    /// The chain over one value.
    pub fn of(value: &impl Hash) -> u64 {
        let mut chain = Chain::new();
        value.hash(&mut chain);
        chain.finish()
    }

    fn mix(&mut self, word: u64) {
        // Multiply and fold, as in wyhash: each bit of the word reaches every bit of the state.
        let product = u128::from(self.0 ^ word) * u128::from(0xe703_7ed1_a0b4_28db_u64);
        self.0 = (product as u64) ^ ((product >> 64) as u64) ^ self.0.rotate_left(23);
    }
}

impl Chain {
    /// Takes in whole blocks of 64 bytes, in lanes that do not wait for each other, and returns
    /// what is left: a payload may have megabytes.
    fn write_blocks<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        const LANES: usize = 8;
        let mut blocks = bytes.chunks_exact(8 * LANES);
        if blocks.len() == 0 {
            return bytes;
        }
        let mut lanes = [self.0; LANES];
        for block in &mut blocks {
            for (lane, word) in lanes.iter_mut().zip(block.as_chunks::<8>().0) {
                let word = u64::from_le_bytes(*word);
                *lane = (lane.rotate_left(5) ^ word).wrapping_mul(0xe703_7ed1_a0b4_28db);
            }
        }
        for lane in lanes {
            self.mix(lane);
        }
        self.mix(bytes.len() as u64);
        blocks.remainder()
    }
}

impl Default for Chain {
    fn default() -> Chain {
        Chain::new()
    }
}

impl Hasher for Chain {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let bytes = self.write_blocks(bytes);
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            if let Ok(word) = word.try_into() {
                self.mix(u64::from_le_bytes(word));
            }
        }
        let mut rest = [0; 8];
        let tail = words.remainder();
        rest[..tail.len()].copy_from_slice(tail);
        self.mix(u64::from_le_bytes(rest) ^ ((bytes.len() as u64) << 56));
    }

    fn write_u8(&mut self, number: u8) {
        self.mix(u64::from(number));
    }

    fn write_u16(&mut self, number: u16) {
        self.mix(u64::from(number));
    }

    fn write_u32(&mut self, number: u32) {
        self.mix(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.mix(number);
    }

    fn write_u128(&mut self, number: u128) {
        self.mix(number as u64);
        self.mix((number >> 64) as u64);
    }

    fn write_usize(&mut self, number: usize) {
        self.mix(number as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_tells_order_and_every_byte() {
        assert_eq!(Chain::of(&(1_u64, "ab")), Chain::of(&(1_u64, "ab")));
        assert_ne!(Chain::of(&(1_u64, 2_u64)), Chain::of(&(2_u64, 1_u64)));
        for length in (0..20).chain([63, 64, 65, 200]) {
            let bytes = vec![0_u8; length];
            assert_ne!(Chain::of(&bytes), Chain::of(&vec![0_u8; length + 1]));
            for changed in 0..length {
                let mut other = bytes.clone();
                other[changed] = 1;
                assert_ne!(
                    Chain::of(&bytes),
                    Chain::of(&other),
                    "{changed} of {length}"
                );
            }
        }
    }
}
