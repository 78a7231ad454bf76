//! The thread that owns the disk: it answers when rows are there, or takes them there afterwards.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use mpcsfaas_core::store::{Op, Reply, Store};
use mpcsfaas_core::time::Instant;
use tokio::runtime::Runtime;
use tokio::time::sleep;

use super::desk::Desk;
use super::disk::{Disk, Rows};
use super::{Durability, EmbeddedConfig};
use crate::clock::{Clock, wall_time};
use crate::store::{Link, Request, StoreAway, StoreHandle, StoreOwner};

/// At most so many requests share one write, so that the first does not wait for ever.
const BATCH_LIMIT: usize = 1_024;

/// How often results past their retention are forgotten.
const EXPIRE_EVERY: Duration = Duration::from_secs(60);

/// For how long changes gather before they are written, without [`Durability::Disk`]: so few that
/// nobody notices how long it takes to look them up.
const WRITE_EVERY: Duration = Duration::from_millis(50);

/// How often what was written is synced then.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// How often a store that ran out of space looks whether there is some.
const REOPEN_EVERY: Duration = Duration::from_secs(2);

/// What the thread works with. The fields are dropped in this order, so the directory is free
/// before the handles see their link closed.
pub(super) struct Owner {
    disk: Place,
    desk: Arc<Desk>,
    clock: Clock,
    expire_at: Instant,
    served: StoreOwner,
}

/// Where rows go.
enum Place {
    /// Nowhere.
    Memory,
    /// To disk, before a request is answered.
    Disk(Disk, EmbeddedConfig),
    /// To disk, soon after it was answered.
    Later(Disk, EmbeddedConfig, Schedule),
    /// To a disk that has failed: how to come back and when to try, if there is hope.
    Failed(Option<(EmbeddedConfig, Instant)>),
}

/// When to write, and when to sync; `None` if there is nothing.
#[derive(Default)]
struct Schedule {
    write_at: Option<Instant>,
    sync_at: Option<Instant>,
}

impl Owner {
    pub(super) fn in_memory(served: StoreOwner, machine: Store) -> Owner {
        Owner::new(served, machine, Place::Memory)
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
        Owner::new(served, machine, Place::of(disk, config))
    }

    fn new(served: StoreOwner, machine: Store, disk: Place) -> Owner {
        let clock = Clock::start();
        served.link.send_replace(Link::Up);
        Owner {
            disk,
            desk: Arc::new(Desk::new(machine, served.notices.clone())),
            clock,
            expire_at: clock.now(),
            served,
        }
    }

    /// Lets those who ask carry out their requests themselves, if nobody waits for the disk. In memory
    /// the thread does it: whoever measures something else does not want the store beside it.
    pub(super) fn serve_at(&self, handle: StoreHandle) -> StoreHandle {
        match &self.disk {
            Place::Later(..) => handle.served_by(self.desk.clone()),
            Place::Memory | Place::Disk(..) | Place::Failed(_) => handle,
        }
    }

    /// Serves until the last handle is gone.
    pub(super) fn run(mut self, runtime: &Runtime) {
        let mut batch = Vec::with_capacity(BATCH_LIMIT);
        loop {
            let patience = self.next_deadline() - self.clock.now();
            let idle = matches!(&self.disk, Place::Later(.., due) if due.write_at.is_none());
            let ended = runtime.block_on(async {
                tokio::select! {
                    received = self.served.requests.recv_many(&mut batch, BATCH_LIMIT) => received == 0,
                    () = self.desk.used(), if idle => false,
                    () = sleep(patience) => false,
                }
            });
            let now = self.clock.now();
            if ended {
                break;
            }
            self.reopen_if_due(now);
            self.expire_if_due(now);
            self.serve(now, &mut batch);
            self.write_if_due(now);
        }
        if let Place::Later(..) = self.disk {
            self.write_changes(self.clock.now(), true);
        }
    }

