//! The search: level by level, on some threads, each state once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasherDefault;
use std::num::{NonZeroU128, NonZeroUsize};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use mpcsfaas_transport_sim::chain::Chain;

use super::fair;
use super::moves::Move;
use super::scope::Scope;
use super::state::{Pools, State};
use super::step::{Step, moves};
use crate::run::Violation;

/// How far, and how.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most steps of a path.
    pub depth: usize,
    /// No level is begun, and the one that was is broken off, after so long.
    pub time: Option<Duration>,
    /// The same after so many states: the last level is in memory.
    pub states: u64,
    /// From so many states of each level the fair way to the end is gone.
    pub ends: usize,
    /// Threads.
    pub threads: NonZeroUsize,
}

/// States at the same distance from the beginning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Level {
    /// Steps from the beginning.
    pub depth: usize,
    /// States that are no nearer.
    pub states: u64,
    /// Moves that were tried to find them.
    pub moves: u64,
    /// From how many of them the fair way to the end was gone.
    pub ends: u64,
}

/// What a search came to.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) levels: Vec<Level>,
    pub(super) beyond: u64,
    pub(super) exhausted: bool,
    pub(super) broken: Option<Broken>,
}

/// A path that breaks a promise.
#[derive(Clone, Debug)]
pub(super) struct Broken {
    pub(super) violation: Violation,
    /// From the beginning to the state in which it goes wrong, or in which all trouble ends.
    pub(super) path: Vec<Move>,
    /// The fair way from there.
    pub(super) way: Vec<Move>,
}

/// How a state was reached first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Origin {
    parent: Key,
    /// Which of the moves there.
    choice: u16,
}

/// A state's digest, in two words because a map of these is smaller.
type Key = [u64; 2];

/// States whose keys have the same first bits.
#[derive(Default)]
struct Shard {
    known: HashMap<Key, Origin, BuildHasherDefault<Chain>>,
    next: HashMap<Key, (Origin, State), BuildHasherDefault<Chain>>,
}

const SHARDS: usize = 64;

/// How many states a thread takes at a time.
const PORTION: usize = 32;

struct Search<'s> {
    scope: &'s Scope,
    limits: Limits,
    began: Instant,
    root: Key,
    start: State,
    pools: Pools,
    shards: Vec<Mutex<Shard>>,
    states: AtomicU64,
    moves: AtomicU64,
    over: AtomicBool,
    broken: Mutex<Vec<(Origin, Violation)>>,
}

/// Searches from a state.
pub(super) fn search(scope: &Scope, start: &State, limits: Limits) -> Found {
    let pools = Pools::default();
    let root = split(start.clone().key(&pools));
    let search = Search {
        scope,
        limits,
        began: Instant::now(),
        root,
        start: start.clone(),
        pools,
        shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        states: AtomicU64::new(1),
        moves: AtomicU64::new(0),
        over: AtomicBool::new(false),
        broken: Mutex::default(),
    };
    search.run(start.clone())
}

