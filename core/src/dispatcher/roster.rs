//! The workers: who is there, in which session, with how much free credit.
//!
//! A dead worker stays in the roster for a while, so that what it said before its death is known
//! to be old. The index of free workers is kept up to date with every change, so that placing a
//! task costs the same with one worker and with a thousand.

use std::collections::{BTreeMap, BTreeSet};

use super::input::Peer;
use crate::id::{FunctionId, Session, WorkerKey};
use crate::task::Versions;
use crate::time::Instant;
use crate::wire::message::{Flow, TaskRef};

/// A worker's conversation.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Seat {
    pub(super) peer: Peer,
    pub(super) session: Session,
    pub(super) state: SeatState,
    pub(super) flow: Flow,
    pub(super) processes: u32,
    pub(super) credit: u32,
    pub(super) versions: Versions,
    /// In pull mode: whether a question is open.
    pub(super) asked: bool,
    pub(super) draining: bool,
    /// Numbered messages received and sent in this session (R8).
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) last_heard: Instant,
    /// The functions whose body this session was sent.
    pub(super) known: BTreeSet<FunctionId>,
    /// The tasks that use its credit: placed, being adopted, being committed (R7).
    pub(super) tasks: BTreeSet<TaskRef>,
    /// How many of them have a loss (R14).
    pub(super) suspects: u32,
    /// When it was last given work, in placements: the smallest is the least recently used.
    pub(super) used: u64,
}

/// Whether a worker can be given work.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum SeatState {
    /// It can.
    Live,
    /// Its connection closed; it has until then to say Hello on a new one (R9).
    Closed(Instant),
    /// A message of its session was lost; nothing of this session counts any more (R8).
    Broken,
    /// It is gone since then; only the number of its last session matters (R5).
    Dead(Instant),
}

impl Seat {
    pub(super) fn is_dead(&self) -> bool {
        matches!(self.state, SeatState::Dead(_))
    }

    /// A task uses its credit.
    pub(super) fn hold(&mut self, key: TaskRef, suspect: bool) {
        if self.tasks.insert(key) && suspect {
            self.suspects += 1;
        }
    }

    /// A task no longer does.
    pub(super) fn release(&mut self, key: &TaskRef, suspect: bool) {
        if self.tasks.remove(key) && suspect {
            self.suspects -= 1;
        }
    }

    /// How many more tasks it would take now.
    pub(super) fn free(&self) -> u32 {
        let open = self.state == SeatState::Live && !self.draining;
        let asked = self.flow == Flow::Push || self.asked;
        match open && asked {
            true => self
                .credit
                .saturating_sub(self.tasks.len() as u32)
                .min(self.at_once()),
            false => 0,
        }
    }

    /// A lock-step peer gets one task a question. The question of another is open until its credit is
    /// used: so whoever has idle processes is known, while the next question of one that was given
    /// something is on its way.
    fn at_once(&self) -> u32 {
        if self.peer.delimited { 1 } else { u32::MAX }
    }

    /// Processes that have nothing to do, as far as is known here.
    fn idle(&self) -> u32 {
        self.processes.saturating_sub(self.tasks.len() as u32)
    }

    /// How many tasks it is given at a time from a long queue: what its idle processes can begin with, or
    /// a few ahead. The others get theirs at once as well.
    pub(super) fn at_a_time(&self) -> usize {
        let most = match self.idle() {
            0 => AHEAD_AT_A_TIME,
            idle => idle,
        };
        most.min(self.free()) as usize
    }

    /// Whether it will soon have nothing to do: at most half of what it would hold ahead is there.
    fn is_hungry(&self) -> bool {
        let ahead = self.credit.saturating_sub(self.processes);
        self.tasks.len() as u32 <= self.processes.saturating_add(ahead / 2)
    }

    /// All that the index knows of it.
    fn place(&self) -> Place {
        Place {
            free: self.free(),
            rank: self.rank(),
            clean: self.suspects == 0,
            hungry: self.is_hungry(),
        }
    }

    /// The order of placement: a worker with idle processes first, then the least recently used.
    fn rank(&self) -> (std::cmp::Reverse<u32>, u64) {
        (std::cmp::Reverse(self.idle()), self.used)
    }
}

/// A worker's place in the index.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    free: u32,
    rank: (std::cmp::Reverse<u32>, u64),
    clean: bool,
    hungry: bool,
}

/// A free worker in the index.
type Rank = (std::cmp::Reverse<u32>, u64, WorkerKey);

/// All workers.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Roster {
    seats: BTreeMap<WorkerKey, Seat>,
    by_peer: BTreeMap<Peer, WorkerKey>,
    index: Index,
}

/// What placing a task needs to know of all workers together.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Index {
    /// Workers with free credit, best first.
    free: BTreeSet<Rank>,
    /// The free credit of all together.
    total: u64,
    /// Workers with free credit and no suspect.
    clean: u32,
    /// Workers with free credit that will soon have nothing to do.
    hungry: u32,
}

