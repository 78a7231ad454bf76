//! Wrappers that change what a machine learns or orders, so that a bug can be planted without a
//! line in the machine.

use std::fmt::Debug;

use mpcsfaas_core::dispatcher::Dispatcher;
use mpcsfaas_core::machine::Machine;
use mpcsfaas_core::store::{Op, Reply, Store};
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

    /// Whether the machine learns that its deadline has come.
    fn timeout(&mut self, _now: Instant, _machine: &M) -> bool {
        true
    }
}

/// Stands in front of the store.
pub trait TamperStore: Debug {
    /// Carries out an operation. `Store::restore` makes a store of changed rows.
    fn apply(&mut self, store: &mut Store, now: WallTime, op: Op) -> Reply;
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
