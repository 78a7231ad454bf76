//! What goes wrong at a time; and how all is well again in the end.

use std::time::Duration;

use bytes::Bytes;
use mpcsfaas_core::dispatcher::{self, Peer};
use mpcsfaas_core::task::Outcome;
use mpcsfaas_core::wire::message::{Finished, FromWorker, TaskRef, ToDispatcher};
use mpcsfaas_core::worker;

use crate::children::result_of;
use crate::event::{Body, Event};
use crate::guest::Fact;
use crate::history::What;
use crate::link::Partition;
use crate::node::Process;
use crate::place::Place;
use crate::plan::{FOR_GOOD, Trouble};
use crate::world::World;

/// An impostor tries message numbers up to this.
const GUESSES: u64 = 12;

impl World {
    pub(crate) fn strike(&mut self, index: usize) {
        if self.healed {
            return;
        }
        let fault = self.plan.faults[index].clone();
        let node = fault.node;
        self.struck(fault.clone());
        match (fault.what, node) {
            (Trouble::Cut, Place::Worker(worker)) => self.cut(worker),
            (Trouble::Clog(time), Place::Worker(worker)) => {
                self.clog(worker, self.now + time);
                self.over_in(node, time);
            }
            (Trouble::Partition { from, way, time }, Place::Worker(worker)) => {
                self.partitions
                    .retain(|partition| partition.until > self.now);
                self.partitions.push(Partition {
                    worker,
                    dispatcher: from,
                    way,
                    until: self.now + time,
                });
                self.over_in(node, time);
            }
            (Trouble::Slow { by, time }, _) => {
                let until = self.now + time;
                self.node_mut(node).slow = Some((until, by));
                self.heap.push(until, Event::Quicken(node));
            }
            (Trouble::Pause(time), _) => self.pause(node, time),
            (Trouble::Crash(time), _) => self.crash_for(node, time),
            (Trouble::Leave(time), _) => self.ask_to_leave(node, time),
            (Trouble::StoreCut(time), Place::Dispatcher(index)) => self.cut_store(index, time),
            (Trouble::ClockDrift(ppm), _) => {
                let now = self.now;
                self.node_mut(node).clock.set_drift(now, ppm);
                self.node_mut(node).wake = None;
                self.rearm(node);
            }
            (Trouble::ClockJump { millis }, _) => {
                let only_forward = node != Place::Store;
                let millis = if only_forward { millis.max(0) } else { millis };
                self.node_mut(node).clock.jump(millis);
                self.node_mut(node).wake = None;
                self.rearm(node);
            }
            (Trouble::Cancel(place), _) => {
                if let Some(submit) = self.plan.submits.get(place) {
                    self.schedule(Duration::ZERO, Event::Cancel(submit.task));
                }
            }
            (Trouble::Junk, Place::Dispatcher(index)) => self.junk_arrives(index),
            (Trouble::Impostor, Place::Worker(index)) => self.impostor_speaks(index),
            _ => {}
        }
    }

    /// A fault of a link is over then, as far as anybody can tell.
    fn over_in(&mut self, node: Place, time: Duration) {
        self.schedule(time, Event::Over(node));
    }

    fn crash_for(&mut self, place: Place, time: Duration) {
        if place == Place::Store {
            self.store_ends();
        } else {
            self.crash(place);
        }
        match time == FOR_GOOD {
            true => self.node_mut(place).gone = true,
            false => self.schedule(time, Event::Boot(place)),
        }
    }

    fn ask_to_leave(&mut self, place: Place, time: Duration) {
        self.node_mut(place).returns = Some(time);
        let life = self.node(place).life;
        let event = match (&self.node(place).process, place) {
            (Some(Process::Guest(_)), _) => Event::ToGuest(place, life, Fact::Terminated),
            (Some(Process::Dispatcher(_)), Place::Dispatcher(index)) => {
                Event::ToDispatcher(index, life, dispatcher::Input::DrainRequested)
            }
            (Some(Process::Worker(_)), Place::Worker(index)) => {
                Event::ToWorker(index, life, worker::Input::DrainRequested)
            }
            _ => return,
        };
        self.schedule(Duration::ZERO, event);
    }

    fn stranger(&self) -> Peer {
        Peer {
            identity: Bytes::from_static(b"stranger"),
            delimited: false,
        }
    }

    fn junk_arrives(&mut self, dispatcher: usize) {
        let life = self.dispatchers[dispatcher].node.life;
        self.schedule(
            Duration::ZERO,
            self.stranger_says(dispatcher, life, Body::Junk),
        );
    }

    fn stranger_says(&self, dispatcher: usize, life: u64, body: Body) -> Event {
        // A connection that does not exist: the copy of a message is delivered without one.
        Event::Up {
            pipe: crate::zmq::pipe::PipeId::default(),
            dispatcher,
            life,
            peer: self.stranger(),
            body,
            copy: true,
        }
    }

    /// Somebody says, in a worker's name, that what it runs has ended: in the session before, and
    /// in the present one under every number that may be the next.
    fn impostor_speaks(&mut self, index: usize) {
        let Some(machine) = self.worker(index) else {
            return;
        };
        let lies: Vec<Finished> = machine
            .running()
            .map(|task| Finished {
                task,
                outcome: Outcome::completed(result_of(TaskRef {
                    task: task.task,
                    attempt: task.attempt.wrapping_add(1),
                })),
            })
            .collect();
        let (worker, session) = (machine.id(), machine.session());
        let guesses = (1..=GUESSES).map(|number| (session, number));
        for (session, number) in std::iter::once((session.saturating_sub(1), 2)).chain(guesses) {
            let message = FromWorker {
                worker,
                session,
                number,
                body: ToDispatcher::Finished(lies.clone()),
            };
            for dispatcher in 0..self.dispatchers.len() {
                let life = self.dispatchers[dispatcher].node.life;
                let body = Body::FromWorker(message.clone());
                self.schedule(Duration::ZERO, self.stranger_says(dispatcher, life, body));
            }
        }
    }

    /// Ends all trouble: everybody but those who left for good is up, awake and connected.
    pub(crate) fn heal(&mut self) {
        self.healed = true;
        self.see(What::Healed);
        self.partitions.clear();
        self.revive(Place::Store);
        for index in 0..self.dispatchers.len() {
            self.revive(Place::Dispatcher(index));
        }
        for index in 0..self.workers.len() {
            self.revive(Place::Worker(index));
        }
        // Only now: who stood still first learns what happened meanwhile.
        for index in 0..self.dispatchers.len() {
            self.schedule(Duration::ZERO, Event::StoreBack(index));
        }
    }

    fn revive(&mut self, place: Place) {
        self.resume(place);
        self.quicken(place);
        self.boot(place);
    }
}
