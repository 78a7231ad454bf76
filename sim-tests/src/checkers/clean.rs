//! Since when a place has been out of trouble.
//!
//! Most promises give somebody some time to do something, if nothing hinders it. What hinders is
//! seen: faults, twists, processes that end. The consequences of a trouble may come after its end:
//! [`Clean::session_free_from`] has them in it, [`Clean::trouble_until`] has not.

use std::time::Duration;

use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::history::{Seen, What};
use mpcsfaas_transport_sim::place::Place;
use mpcsfaas_transport_sim::plan::{Bend, Fault, Occasion, Trouble};

use super::Setting;
use super::each::Each;

/// The end of a trouble that is not over.
pub(super) const NEVER: Instant = Instant::from_nanos(u64::MAX);

/// A clock that is wrong by more than so many millionths is a trouble; the bounds have room for less.
const DRIFT: u32 = 10_000;

/// When each place was last in trouble.
#[derive(Clone, Debug)]
pub(super) struct Clean {
    store: Record,
    dispatchers: Each<Record>,
    workers: Each<Record>,
    /// How long a trouble may have consequences.
    settling: Duration,
    /// How long a request to the store that went astray may: it is repeated.
    retrying: Duration,
    /// How long timers and leases may be wrong after a clock has jumped.
    jump: Duration,
}

/// What is known of one place.
#[derive(Clone, Copy, Debug, Default)]
struct Record {
    /// When the last fault that lasts will be over. Healing ends it early.
    fault: Instant,
    /// When it was last touched, or the consequences that were told end.
    touched: Instant,
    /// The same, of what only befell its requests to the store.
    asked: Instant,
    /// Whether its process has gone, and no other has come.
    gone: bool,
    /// Whether its process is leaving.
    leaving: bool,
    /// Whether its clock runs much too fast or too slow.
    drifts: bool,
}

impl Clean {
    pub(super) fn new(setting: &Setting) -> Clean {
        Clean {
            store: Record::default(),
            dispatchers: Each::default(),
            workers: Each::default(),
            settling: setting.settling(),
            retrying: setting.retrying(),
            jump: setting.timeout + setting.lease,
        }
    }

    /// When the last trouble of a place, or of the store, is over. [`NEVER`]: not foreseeable.
    pub(super) fn trouble_until(&self, place: Place) -> Instant {
        let here = self.record(place).map_or(Instant::ZERO, Record::until);
        here.max(self.store.until())
    }

    /// The same, but whether its process is there does not matter: one may leave by itself.
    pub(super) fn hindered_until(&self, place: Place) -> Instant {
        let here = self.record(place).map_or(Instant::ZERO, Record::hindered);
        here.max(self.store.until())
    }

    /// From when on no trouble of a place, or of the store, has consequences any more.
    fn free_from(&self, place: Place) -> Instant {
        let free = |record: &Record| match record.gone || record.leaving {
            true => NEVER,
            false => {
                let asked = record.asked + self.retrying;
                asked.max(record.touched_until() + self.settling)
            }
        };
        self.record(place)
            .map_or(Instant::ZERO, free)
            .max(free(&self.store))
    }

    /// From when on no trouble of a worker, its dispatcher or the store has consequences for a
    /// session between them: one that was over when that session was welcomed has none, but that
    /// the dispatcher may still have to learn that its lease is gone.
    pub(super) fn session_free_from(
        &self,
        worker: Place,
        dispatcher: Place,
        welcome_since: Instant,
    ) -> Instant {
        let here = self.hindered_until(worker);
        let there = self.trouble_until(dispatcher) + self.retrying;
        let here = match here < welcome_since {
            true => here,
            false => here + self.settling,
        };
        let there = match there < welcome_since {
            true => there,
            false => self.free_from(dispatcher),
        };
        here.max(there)
    }

    /// When the last trouble of any dispatcher, or of the store, is over. One that is gone is no
    /// trouble any more as long as another is there.
    pub(super) fn dispatchers_until(&self) -> Instant {
        let mut until = self.store.until();
        let mut gone = true;
        for (_, record) in self.dispatchers.iter() {
            gone &= record.gone;
            until = until.max(match record.gone {
                true => record.touched,
                false => record.until(),
            });
        }
        if gone { NEVER } else { until }
    }

