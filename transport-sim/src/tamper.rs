//! Wrappers that change what a machine learns or orders, so that a bug can be planted without a
//! line in the machine.

use std::fmt::Debug;
use std::hash::{Hash, Hasher};

use mpcsfaas_core::dispatcher::Dispatcher;
use mpcsfaas_core::machine::Machine;
use mpcsfaas_core::store::{Op, Reply, Store};
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

    /// Whether the machine learns that its deadline has come.
    fn timeout(&mut self, _now: Instant, _machine: &M) -> bool {
        true
    }
}

/// Stands in front of the store. What it remembers is all in its `Debug` text.
pub trait TamperStore: Debug + Send + Sync + ForkTamperStore {
    /// Carries out an operation. `Store::restore` makes a store of changed rows.
    fn apply(&mut self, store: &mut Store, now: WallTime, op: Op) -> Reply;
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

/// Makes what stands between the world and one life of a machine.
pub type Around<M> = fn() -> Box<dyn Tamper<M>>;

/// A bug: what is put between the world and each new life of a machine. The default is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tampers {
    /// Around dispatchers.
    pub dispatcher: Option<Around<Dispatcher>>,
    /// Around workers.
    pub worker: Option<Around<Worker>>,
    /// In front of the store.
    pub store: Option<fn() -> Box<dyn TamperStore>>,
}

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
        while let Some(output) = machine.poll_output() {
            out.extend(tamper.output(now, machine, output));
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
