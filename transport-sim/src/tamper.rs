//! Wrappers that change what a machine learns or orders, so that a bug can be planted without a
//! line in the machine.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Debug;

use mpcsfaas_core::dispatcher::Dispatcher;
use mpcsfaas_core::id::{Incarnation, TaskId};
use mpcsfaas_core::machine::Machine;
use mpcsfaas_core::store::{Config, Lease, Notice, Op, Reply, Row, Store};
use mpcsfaas_core::task::Status;
use mpcsfaas_core::time::{Instant, WallTime};
use mpcsfaas_core::worker::Worker;

/// Stands between the world and one life of a machine. Each method may drop, repeat or alter.
pub trait Tamper<M: Machine>: Debug {
    /// What reaches the machine instead of this fact.
    fn input(&mut self, _now: Instant, _machine: &M, input: M::Input) -> Vec<M::Input> {
        vec![input]
    }

    /// What reaches the world instead of this order.
    fn output(&mut self, _now: Instant, _machine: &M, output: M::Output) -> Vec<M::Output> {
        vec![output]
    }

    /// Whether the machine learns that its deadline has come. It may be shown other times first.
    fn timeout(&mut self, _now: Instant, _machine: &mut M) -> bool {
        true
    }

    /// When the world wakes the machine, instead of when it wants to be woken.
    fn deadline(&self, wanted: Option<Instant>) -> Option<Instant> {
        wanted
    }

    /// Facts that nothing in the world brings about: each is an event of its own, at this instant.
    /// Asked after each step.
    fn made_up(&mut self) -> Vec<M::Input> {
        Vec::new()
    }
}

/// Stands in front of the store.
pub trait TamperStore: Debug {
    /// Carries out an operation.
    fn apply(&mut self, store: &mut Tampered<'_>, now: WallTime, op: Op) -> Reply;
}

/// The store, for who may also change its rows without its knowledge.
#[derive(Debug)]
pub struct Tampered<'a> {
    store: &'a mut Store,
    config: Config,
    told: &'a mut Told,
}

/// What a store would forget when its rows are changed.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Rows that have changed.
    pub(crate) tasks: BTreeSet<TaskId>,
    /// Hints that nobody has heard yet.
    pub(crate) notices: VecDeque<Notice>,
    /// Leases that are not opened again, and when they were closed.
    closed: BTreeMap<Incarnation, WallTime>,
}

impl<'a> Tampered<'a> {
    pub(crate) fn new(store: &'a mut Store, config: Config, told: &'a mut Told) -> Tampered<'a> {
        Tampered {
            store,
            config,
            told,
        }
    }

    /// Carries out an operation as it should be.
    pub fn apply(&mut self, now: WallTime, op: Op) -> Reply {
        let open: Vec<Incarnation> = self.store.leases().map(|(owner, _)| owner).collect();
        let reply = self.store.apply(now, op);
        let closed = |owner: &Incarnation| self.store.lease(*owner).is_none();
        let closed = open.into_iter().filter(closed);
        self.told.closed.extend(closed.map(|owner| (owner, now)));
        reply
    }

    /// What is in it.
    pub fn read(&self) -> &Store {
        self.store
    }

    /// Its settings.
    pub fn config(&self) -> Config {
        self.config
    }

    /// Changes a row behind its back.
    pub fn change(&mut self, task: TaskId, change: impl FnOnce(&mut Row)) {
        let Some(mut row) = self.store.task(task).cloned() else {
            return;
        };
        change(&mut row);
        self.rebuild(&[(task, row)], &[]);
    }

    /// Changes rows behind its back.
    pub fn change_each(&mut self, mut change: impl FnMut(TaskId, &mut Row)) {
        let changed = |(task, row): (TaskId, &Row)| {
            let mut after = row.clone();
            change(task, &mut after);
            (after != *row).then_some((task, after))
        };
        let rows: Vec<_> = self.store.tasks().filter_map(changed).collect();
        self.rebuild(&rows, &[]);
    }

    /// Changes leases behind its back.
    pub fn change_leases(&mut self, mut change: impl FnMut(Incarnation, &mut Lease)) {
        let changed = |(owner, lease): (Incarnation, &Lease)| {
            let mut after = lease.clone();
            change(owner, &mut after);
            (after != *lease).then_some((owner, after))
        };
        let leases: Vec<_> = self.store.leases().filter_map(changed).collect();
        self.rebuild(&[], &leases);
    }

    /// Another store, in which these rows and leases are as given.
    fn rebuild(&mut self, rows: &[(TaskId, Row)], leases: &[(Incarnation, Lease)]) {
        if rows.is_empty() && leases.is_empty() {
            return;
        }
        // What it has not told yet would be lost with it.
        self.told.tasks.append(&mut self.store.take_changes().tasks);
        let notices = std::iter::from_fn(|| self.store.poll_notice());
        self.told.notices.extend(notices);
        self.told.tasks.extend(rows.iter().map(|(task, _)| *task));
        let store = &*self.store;
        let functions = store.functions().map(|(id, f)| (id, f.clone()));
        let mut all: BTreeMap<_, _> = store.tasks().map(|(id, row)| (id, row.clone())).collect();
        all.extend(rows.iter().cloned());
        let open = store.leases().map(|(id, lease)| (id, lease.clone()));
        let open = open.chain(leases.iter().cloned());
        *self.store = Store::restore(self.config, functions, all, open);
        self.close_again();
    }

    /// Closes what was closed before, by opening and ending it at that time.
    fn close_again(&mut self) {
        for (owner, at) in &self.told.closed {
            let owns = |row: &Row| {
                let holder = row.holder.as_ref();
                row.status == Status::Running && holder.is_some_and(|h| h.dispatcher == *owner)
            };
            // What still waits for the reaper must go on waiting.
            if self.store.lease(*owner).is_none() && !self.store.tasks().any(|(_, row)| owns(row)) {
                let incarnation = *owner;
                self.store.apply(*at, Op::OpenLease { incarnation });
                self.store.apply(*at, Op::Release { incarnation });
            }
        }
    }
}

/// Makes what stands between the world and one life of a machine.
pub type Around<M> = fn() -> Box<dyn Tamper<M>>;

/// Makes what stands in front of the store.
pub type AroundStore = fn() -> Box<dyn TamperStore>;

/// A bug: what is put between the world and each new life of a machine. The default is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tampers {
    /// Around dispatchers.
    pub dispatcher: Option<Around<Dispatcher>>,
    /// Around workers.
    pub worker: Option<Around<Worker>>,
    /// In front of the store.
    pub store: Option<AroundStore>,
}
