//! What is seen of a run: the history that the judges look at, and the hash of everything.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mpcsfaas_core::id::{Session, TaskId, WorkerKey};
use mpcsfaas_core::store::Store;
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::TaskRef;
use mpcsfaas_transport_real::clock::Clock;
use mpcsfaas_transport_sim::Place;
use mpcsfaas_transport_sim::chain::Chain;
use mpcsfaas_transport_sim::history::{LineKind, Row, Seen, What, WorkerState};

/// The most tasks and results that a worker holds for each process: 32 that wait, one that runs,
/// and a result that is not acknowledged.
const HELD_A_PROCESS: usize = 34;

/// Sees everything. A clone sees the same.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    clock: Clock,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    chain: Chain,
    events: u64,
    seen: Vec<Seen>,
    workers: BTreeMap<Place, (WorkerKey, WorkerState)>,
    /// The connection of a worker: in which session, and to whom.
    connections: BTreeMap<Place, (Session, Place)>,
    /// What runs in whose children.
    running: BTreeSet<(Place, u32, TaskRef)>,
    /// Which children have started and not ended.
    ready: BTreeSet<(Place, u32)>,
    rosters: BTreeMap<Place, BTreeSet<(WorkerKey, Session)>>,
    /// The most that any worker has held.
    longest: usize,
    /// Every attempt to connect.
    dials: Vec<(Place, Instant)>,
    /// The first check of a machine that failed.
    broken: Option<(Instant, String)>,
    /// What happened, in words, if it is to be told.
    story: Option<Vec<(Instant, String)>>,
}

impl Watch {
    pub(crate) fn new(clock: Clock, told: bool) -> Watch {
        Watch {
            clock,
            state: Arc::new(Mutex::new(State {
                chain: Chain::new(),
                events: 0,
                seen: Vec::new(),
                workers: BTreeMap::new(),
                connections: BTreeMap::new(),
                running: BTreeSet::new(),
                ready: BTreeSet::new(),
                rosters: BTreeMap::new(),
                longest: 0,
                dials: Vec::new(),
                broken: None,
                story: told.then(Vec::new),
            })),
        }
    }

    /// The time of the world.
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something is seen.
    pub(crate) fn see(&self, what: What) {
        let at = self.now();
        self.state().see(at, what);
    }

    /// A machine, or the store, takes something in.
    pub(crate) fn takes_in(&self, place: Place, at: Instant, what: &(impl Hash + fmt::Debug)) {
        let now = self.now();
        let mut state = self.state();
        state.events += 1;
        state.tell(now, || format!("{place} <- {what:?}"));
        (now, place, at).hash(&mut state.chain);
        what.hash(&mut state.chain);
    }

    /// A machine's own check has said this.
    pub(crate) fn checked(&self, place: Place, verdict: Result<(), String>) {
        if let Err(what) = verdict {
            let now = self.now();
            self.state()
                .broken
                .get_or_insert((now, format!("{place}: {what}")));
        }
    }

    /// Looks at what an operation of the store has changed.
    pub(crate) fn look_at_store(&self, store: &mut Store) {
        let now = self.now();
        let mut state = self.state();
        for task in store.take_changes().tasks {
            state.see(
                now,
                match store.task(task) {
                    Some(row) => What::Row(Row::of(task, row)),
                    None => What::RowGone(task),
                },
            );
        }
    }

    /// A worker's machine has moved.
    pub(crate) fn worker_moved(&self, key: WorkerKey, mut moved: WorkerState, processes: u32) {
        let now = self.now();
        let mut state = self.state();
        let connection = state.connections.get(&moved.node);
        moved.dispatcher = connection
            .filter(|(session, _)| *session == moved.session)
            .map(|(_, dispatcher)| *dispatcher);
        let ready = state.ready.iter().filter(|(at, _)| *at == moved.node);
        moved.ready = ready.count() as u32;
        let limit = HELD_A_PROCESS * processes as usize;
        if moved.held > state.longest {
            state.longest = moved.held;
            let line = What::Line {
                kind: LineKind::Held,
                node: moved.node,
                length: moved.held,
                limit,
            };
            state.see(now, line);
        }
        let before = state.workers.insert(moved.node, (key, moved));
        if before.is_none_or(|(_, before)| before != moved) {
            state.see(now, What::Worker(moved));
        }
    }

