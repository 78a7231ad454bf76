//! A part of a state that many states share, and its digest.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use mpcsfaas_transport_sim::chain::Chain;

/// A part of a state. A copy is cheap; what changes is copied first.
#[derive(Debug)]
pub(super) struct Part<T> {
    value: Arc<T>,
    /// Unless it has changed since it was asked for.
    digest: Option<u128>,
}

impl<T: Clone + Hash> Part<T> {
    pub(super) fn new(value: T) -> Part<T> {
        Part {
            value: Arc::new(value),
            digest: None,
        }
    }

    /// The part, to be changed.
    pub(super) fn change(&mut self) -> &mut T {
        self.digest = None;
        Arc::make_mut(&mut self.value)
    }

    /// Two parts with the same digest are taken to be the same: of a billion, no two should be by
    /// chance.
    pub(super) fn digest(&mut self) -> u128 {
        let value = &self.value;
        *self.digest.get_or_insert_with(|| digest(&**value))
    }
}

impl<T> Clone for Part<T> {
    fn clone(&self) -> Part<T> {
        Part {
            value: Arc::clone(&self.value),
            digest: self.digest,
        }
    }
}

impl<T> std::ops::Deref for Part<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// 128 bits of a value: two chains that begin apart.
pub(super) fn digest(value: &(impl Hash + ?Sized)) -> u128 {
    let mut hasher = Digest::new();
    value.hash(&mut hasher);
    hasher.value()
}

/// Makes a [`digest`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Digest([Chain; 2]);

impl Digest {
    pub(super) fn new() -> Digest {
        let mut apart = Chain::new();
        apart.write_u64(1);
        Digest([Chain::new(), apart])
    }

    pub(super) fn value(&self) -> u128 {
        let [one, two] = self.0;
        u128::from(one.finish()) << 64 | u128::from(two.finish())
    }
}

impl Hasher for Digest {
    fn finish(&self) -> u64 {
        self.0[0].finish()
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.iter_mut().for_each(|chain| chain.write(bytes));
    }

    fn write_u8(&mut self, number: u8) {
        self.0.iter_mut().for_each(|chain| chain.write_u8(number));
    }

    fn write_u32(&mut self, number: u32) {
        self.0.iter_mut().for_each(|chain| chain.write_u32(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.0.iter_mut().for_each(|chain| chain.write_u64(number));
    }

    fn write_usize(&mut self, number: usize) {
        self.0
            .iter_mut()
            .for_each(|chain| chain.write_usize(number));
    }
}
