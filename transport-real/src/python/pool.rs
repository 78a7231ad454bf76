//! The pool of Python children: obeys the worker machine's orders, never blocking its caller.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, mpsc as thread_mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use mpcsfaas_core::worker::child::{ChildFact, ChildOrder, SlotId};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use thiserror::Error;
use tokio::sync::mpsc;

use super::cache::CacheLimit;
use super::process::{Group, Keeper, Launch, ProcessLauncher, Request};
use super::reaper::{Reaper, ReaperConfig};
use super::slot::Limits;
use super::slots::Slots;

/// How the children of a pool are started and bounded. Working directory and environment are
/// inherited.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// The interpreter; it must have dill.
    pub python: PathBuf,
    /// How many slots there are: the ids from 0 to this less one.
    pub processes: u32,
    /// The largest pickled result, in bytes.
    pub max_result: usize,
    /// The most that is kept of what one task prints, in bytes.
    pub capture_limit: usize,
    /// How many functions a child keeps.
    pub cache: CacheLimit,
    /// A child that is not ready after this time is killed.
    pub start_limit: Duration,
    /// The companion that ends the children's groups if this process is killed; `None` to do
    /// without, when something else (a container) ends them.
    pub reaper: Option<ReaperConfig>,
}

impl PoolConfig {
    /// The defaults: results up to 8 MiB, 64 KiB of output, a minute to start, no reaper.
    pub fn new(python: impl Into<PathBuf>, processes: u32) -> PoolConfig {
        PoolConfig {
            python: python.into(),
            processes,
            max_result: 8 << 20,
            capture_limit: 64 << 10,
            cache: CacheLimit::default(),
            start_limit: Duration::from_secs(60),
            reaper: None,
        }
    }
}

/// The pool cannot be set up. (A child that cannot be started is a [`ChildFact::Exited`].)
#[derive(Debug, Error)]
pub enum StartError {
    /// The operating system gives no thread for a slot.
    #[error("cannot start the thread of a child: {0}")]
    Thread(#[source] io::Error),
    /// The companion process cannot be started.
    #[error("cannot start the reaper {command:?}: {source}")]
    Reaper {
        /// Its command.
        command: Vec<OsString>,
        /// Why not.
        source: io::Error,
    },
}

/// The children of one worker. Dropping it kills and reaps them all, and what they started.
#[derive(Debug)]
pub struct Pool {
    places: Vec<Place>,
    /// Dropping it ends the slots' tasks.
    slots: Slots,
}

#[derive(Debug)]
struct Place {
    group: Arc<Group>,
    thread_requests: thread_mpsc::Sender<Request>,
    thread: Option<JoinHandle<()>>,
}

impl Pool {
    /// A pool of empty slots; [`ChildOrder::Spawn`] fills them. Facts arrive in order for each
    /// slot. If nobody takes them the slots wait, so the receiver must be read while the pool is
    /// in use; if it is closed a child ends at its next fact.
    ///
    /// # Errors
    /// A thread or the companion cannot be started.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(config: PoolConfig, facts: mpsc::Sender<ChildFact>) -> Result<Pool, StartError> {
        let mark = format!("{:016x}.", SmallRng::from_os_rng().random::<u64>());
        let reaper = config
            .reaper
            .map(|reaper| {
                Reaper::start(&reaper, &mark).map_err(|source| StartError::Reaper {
                    command: reaper.command,
                    source,
                })
            })
            .transpose()?;
        let launch = Arc::new(Launch {
            python: config.python,
            max_result: config.max_result,
            mark,
            reaper,
        });
        let limits = Limits {
            max_result: config.max_result,
            capture: config.capture_limit,
            cache: config.cache,
            start: config.start_limit,
        };
        let places = (0..config.processes)
            .map(|slot| Place::new(slot, &launch))
            .collect::<Result<Vec<_>, _>>()?;
        let launchers = places.iter().map(Place::launcher);
        let slots = Slots::start(launchers, limits, &facts);
        Ok(Pool { places, slots })
    }

    /// Carries out an order, or passes it on to the slot; never blocks. An order to a child that
    /// has just ended is dropped: the fact that answers it is on its way.
    ///
    /// # Panics
    /// The pool has no such slot.
    pub fn obey(&mut self, order: ChildOrder) {
        self.slots.obey(order);
    }
}

impl Place {
    fn new(slot: SlotId, launch: &Arc<Launch>) -> Result<Place, StartError> {
        let group = Arc::new(Group::default());
        let keeper = Keeper {
            slot,
            launch: Arc::clone(launch),
            group: Arc::clone(&group),
        };
        let (thread_requests, requested) = thread_mpsc::channel();
        let thread = std::thread::Builder::new()
            .name(format!("child-{slot}"))
            .spawn(move || keeper.serve(&requested))
            .map_err(StartError::Thread)?;
        Ok(Place {
            group,
            thread_requests,
            thread: Some(thread),
        })
    }

    fn launcher(&self) -> ProcessLauncher {
        ProcessLauncher {
            group: Arc::clone(&self.group),
            thread: self.thread_requests.clone(),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for place in &self.places {
            place.group.close();
            let _ = place.thread_requests.send(Request::Stop);
        }
        for thread in self
            .places
            .iter_mut()
            .filter_map(|place| place.thread.take())
        {
            if thread.join().is_err() {
                tracing::error!("the thread of a child has panicked");
            }
        }
    }
}
