//! What goes wrong, and when; and how all is well again in the end.

use std::time::Duration;

use mpcsfaas_core::store::Op;
use mpcsfaas_core::{dispatcher, worker};

use crate::knobs::FaultKind;
use crate::world::{Event, Place, World};

/// One fault: its kind, its victim and its length, as far as the kind has them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// What happens.
    pub kind: FaultKind,
    /// To whom; an index that wraps.
    pub victim: usize,
    /// For how long.
    pub time: Duration,
}

impl World {
    /// Draws the faults of this world.
    pub(crate) fn plan_faults(&mut self) {
        for (kind, count) in self.knobs.faults.clone() {
            for _ in 0..count {
                let at = self.fault_rng.between(Duration::ZERO, self.knobs.trouble);
                let longest =
                    [200, 2_000, 8_000, 20_000].map(Duration::from_millis)[self.fault_rng.below(4)];
                let time = self.fault_rng.between(Duration::from_millis(10), longest);
                let victim = self.fault_rng.below(1_000);
                self.schedule(at, Event::Fault(Fault { kind, victim, time }));
            }
        }
    }

    pub(crate) fn strike(&mut self, fault: Fault) {
        let Fault { kind, victim, time } = fault;
        let worker = victim % self.workers.len();
        let dispatcher = victim % self.dispatchers.len();
        match kind {
            FaultKind::Cut => self.cut(worker),
            FaultKind::Clog => self.clog(worker, time),
            FaultKind::WorkerCrash => self.crash_for(Place::Worker(worker), time),
            FaultKind::DispatcherCrash => self.crash_for(Place::Dispatcher(dispatcher), time),
            FaultKind::WorkerPause => self.pause_for(Place::Worker(worker), time),
            FaultKind::DispatcherPause => self.pause_for(Place::Dispatcher(dispatcher), time),
            FaultKind::WorkerDrain => {
                let life = self.workers[worker].life;
                self.tell_worker(worker, life, worker::Input::DrainRequested);
            }
            FaultKind::DispatcherDrain => {
                let life = self.dispatchers[dispatcher].life;
                self.tell_dispatcher(dispatcher, life, dispatcher::Input::DrainRequested);
            }
            FaultKind::StoreCut => self.cut_store(dispatcher, time),
            FaultKind::StorePause => {
                self.store_paused = true;
                self.schedule(time, Event::StoreResume);
            }
            FaultKind::Cancel => {
                let task = self
                    .scripts
                    .keys()
                    .nth(victim % self.scripts.len().max(1))
                    .copied();
                if let Some(task) = task.filter(|_| !self.store_paused) {
                    self.apply(Op::Cancel { task });
                }
            }
        }
    }

    fn crash_for(&mut self, place: Place, time: Duration) {
        self.crash(place);
        self.schedule(time, Event::Boot(place));
    }

    fn pause_for(&mut self, place: Place, time: Duration) {
        self.pause(place);
        self.schedule(time, Event::Resume(place));
    }

    /// Ends all trouble: everybody is up, awake and connected.
    pub(crate) fn heal(&mut self) {
        self.healed = true;
        self.store_resume();
        for index in 0..self.dispatchers.len() {
            self.revive(Place::Dispatcher(index));
            let life = self.dispatchers[index].life;
            self.schedule(Duration::ZERO, Event::StoreBack(index, life));
        }
        for index in 0..self.workers.len() {
            self.revive(Place::Worker(index));
        }
    }

    fn revive(&mut self, place: Place) {
        let paused = match place {
            Place::Dispatcher(index) => self.dispatchers[index].paused,
            Place::Worker(index) => self.workers[index].paused,
        };
        if paused {
            self.resume(place);
        }
        self.boot(place);
    }
}
