//! A part of a state that many states share, and its digest.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::num::NonZeroU128;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mpcsfaas_transport_sim::chain::Chain;

/// A part of a state. A copy is cheap; what changes is copied first.
#[derive(Debug)]
pub(super) struct Part<T>(Arc<Known<T>>);

/// A value and its digest.
#[derive(Clone, Debug)]
pub(super) struct Known<T> {
    value: T,
    /// `None` since it has changed.
    digest: Option<NonZeroU128>,
}

impl<T: Clone + Hash> Part<T> {
    pub(super) fn new(value: T) -> Part<T> {
        let digest = None;
        Part(Arc::new(Known { value, digest }))
    }

    /// The part, to be changed.
    pub(super) fn change(&mut self) -> &mut T {
        let known = Arc::make_mut(&mut self.0);
        known.digest = None;
        &mut known.value
    }

    /// Two parts with the same digest are taken to be the same: of a billion, no two should be by
    /// chance. What has changed since it was last asked is looked for among those that are known.
    pub(super) fn settle(&mut self, pool: &Pool<Known<T>>) -> NonZeroU128 {
        if let Some(digest) = self.0.digest {
            return digest;
        }
        let digest = digest(&self.0.value);
        Arc::make_mut(&mut self.0).digest = Some(digest);
        self.0 = pool.shared(digest, Arc::clone(&self.0));
        digest
    }
}

impl<T> Clone for Part<T> {
    fn clone(&self) -> Part<T> {
        Part(Arc::clone(&self.0))
    }
}

impl<T> std::ops::Deref for Part<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

/// Values that many states share, by their digests: a state of a node occurs in many states of the
/// world, and is kept once.
#[derive(Debug)]
pub(super) struct Pool<T>(Vec<Mutex<Shard<T>>>);

type Shard<T> = HashMap<NonZeroU128, Arc<T>, BuildHasherDefault<Chain>>;

/// So that threads seldom wait for each other.
const SHARDS: usize = 64;

impl<T> Pool<T> {
    pub(super) fn get(&self, digest: NonZeroU128) -> Option<Arc<T>> {
        self.shard(digest).get(&digest).map(Arc::clone)
    }

    /// The one that was there first.
    pub(super) fn shared(&self, digest: NonZeroU128, value: Arc<T>) -> Arc<T> {
        Arc::clone(self.shard(digest).entry(digest).or_insert(value))
    }

    /// Forgets what no state has any more.
    pub(super) fn tidy(&self) {
        for shard in &self.0 {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.retain(|_, value| Arc::strong_count(value) > 1);
        }
    }

    fn shard(&self, digest: NonZeroU128) -> MutexGuard<'_, Shard<T>> {
        let shard = &self.0[digest.get() as usize % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for Pool<T> {
    fn default() -> Pool<T> {
        Pool((0..SHARDS).map(|_| Mutex::default()).collect())
    }
}

/// 128 bits of a value: two chains that begin apart.
pub(super) fn digest(value: &(impl Hash + ?Sized)) -> NonZeroU128 {
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

    pub(super) fn value(&self) -> NonZeroU128 {
        let [one, two] = self.0;
        let bits = u128::from(one.finish()) << 64 | u128::from(two.finish());
        NonZeroU128::new(bits).unwrap_or(NonZeroU128::MIN)
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