    fn next_deadline(&self) -> Instant {
        let other = match &self.disk {
            Place::Memory | Place::Disk(..) => None,
            Place::Later(.., due) => due.write_at.into_iter().chain(due.sync_at).min(),
            Place::Failed(again) => again.as_ref().map(|(_, at)| *at),
        };
        other.map_or(self.expire_at, |at| at.min(self.expire_at))
    }

    fn expire_if_due(&mut self, now: Instant) {
        if now >= self.expire_at {
            self.expire_at = now + EXPIRE_EVERY;
            // Without a machine there is nothing to forget.
            let _ = self
                .desk
                .with(|machine, wall| machine.apply(wall, Op::Expire));
        }
    }

    /// Carries out a batch, writes what it changed, and only then answers.
    fn serve(&mut self, now: Instant, batch: &mut Vec<Request>) {
        if batch.is_empty() {
            return;
        }
        let mut answers = Vec::with_capacity(batch.len());
        let done = self.desk.with(|machine, wall| {
            for Request { op, answer } in batch.drain(..) {
                answers.push((answer, machine.apply(wall, op)));
            }
            Rows::changed(machine)
        });
        let kept = done.and_then(|rows| match &mut self.disk {
            Place::Disk(disk, _) if !rows.is_empty() => disk
                .write(rows, true)
                .map_err(|error| self.leave(now, &error)),
            _ => Ok(()),
        });
        if let Err(reason) = kept {
            let asked = answers.into_iter().map(|(answer, _)| answer);
            let unserved = batch.drain(..).map(|request| request.answer);
            for answer in asked.chain(unserved) {
                answer.send(Err(reason.clone())).ok();
            }
            return;
        }
        // Whoever asked may have gone: that does not matter.
        for (answer, reply) in answers {
            answer.send(Ok(reply)).ok();
        }
        let _ = self.desk.with(|machine, _| self.desk.tell(machine));
    }

    /// Without [`Durability::Disk`]: takes to disk what has changed, if it is time.
    fn write_if_due(&mut self, now: Instant) {
        let Place::Later(.., due) = &mut self.disk else {
            return;
        };
        let write_at = *due.write_at.get_or_insert(now + WRITE_EVERY);
        let sync = due.sync_at.is_some_and(|at| now >= at);
        if sync || now >= write_at {
            self.write_changes(now, sync);
        }
    }

    fn write_changes(&mut self, now: Instant, sync: bool) {
        let changed = self.desk.with(|machine, _| Rows::changed(machine));
        let (Place::Later(disk, _, due), Ok(rows)) = (&mut self.disk, changed) else {
            return;
        };
        due.write_at = None;
        let nothing_to_sync = !sync || due.sync_at.is_none();
        if rows.is_empty() && nothing_to_sync {
            return;
        }
        due.sync_at = match sync {
            true => None,
            false => due.sync_at.or(Some(now + SYNC_EVERY)),
        };
        if let Err(error) = disk.write(rows, sync) {
            self.leave(now, &error);
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
        self.desk.replace(Err(reason.clone()));
        self.disk = match std::mem::replace(&mut self.disk, Place::Failed(None)) {
            Place::Disk(_, config) | Place::Later(_, config, _) if hope => {
                Place::Failed(Some((config, now + REOPEN_EVERY)))
            }
            _ => Place::Failed(None),
        };
        self.served.link.send_replace(Link::Down(reason.0.clone()));
        reason
    }

    fn reopen_if_due(&mut self, now: Instant) {
        let Place::Failed(Some((config, at))) = &mut self.disk else {
            return;
        };
        if now < *at {
            return;
        }
        *at = now + REOPEN_EVERY;
        match Disk::open(config) {
            Ok((disk, machine)) => {
                tracing::info!("the embedded store has space again and serves");
                self.disk = Place::of(disk, config.clone());
                self.desk.replace(Ok(machine));
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
        self.desk.replace(Err(StoreAway(reason.clone())));
        self.served.link.send_replace(Link::Down(reason));
    }
}

impl Place {
    fn of(disk: Disk, config: EmbeddedConfig) -> Place {
        match config.durability {
            Durability::Disk => Place::Disk(disk, config),
            Durability::None => Place::Later(disk, config, Schedule::default()),
        }
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