    /// A dispatcher's machine has moved; whether it has declared somebody dead.
    pub(crate) fn dispatcher_moved(
        &self,
        by: Place,
        roster: BTreeSet<(WorkerKey, Session)>,
        died: bool,
    ) {
        let now = self.now();
        let mut state = self.state();
        if died {
            let given_up = |(key, worker): &&(WorkerKey, WorkerState)| {
                let listed = roster.contains(&(key.clone(), worker.session));
                worker.welcome && worker.dispatcher == Some(by) && !listed
            };
            let dead: Vec<Place> = state
                .workers
                .values()
                .filter(given_up)
                .map(|(_, worker)| worker.node)
                .collect();
            for worker in dead {
                state.see(now, What::DeclaredDead { by, worker });
            }
        }
        state.rosters.insert(by, roster);
    }

    /// Somebody tries to connect.
    pub(crate) fn dials(&self, place: Place) {
        let now = self.now();
        self.state().dials.push((place, now));
    }

    /// A worker is connected to a dispatcher.
    pub(crate) fn connected(&self, worker: Place, session: Session, dispatcher: Place) {
        self.state()
            .connections
            .insert(worker, (session, dispatcher));
    }

    /// A child is ready for work, or has ended.
    pub(crate) fn is_ready(&self, at: Place, slot: u32, ready: bool) {
        let mut state = self.state();
        match ready {
            true => state.ready.insert((at, slot)),
            false => state.ready.remove(&(at, slot)),
        };
    }

    /// A child begins with an attempt.
    pub(crate) fn started(&self, at: Place, slot: u32, task: TaskRef) {
        let now = self.now();
        let mut state = self.state();
        state.running.insert((at, slot, task));
        state.see(now, What::Started { at, task });
    }

    /// A child is done with an attempt, or dies with it.
    pub(crate) fn stopped(&self, at: Place, slot: u32, task: TaskRef, by_itself: bool) {
        let now = self.now();
        let mut state = self.state();
        // A process that has ended took its children with it.
        if state.running.remove(&(at, slot, task)) {
            state.see(
                now,
                What::Stopped {
                    at,
                    task,
                    by_itself,
                },
            );
        }
    }

    /// A process is gone, and its children with it.
    pub(crate) fn ended(&self, node: Place, by_itself: bool) {
        let now = self.now();
        let mut state = self.state();
        let its: Vec<_> = state
            .running
            .iter()
            .filter(|(at, ..)| *at == node)
            .copied()
            .collect();
        for (at, slot, task) in its {
            state.running.remove(&(at, slot, task));
            let by_itself = false;
            state.see(
                now,
                What::Stopped {
                    at,
                    task,
                    by_itself,
                },
            );
        }
        state.ready.retain(|(at, _)| *at != node);
        state.workers.remove(&node);
        state.connections.remove(&node);
        state.rosters.remove(&node);
        state.see(now, What::Ended { node, by_itself });
    }

    /// Live workers that are in no dispatcher's roster with their present session.
    pub(crate) fn outside(&self) -> Vec<Place> {
        let state = self.state();
        let seated = |key: &WorkerKey, worker: &WorkerState| {
            let seat = (key.clone(), worker.session);
            worker.welcome && state.rosters.values().any(|roster| roster.contains(&seat))
        };
        state
            .workers
            .values()
            .filter(|(key, worker)| !seated(key, worker))
            .map(|(_, worker)| worker.node)
            .collect()
    }

    /// Which tasks run now.
    pub(crate) fn running(&self) -> BTreeMap<TaskId, Place> {
        let state = self.state();
        state
            .running
            .iter()
            .map(|(at, _, t)| (t.task, *at))
            .collect()
    }

    /// Which attempts run at a worker.
    pub(crate) fn running_at(&self, place: Place) -> Vec<TaskRef> {
        let state = self.state();
        let here = state.running.iter().filter(|(at, ..)| *at == place);
        here.map(|(_, _, task)| *task).collect()
    }

    /// A worker as it saw itself last.
    pub(crate) fn worker(&self, place: Place) -> Option<(WorkerKey, WorkerState)> {
        self.state().workers.get(&place).cloned()
    }

    /// All that was seen, at the end.
    pub(crate) fn take(&self) -> Account {
        let mut state = self.state();
        Account {
            seen: std::mem::take(&mut state.seen),
            dials: std::mem::take(&mut state.dials),
            broken: state.broken.take(),
            hash: state.chain.finish(),
            events: state.events,
            story: state.story.take().unwrap_or_default(),
        }
    }
}

impl State {
    fn see(&mut self, at: Instant, what: What) {
        self.tell(at, || format!("{what:?}"));
        self.seen.push(Seen { at, what });
    }
}

impl State {
    fn tell(&mut self, at: Instant, line: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push((at, line()));
        }
    }
}

/// All that was seen of a run.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) seen: Vec<Seen>,
    pub(crate) dials: Vec<(Place, Instant)>,
    pub(crate) broken: Option<(Instant, String)>,
    pub(crate) hash: u64,
    pub(crate) events: u64,
    pub(crate) story: Vec<(Instant, String)>,
}