/// So many tasks of a long queue are given at a time to a worker whose processes are all busy.
const AHEAD_AT_A_TIME: u32 = 8;

/// How many of the best free workers are asked whether they know the function.
const AFFINITY_WINDOW: usize = 8;

impl Roster {
    pub(super) fn get(&self, worker: &WorkerKey) -> Option<&Seat> {
        self.seats.get(worker)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&WorkerKey, &Seat)> {
        self.seats.iter()
    }

    /// Workers that are not dead.
    pub(super) fn live(&self) -> impl Iterator<Item = (&WorkerKey, &Seat)> {
        self.seats.iter().filter(|(_, seat)| !seat.is_dead())
    }

    pub(super) fn len(&self) -> usize {
        self.seats.len()
    }

    pub(super) fn of_peer(&self, peer: &Peer) -> Option<&WorkerKey> {
        self.by_peer.get(peer)
    }

    /// Free credit of all workers.
    pub(super) fn free_total(&self) -> u64 {
        self.index.total
    }

    /// Workers that could take a task with a loss (R14).
    pub(super) fn free_clean(&self) -> u32 {
        self.index.clean
    }

    /// Whether any worker will soon have nothing to do.
    pub(super) fn is_hungry(&self) -> bool {
        self.index.hungry > 0
    }

    /// Puts a worker in its place, or another session of it.
    pub(super) fn insert(&mut self, worker: WorkerKey, seat: Seat) {
        self.remove(&worker);
        self.by_peer.insert(seat.peer.clone(), worker.clone());
        self.index.list(&worker, &seat);
        self.seats.insert(worker, seat);
    }

    pub(super) fn remove(&mut self, worker: &WorkerKey) -> Option<Seat> {
        let seat = self.seats.remove(worker)?;
        self.index.unlist(worker, &seat);
        if self.by_peer.get(&seat.peer) == Some(worker) {
            self.by_peer.remove(&seat.peer);
        }
        Some(seat)
    }

    /// Changes a worker and keeps the index right. The peer is not changed this way.
    pub(super) fn update<T>(
        &mut self,
        worker: &WorkerKey,
        change: impl FnOnce(&mut Seat) -> T,
    ) -> Option<T> {
        let seat = self.seats.get_mut(worker)?;
        let before = seat.place();
        let result = change(seat);
        // Most changes leave it where it was.
        if seat.place() != before {
            self.index.take(worker, before);
            self.index.put(worker, seat.place());
        }
        Some(result)
    }

    /// Changes what the index does not depend on: numbers, times, known functions.
    pub(super) fn touch(&mut self, worker: &WorkerKey) -> Option<&mut Seat> {
        self.seats.get_mut(worker)
    }

    /// The worker to place a task at: with idle processes first, then one that knows the
    /// function, then the least recently used.
    pub(super) fn best(&self, function: FunctionId, suspect: bool) -> Option<&WorkerKey> {
        let mut first = None;
        let fitting = self.index.free.iter().filter(|(_, _, worker)| {
            !suspect
                || self
                    .seats
                    .get(worker)
                    .is_some_and(|seat| seat.suspects == 0)
        });
        for (idle, _, worker) in fitting.take(AFFINITY_WINDOW) {
            let (best_idle, best) = *first.get_or_insert((*idle, worker));
            // A busy worker that knows the function is no match for an idle one that does not.
            if best_idle.0 > 0 && idle.0 == 0 {
                return Some(best);
            }
            if self
                .seats
                .get(worker)
                .is_some_and(|seat| seat.known.contains(&function))
            {
                return Some(worker);
            }
        }
        first.map(|(_, worker)| worker)
    }

    /// The index says what the seats say.
    pub(super) fn check(&self) -> Result<(), String> {
        let mut again = Index::default();
        for (worker, seat) in &self.seats {
            again.list(worker, seat);
        }
        match again == self.index {
            true => Ok(()),
            false => Err("the index of free workers is out of date".to_owned()),
        }
    }
}

impl Index {
    fn list(&mut self, worker: &WorkerKey, seat: &Seat) {
        self.put(worker, seat.place());
    }

    fn unlist(&mut self, worker: &WorkerKey, seat: &Seat) {
        self.take(worker, seat.place());
    }

    fn put(&mut self, worker: &WorkerKey, place: Place) {
        if place.free > 0 {
            let (idle, used) = place.rank;
            self.free.insert((idle, used, worker.clone()));
            self.total += u64::from(place.free);
            self.clean += u32::from(place.clean);
            self.hungry += u32::from(place.hungry);
        }
    }

    fn take(&mut self, worker: &WorkerKey, place: Place) {
        if place.free > 0 {
            let (idle, used) = place.rank;
            self.free.remove(&(idle, used, worker.clone()));
            self.total -= u64::from(place.free);
            self.clean -= u32::from(place.clean);
            self.hungry -= u32::from(place.hungry);
        }
    }
}