    /// Takes in what was seen.
    pub(super) fn observe(&mut self, seen: &Seen) {
        let at = seen.at;
        match &seen.what {
            What::Struck(fault) => self.strike(at, fault),
            What::Over { node } => self.touch(*node, at),
            What::Twisted { on, bend } => self.twist(at, *on, *bend),
            What::Arrived(node) => {
                if let Some(record) = self.record_mut(*node) {
                    (record.gone, record.leaving) = (false, false);
                }
                self.touch(*node, at);
            }
            What::Ended { node, by_itself } => {
                if let Some(record) = self.record_mut(*node) {
                    record.gone = true;
                }
                // A worker that has left leaves nothing undone.
                if !(*by_itself && matches!(node, Place::Worker(_))) {
                    self.touch(*node, at);
                }
            }
            What::Healed => self.heal(at),
            _ => {}
        }
    }

    fn strike(&mut self, at: Instant, fault: &Fault) {
        let node = fault.node;
        let until = match fault.what {
            // These must hinder nobody (P8, P10), or only the task that they are about.
            Trouble::Cancel(_) | Trouble::Junk | Trouble::Impostor => return,
            // The store keeps its life: that it is back is all that is told.
            Trouble::Crash(time) if node == Place::Store => at + time,
            Trouble::Cut | Trouble::Crash(_) => at,
            Trouble::Clog(time)
            | Trouble::Partition { time, .. }
            | Trouble::Pause(time)
            | Trouble::StoreCut(time) => at + time,
            Trouble::Slow { by, time } => at + time + by,
            Trouble::ClockJump { .. } => return self.touch(node, at + self.jump),
            Trouble::ClockDrift(millionths) => {
                if let Some(record) = self.record_mut(node) {
                    record.drifts = millionths.unsigned_abs() > DRIFT;
                }
                at
            }
            Trouble::Leave(_) => {
                let Place::Dispatcher(index) = node else {
                    return;
                };
                self.dispatchers.of(index).leaving = true;
                at
            }
        };
        self.touch(node, at);
        if let Some(record) = self.record_mut(node) {
            record.fault = record.fault.max(until);
        }
    }

    fn twist(&mut self, at: Instant, on: Occasion, bend: Bend) {
        let node = match on {
            Occasion::Up(worker)
            | Occasion::Down(worker)
            | Occasion::Dial(worker)
            | Occasion::EndUp(worker)
            | Occasion::EndDown(worker)
            | Occasion::Spawn(worker) => Place::Worker(worker),
            Occasion::Request(dispatcher)
            | Occasion::Reply(dispatcher)
            | Occasion::Doorbell(dispatcher) => Place::Dispatcher(dispatcher),
            Occasion::Waking(node) => node,
            Occasion::Answer => return,
        };
        let until = match bend {
            // A copy of a request changes nothing.
            Bend::Twice(_) if matches!(on, Occasion::Request(_)) => at,
            Bend::Late(time) | Bend::Twice(time) => at + time,
            Bend::Lost | Bend::To(_) | Bend::Swallowed | Bend::TimerFirst | Bend::Fails => at,
        };
        let asks = matches!(
            on,
            Occasion::Request(_) | Occasion::Reply(_) | Occasion::Doorbell(_)
        );
        match self.record_mut(node) {
            Some(record) if asks => record.asked = record.asked.max(until),
            Some(_) | None => self.touch(node, until),
        }
    }

    fn heal(&mut self, at: Instant) {
        let workers = self.workers.iter_mut().map(|(_, record)| record);
        let dispatchers = self.dispatchers.iter_mut().map(|(_, record)| record);
        for record in workers.chain(dispatchers).chain([&mut self.store]) {
            if record.fault > at {
                record.fault = at;
                record.touched = record.touched.max(at);
            }
        }
    }

    fn touch(&mut self, node: Place, at: Instant) {
        if let Some(record) = self.record_mut(node) {
            record.touched = record.touched.max(at);
        }
    }

    fn record(&self, place: Place) -> Option<&Record> {
        match place {
            Place::Client => None,
            Place::Store => Some(&self.store),
            Place::Dispatcher(index) => self.dispatchers.get(index),
            Place::Worker(index) => self.workers.get(index),
        }
    }

    fn record_mut(&mut self, place: Place) -> Option<&mut Record> {
        match place {
            Place::Client => None,
            Place::Store => Some(&mut self.store),
            Place::Dispatcher(index) => Some(self.dispatchers.of(index)),
            Place::Worker(index) => Some(self.workers.of(index)),
        }
    }
}

impl Record {
    fn touched_until(&self) -> Instant {
        match self.drifts {
            true => NEVER,
            false => self.fault.max(self.touched),
        }
    }

    fn hindered(&self) -> Instant {
        self.touched_until().max(self.asked)
    }

    fn until(&self) -> Instant {
        match self.gone || self.leaving {
            true => NEVER,
            false => self.hindered(),
        }
    }
}