impl Search<'_> {
    fn run(&self, start: State) -> Found {
        let here = Origin {
            parent: self.root,
            choice: u16::MAX,
        };
        lock(self.shard(self.root)).known.insert(self.root, here);
        let mut found = Found {
            levels: Vec::new(),
            beyond: 0,
            exhausted: false,
            broken: None,
        };
        let mut level = vec![(self.root, start)];
        loop {
            let ends = self.try_ends(&level, &mut found);
            found.levels.push(Level {
                depth: found.levels.len(),
                states: level.len() as u64,
                moves: self.moves.swap(0, Ordering::Relaxed),
                ends,
            });
            if found.broken.is_some() || found.levels.len() > self.limits.depth {
                return found;
            }
            self.expand(&level);
            drop(level);
            self.pools.tidy();
            if let Some((origin, violation)) = self.first_broken() {
                let mut path = self.path(origin.parent);
                let state = self.replay(&path);
                path.push(moves(self.scope, &state)[usize::from(origin.choice)]);
                let way = Vec::new();
                found.broken = Some(Broken {
                    violation,
                    path,
                    way,
                });
                return found;
            }
            level = self.next_level();
            if self.over.load(Ordering::Relaxed) {
                found.beyond = level.len() as u64;
                return found;
            }
            if level.is_empty() {
                found.exhausted = true;
                return found;
            }
        }
    }

    /// Tries all moves of all states of a level.
    fn expand(&self, level: &[(Key, State)]) {
        let next = AtomicUsize::new(0);
        let work = || {
            while !self.is_over() {
                let begin = next.fetch_add(PORTION, Ordering::Relaxed);
                let Some(portion) = level.get(begin..) else {
                    return;
                };
                for (key, state) in portion.iter().take(PORTION) {
                    self.try_moves(*key, state);
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..self.limits.threads.get() {
                scope.spawn(work);
            }
        });
    }

    fn try_moves(&self, parent: Key, state: &State) {
        let steps = moves(self.scope, state);
        self.moves.fetch_add(steps.len() as u64, Ordering::Relaxed);
        for (step, choice) in steps.into_iter().zip(0..) {
            let origin = Origin { parent, choice };
            let mut step = Step::new(self.scope, state, step);
            let key = split(step.key(&self.pools));
            if lock(self.shard(key)).known.contains_key(&key) {
                continue;
            }
            match step.judge_once(&self.pools) {
                Ok(state) => self.keep(key, origin, state),
                Err(violation) => lock(&self.broken).push((origin, violation)),
            }
        }
    }

    /// Of all ways to a state, the one with the smallest origin is kept, whichever thread was first.
    fn keep(&self, key: Key, origin: Origin, state: State) {
        match lock(self.shard(key)).next.entry(key) {
            Entry::Vacant(place) => {
                place.insert((origin, state));
                self.states.fetch_add(1, Ordering::Relaxed);
            }
            Entry::Occupied(mut place) => {
                if origin < place.get().0 {
                    place.insert((origin, state));
                }
            }
        }
    }

    fn next_level(&self) -> Vec<(Key, State)> {
        let mut level = Vec::new();
        for shard in &self.shards {
            let mut shard = lock(shard);
            for (key, (origin, state)) in std::mem::take(&mut shard.next) {
                shard.known.insert(key, origin);
                level.push((key, state));
            }
        }
        level.sort_unstable_by_key(|(key, _)| *key);
        level
    }

    /// Goes the fair way to the end from some states of a level: those with the smallest keys, which
    /// are any.
    fn try_ends(&self, level: &[(Key, State)], found: &mut Found) -> u64 {
        let some = &level[..level.len().min(self.limits.ends)];
        let next = AtomicUsize::new(0);
        let tried = AtomicU64::new(0);
        let failures = Mutex::new(Vec::new());
        let work = || {
            while !self.is_over() {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some((key, state)) = some.get(index) else {
                    return;
                };
                tried.fetch_add(1, Ordering::Relaxed);
                if let Err(failure) = fair::go(self.scope, state) {
                    lock(&failures).push((*key, failure));
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..self.limits.threads.get() {
                scope.spawn(work);
            }
        });
        let failures = failures
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((key, (violation, way))) = failures.into_iter().min_by_key(|(key, _)| *key) {
            let path = self.path(key);
            found.broken = Some(Broken {
                violation,
                path,
                way,
            });
        }
        tried.into_inner()
    }

    fn is_over(&self) -> bool {
        let late = |time| self.began.elapsed() >= time;
        let over = self.limits.time.is_some_and(late)
            || self.states.load(Ordering::Relaxed) >= self.limits.states;
        if over {
            self.over.store(true, Ordering::Relaxed);
        }
        over
    }

    fn first_broken(&self) -> Option<(Origin, Violation)> {
        let mut broken = lock(&self.broken);
        broken.drain(..).min_by_key(|(origin, _)| *origin)
    }

    /// The moves that lead to a state.
    fn path(&self, mut key: Key) -> Vec<Move> {
        let mut choices = Vec::new();
        while key != self.root {
            let origin = lock(self.shard(key)).known[&key];
            choices.push(origin.choice);
            key = origin.parent;
        }
        let mut state = self.start.clone();
        let mut path = Vec::new();
        for choice in choices.into_iter().rev() {
            let step = moves(self.scope, &state)[usize::from(choice)];
            path.push(step);
            state = self.replay_one(state, step);
        }
        path
    }

    fn replay(&self, path: &[Move]) -> State {
        path.iter().fold(self.start.clone(), |state, step| {
            self.replay_one(state, *step)
        })
    }

    fn replay_one(&self, state: State, step: Move) -> State {
        match Step::new(self.scope, &state, step).judge() {
            Ok(next) => next,
            Err(violation) => unreachable!("a path that was well before: {violation}"),
        }
    }

    fn shard(&self, key: Key) -> &Mutex<Shard> {
        &self.shards[key[0] as usize % SHARDS]
    }
}

fn split(key: NonZeroU128) -> Key {
    let key = key.get();
    [(key >> 64) as u64, key as u64]
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
