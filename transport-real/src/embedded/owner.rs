//! The thread that owns the store machine and its disk.

use std::io::ErrorKind;
use std::time::Duration;

use mpcsfaas_core::store::{Changes, Op, Reply, Store};
use mpcsfaas_core::time::{Instant, WallTime};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::disk::Disk;
use super::{Durability, EmbeddedConfig};
use crate::clock::{Clock, wall_time};
use crate::store::{Link, Request, StoreAway, StoreOwner};

/// At most so many requests share one write, so that the first does not wait for ever.
const BATCH_LIMIT: usize = 1_024;

/// How often results past their retention are forgotten.
const EXPIRE_EVERY: Duration = Duration::from_secs(60);

/// How often a store without [`Durability::Disk`] goes to disk.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// How often a store that ran out of space looks whether there is some.
const REOPEN_EVERY: Duration = Duration::from_secs(2);

/// What the thread works with. The fields are dropped in this order, so the directory is free
/// before the handles see their link closed.
pub(super) struct Owner {
    home: Home,
    clock: Clock,
    store_clock: StoreClock,
    expire_at: Instant,
    served: StoreOwner,
}

enum Home {
    Serving(Box<Live>),
    Away {
        reason: StoreAway,
        /// How to come back and when to try, if there is hope.
        again: Option<(EmbeddedConfig, Instant)>,
    },
}

struct Live {
    machine: Store,
    disk: Option<(Disk, EmbeddedConfig)>,
    /// When to sync what was written without it.
    sync_at: Option<Instant>,
}

impl Owner {
    pub(super) fn in_memory(served: StoreOwner, machine: Store) -> Owner {
        Owner::new(served, machine, None)
    }

    pub(super) fn on_disk(
        served: StoreOwner,
        config: EmbeddedConfig,
        disk: Disk,
        mut machine: Store,
    ) -> Owner {
        // The directory was locked, so whoever held a lease on its tasks ended with the process
        // that had it open: they come back now, not when that lease would have run out.
        while let Reply::Reaped { more: true, .. } = machine.apply(wall_time(), Op::Reap) {}
        Owner::new(served, machine, Some((disk, config)))
    }

    fn new(served: StoreOwner, machine: Store, disk: Option<(Disk, EmbeddedConfig)>) -> Owner {
        let clock = Clock::start();
        served.link.send_replace(Link::Up);
        Owner {
            home: Home::Serving(Box::new(Live {
                machine,
                disk,
                sync_at: None,
            })),
            clock,
            store_clock: StoreClock::new(clock.now(), wall_time()),
            expire_at: clock.now(),
            served,
        }
    }

    /// Serves until the last handle is gone.
    pub(super) fn run(mut self, runtime: &Runtime) {
        let mut batch = Vec::with_capacity(BATCH_LIMIT);
        loop {
            let patience = self.next_deadline() - self.clock.now();
            let received = runtime.block_on(async {
                let requests = self.served.requests.recv_many(&mut batch, BATCH_LIMIT);
                timeout(patience, requests).await
            });
            if received == Ok(0) {
                break;
            }
            self.reopen_if_due();
            self.serve(&mut batch);
        }
        if let Home::Serving(live) = &mut self.home {
            live.close();
        }
    }

    fn next_deadline(&self) -> Instant {
        match &self.home {
            Home::Serving(live) => live
                .sync_at
                .map_or(self.expire_at, |at| at.min(self.expire_at)),
            Home::Away { again, .. } => again.as_ref().map_or(self.expire_at, |(_, at)| *at),
        }
    }

    /// Carries out a batch, writes what it changed, and only then answers.
    fn serve(&mut self, batch: &mut Vec<Request>) {
        let now = self.clock.now();
        let wall = self.store_clock.advance(now, wall_time());
        let expire = now >= self.expire_at;
        if expire {
            self.expire_at = now + EXPIRE_EVERY;
        }
        let live = match &mut self.home {
            Home::Serving(live) => live,
            Home::Away { reason, .. } => return refuse(batch.drain(..), reason),
        };
        if expire {
            live.machine.apply(wall, Op::Expire);
        }
        let mut answers = Vec::with_capacity(batch.len());
        for Request { op, answer } in batch.drain(..) {
            let reply = live.machine.apply(wall, op);
            answers.push((answer, reply));
        }
        if let Err(error) = live.write(now) {
            let reason = self.leave(now, &error);
            for (answer, _) in answers {
                answer.send(Err(reason.clone())).ok();
            }
            return;
        }
        // Whoever asked may have gone, and nobody may be listening: neither matters.
        for (answer, reply) in answers {
            answer.send(Ok(reply)).ok();
        }
        while let Some(notice) = live.machine.poll_notice() {
            self.served.notices.send(notice).ok();
        }
    }

