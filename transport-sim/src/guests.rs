//! Guests: their steps, their sockets, which connect again by themselves, and their pools.

use std::time::Duration;

use bytes::Bytes;
use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::wire::message::TaskRef;

use crate::event::{Body, Event};
use crate::guest::Fact;
use crate::history::What;
use crate::node::Process;
use crate::place::Place;
use crate::plan::{Ending, FOR_GOOD};
use crate::world::World;
use crate::zmq::Flavor;
use crate::zmq::dealer::Dealer;

/// libzmq's pause before it connects again (`ZMQ_RECONNECT_IVL`).
pub(crate) const RECONNECT: Duration = Duration::from_millis(100);

impl World {
    pub(crate) fn tell_guest(&mut self, place: Place, life: u64, fact: Fact) {
        if self.node(place).life == life {
            if fact == Fact::Terminated {
                self.see_leaving(place);
            }
            self.step_guest(place, Some(fact));
        }
    }

    pub(crate) fn step_guest(&mut self, place: Place, fact: Option<Fact>) {
        let now = self.now;
        let node = self.node_mut(place);
        let (local, life) = (node.clock.show(now), node.life);
        let Some(Process::Guest(guest)) = node.process.as_mut() else {
            return;
        };
        let mut orders = Vec::new();
        guest.step(local, fact, &mut orders);
        for order in orders {
            if self.node(place).life == life {
                self.obey_guest(place, order);
            }
        }
        self.rearm(place);
    }

    pub(crate) fn guest_connects(&mut self, worker: usize, identity: Bytes, lock_step: bool) {
        let life = self.workers[worker].node.life;
        let identity = match lock_step {
            true => Bytes::from(format!("req-{worker}-{life}")),
            false => identity,
        };
        self.workers[worker].dealer = Some(Dealer::new(Flavor::Libzmq, identity, lock_step));
        self.schedule(self.latency(), Event::Dialed(worker, life));
    }

    /// A guest's socket has found a dispatcher, or tries again later.
    pub(crate) fn dialed(&mut self, worker: usize, life: u64) {
        if self.workers[worker].node.life != life || self.workers[worker].pipe.is_some() {
            return;
        }
        match self.dial(worker) {
            Some(dispatcher) => self.join(worker, dispatcher, life),
            None => self.schedule(RECONNECT, Event::Dialed(worker, life)),
        }
    }

    pub(crate) fn guest_hears(&mut self, worker: usize, body: Bytes) {
        let reads = |dealer: &mut Dealer<Body>| dealer.reads();
        if self.workers[worker].dealer.as_mut().is_some_and(reads) {
            let peer = mpcsfaas_core::dispatcher::Peer {
                identity: Bytes::new(),
                delimited: false,
            };
            self.step_guest(Place::Worker(worker), Some(Fact::Received { peer, body }));
        }
    }

    /// A process of a guest's pool begins with a task.
    pub(crate) fn pool_runs(&mut self, place: Place, task: TaskId) {
        let Some(script) = self.script(task) else {
            return;
        };
        let (ends, runs) = (script.ends, script.runs);
        let task_ref = TaskRef { task, attempt: 0 };
        self.see(What::Started {
            at: place,
            task: task_ref,
        });
        let life = self.node(place).life;
        if ends != Ending::Hangs && runs != FOR_GOOD {
            self.schedule(runs, Event::Ran(place, life, task));
        }
    }

    /// It is done, or has ended itself.
    pub(crate) fn pool_ran(&mut self, place: Place, life: u64, task: TaskId) {
        if self.node(place).life != life {
            return;
        }
        let Some(ends) = self.script(task).map(|script| script.ends) else {
            return;
        };
        self.see(What::Stopped {
            at: place,
            task: TaskRef { task, attempt: 0 },
            by_itself: true,
        });
        let name = Bytes::copy_from_slice(&task.0.to_be_bytes());
        let ran = |result| Fact::Ran { task, result };
        let fact = match ends {
            Ending::Returns | Ending::ReturnsTooMuch => ran(Ok(name)),
            Ending::Raises => ran(Err(name)),
            Ending::Exits | Ending::Crashes => Fact::Died(task),
            Ending::Hangs => return,
        };
        self.schedule(Duration::ZERO, Event::ToGuest(place, life, fact));
    }
}
