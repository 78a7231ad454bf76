//! The store machine, behind a lock: whoever may use it carries out requests in their own thread.

use std::sync::{Mutex, MutexGuard};

use mpcsfaas_core::store::{Notice, Op, Reply, Store};
use mpcsfaas_core::time::WallTime;
use tokio::sync::{Notify, broadcast};

use super::store_clock::StoreClock;
use crate::clock::{Clock, wall_time};
use crate::store::{Direct, StoreAway};

/// Where the machine is.
#[derive(Debug)]
pub(super) struct Desk {
    state: Mutex<State>,
    notices: broadcast::Sender<Notice>,
    /// Something was carried out.
    used: Notify,
}

#[derive(Debug)]
struct State {
    /// Gone while the disk is.
    machine: Result<Store, StoreAway>,
    clock: Clock,
    store_clock: StoreClock,
}

impl Desk {
    pub(super) fn new(machine: Store, notices: broadcast::Sender<Notice>) -> Desk {
        let clock = Clock::start();
        Desk {
            state: Mutex::new(State {
                machine: Ok(machine),
                clock,
                store_clock: StoreClock::new(clock.now(), wall_time()),
            }),
            notices,
            used: Notify::new(),
        }
    }

    /// Uses the machine, at this time of the store.
    ///
    /// # Errors
    /// [`StoreAway`] while there is no machine.
    pub(super) fn with<R>(
        &self,
        used: impl FnOnce(&mut Store, WallTime) -> R,
    ) -> Result<R, StoreAway> {
        let mut state = self.lock()?;
        let now = state.clock.now();
        let wall = state.store_clock.advance(now, wall_time());
        let machine = state.machine.as_mut().map_err(|away| away.clone())?;
        Ok(used(machine, wall))
    }

    /// From now on there is no machine, or another one.
    pub(super) fn replace(&self, machine: Result<Store, StoreAway>) {
        if let Ok(mut state) = self.lock() {
            state.machine = machine;
        }
    }

    /// Tells of what was done since the last time.
    pub(super) fn tell(&self, machine: &mut Store) {
        while let Some(notice) = machine.poll_notice() {
            // Nobody may be listening.
            self.notices.send(notice).ok();
        }
    }

    /// Waits until something has been carried out since the last time.
    pub(super) async fn used(&self) {
        self.used.notified().await;
    }

    fn lock(&self) -> Result<MutexGuard<'_, State>, StoreAway> {
        let broken = |_| StoreAway("the store has failed; its log says why".to_owned());
        self.state.lock().map_err(broken)
    }
}

impl Direct for Desk {
    fn carry_out(&self, op: Op) -> Result<Reply, StoreAway> {
        let reply = self.with(|machine, wall| {
            let reply = machine.apply(wall, op);
            self.tell(machine);
            reply
        })?;
        self.used.notify_one();
        Ok(reply)
    }
}