    /// Throws away the machine that ran ahead of its disk, and the disk.
    fn leave(&mut self, now: Instant, error: &redb::Error) -> StoreAway {
        let hope = is_out_of_space(error);
        let reason = StoreAway(match hope {
            true => format!("no space to write to: {error}"),
            false => format!("the disk failed, check it and restart: {error}"),
        });
        tracing::error!(%error, "the embedded store cannot write and stops serving");
        let again = match &mut self.home {
            Home::Serving(live) => live
                .disk
                .take()
                .map(|(_, config)| (config, now + REOPEN_EVERY)),
            Home::Away { .. } => None,
        };
        self.home = Home::Away {
            reason: reason.clone(),
            again: again.filter(|_| hope),
        };
        self.served.link.send_replace(Link::Down(reason.0.clone()));
        reason
    }

    fn reopen_if_due(&mut self) {
        let now = self.clock.now();
        let Home::Away {
            again: Some((config, at)),
            ..
        } = &mut self.home
        else {
            return;
        };
        if now < *at {
            return;
        }
        *at = now + REOPEN_EVERY;
        match Disk::open(config) {
            Ok((disk, machine)) => {
                tracing::info!("the embedded store has space again and serves");
                let config = config.clone();
                self.home = Home::Serving(Box::new(Live {
                    machine,
                    disk: Some((disk, config)),
                    sync_at: None,
                }));
                self.served.link.send_replace(Link::Up);
            }
            Err(fault) => tracing::warn!(%fault, "the embedded store still cannot be opened"),
        }
    }
}

impl Drop for Owner {
    /// However the thread ends, nobody shall believe that the store still answers.
    fn drop(&mut self) {
        let reason = "the store has been shut down".to_owned();
        self.served.link.send_replace(Link::Down(reason));
    }
}

impl Live {
    /// Writes what has changed since the last call, if anything has.
    fn write(&mut self, now: Instant) -> Result<(), redb::Error> {
        let changes = self.machine.take_changes();
        let Some((disk, config)) = &mut self.disk else {
            return Ok(());
        };
        let changed = !changes.tasks.is_empty() || !changes.functions.is_empty();
        let sync = match config.durability {
            Durability::Disk => changed,
            Durability::None => self.sync_at.is_some_and(|at| now >= at),
        };
        if !changed && !sync {
            return Ok(());
        }
        disk.write(&self.machine, &changes, sync)?;
        self.sync_at = match sync {
            true => None,
            false => self.sync_at.or(Some(now + SYNC_EVERY)),
        };
        Ok(())
    }

    /// Syncs what [`Durability::None`] has left unsynced.
    fn close(&mut self) {
        let Some((disk, _)) = self.disk.as_mut().filter(|_| self.sync_at.is_some()) else {
            return;
        };
        if let Err(error) = disk.write(&self.machine, &Changes::default(), true) {
            tracing::error!(%error, "the embedded store lost its last second");
        }
    }
}

fn refuse(batch: impl Iterator<Item = Request>, reason: &StoreAway) {
    for request in batch {
        request.answer.send(Err(reason.clone())).ok();
    }
}

/// Whether the system refused to take the bytes, rather than lost them.
fn is_out_of_space(error: &redb::Error) -> bool {
    let redb::Error::Io(error) = error else {
        return false;
    };
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
}

/// The store's time: the wall clock, but it never runs backwards and never stands still. If the
/// wall clock is set back, it goes on at the pace of the monotonic clock, so that leases still end.
#[derive(Debug)]
struct StoreClock {
    anchor: Instant,
    at_anchor: WallTime,
}

impl StoreClock {
    fn new(now: Instant, wall: WallTime) -> StoreClock {
        StoreClock {
            anchor: now,
            at_anchor: wall,
        }
    }

    fn advance(&mut self, now: Instant, wall: WallTime) -> WallTime {
        let steady = self.at_anchor + (now - self.anchor);
        if wall > steady {
            *self = StoreClock::new(now, wall);
        }
        wall.max(steady)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stores_time_goes_on_when_the_wall_clock_is_set_back() {
        let millis = |n: u64| Instant::from_nanos(n * 1_000_000);
        let mut clock = StoreClock::new(millis(0), WallTime(1_000_000));
        assert_eq!(clock.advance(millis(5), WallTime(1_000_007)).0, 1_000_007);
        assert_eq!(clock.advance(millis(6), WallTime(400)).0, 1_000_008);
        assert_eq!(clock.advance(millis(66), WallTime(460)).0, 1_000_068);
        assert_eq!(clock.advance(millis(67), WallTime(2_000_000)).0, 2_000_000);
    }
}
