//! Wrappers that change what a machine learns or orders, so that a bug can be planted without a
//! line in the machine.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Debug;
use std::hash::{Hash, Hasher};

use mpcsfaas_core::dispatcher::Dispatcher;
use mpcsfaas_core::id::{Incarnation, TaskId};
use mpcsfaas_core::machine::Machine;
use mpcsfaas_core::store::{Config, Lease, Notice, Op, Reply, Row, Store};
use mpcsfaas_core::task::Status;
use mpcsfaas_core::time::{Instant, WallTime};
use mpcsfaas_core::worker::Worker;

/// Stands between the world and one life of a machine. Each method may drop, repeat or alter.
///
/// What it remembers is all in its `Debug` text: a search tells states apart by it.
pub trait Tamper<M: Machine>: Debug + Send + Sync + ForkTamper<M> {
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

    /// Facts that nothing in the world brings about: the machine learns them at the end of a step.
    fn made_up(&mut self) -> Vec<M::Input> {
        Vec::new()
    }
}

/// Stands in front of the store. What it remembers is all in its `Debug` text.
pub trait TamperStore: Debug + Send + Sync + ForkTamperStore {
    /// Carries out an operation.
    fn apply(&mut self, store: &mut Tampered<'_>, now: WallTime, op: Op) -> Reply;
}

/// A copy behind a pointer, so that a search can go on in two ways. Whatever is `Clone` has it.
pub trait ForkTamper<M: Machine> {
    /// The same once more.
    fn fork(&self) -> Box<dyn Tamper<M>>;
}

impl<M: Machine, T: Tamper<M> + Clone + 'static> ForkTamper<M> for T {
    fn fork(&self) -> Box<dyn Tamper<M>> {
        Box::new(self.clone())
    }
}

/// The same of what stands in front of the store.
pub trait ForkTamperStore {
    /// The same once more.
    fn fork(&self) -> Box<dyn TamperStore>;
}

impl<T: TamperStore + Clone + 'static> ForkTamperStore for T {
    fn fork(&self) -> Box<dyn TamperStore> {
        Box::new(self.clone())
    }
}

/// The store, for who may also change its rows without its knowledge.
#[derive(Debug)]
pub struct Tampered<'a> {
    store: &'a mut Store,
    config: Config,
    told: &'a mut Told,
}

/// What a store would forget when its rows are changed.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Told {
    /// Rows that have changed.
    pub tasks: BTreeSet<TaskId>,
    /// Hints that nobody has heard yet.
    pub notices: VecDeque<Notice>,
    /// Leases that are not opened again, and when they were closed.
    closed: BTreeMap<Incarnation, WallTime>,
}

impl<'a> Tampered<'a> {
    /// A store with these settings, and what it would forget.
    pub fn new(store: &'a mut Store, config: Config, told: &'a mut Told) -> Tampered<'a> {
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

/// At most so many times in one step does a bug answer what its last answer has led to.
const MADE_UP: usize = 100;

/// A machine, and the bug that was planted around it, if one was.
#[derive(Debug)]
pub struct Bugged<M: Machine> {
    /// The machine.
    pub machine: M,
    /// The bug.
    pub tamper: Option<Box<dyn Tamper<M>>>,
}

impl<M: Machine> Bugged<M> {
    /// A machine with this around it.
    pub fn new(machine: M, around: Option<Around<M>>) -> Bugged<M> {
        let tamper = around.map(|make| make());
        Bugged { machine, tamper }
    }

    /// When the machine is to be woken.
    pub fn deadline(&self) -> Option<Instant> {
        let wanted = self.machine.poll_timeout();
        match &self.tamper {
            Some(tamper) => tamper.deadline(wanted),
            None => wanted,
        }
    }

    /// One mutation, then drain, as [`mpcsfaas_core::machine::step`] does it, through the bug. The
    /// orders go to the end of `out`.
    pub fn step(&mut self, now: Instant, input: Option<M::Input>, out: &mut Vec<M::Output>) {
        let Bugged { machine, tamper } = self;
        let Some(tamper) = tamper else {
            mpcsfaas_core::machine::step(machine, now, input, |output| out.push(output));
            return;
        };
        match input {
            Some(input) => {
                for input in tamper.input(now, machine, input) {
                    machine.handle_input(now, input);
                }
            }
            None => {
                if tamper.timeout(now, machine) {
                    machine.handle_timeout(now);
                }
            }
        }
        for _ in 0..MADE_UP {
            while let Some(output) = machine.poll_output() {
                out.extend(tamper.output(now, machine, output));
            }
            let made_up = tamper.made_up();
            if made_up.is_empty() {
                break;
            }
            for input in made_up {
                machine.handle_input(now, input);
            }
        }
    }
}

impl<M: Machine> Clone for Bugged<M> {
    fn clone(&self) -> Bugged<M> {
        Bugged {
            machine: self.machine.clone(),
            tamper: self.tamper.as_ref().map(|tamper| tamper.fork()),
        }
    }
}

impl<M: Machine> Hash for Bugged<M> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.machine.hash(state);
        if let Some(tamper) = &self.tamper {
            format!("{tamper:?}").hash(state);
        }
    }
}
