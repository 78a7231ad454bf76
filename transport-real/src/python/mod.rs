//! The Python children of a worker: processes, pipes and their environment.
//!
//! ```text
//!   ChildOrder ──▶ Pool ──▶ slot (task) ─F D R G─▶ fd 0  ┌────────┐
//!                            │    ▲ ◀─H X C E K── fd 1  │ child  │  one process group each
//!                            │    │ ◀──C E K───── quiet │        │
//!                            │    │ ◀─▶ ledger ◀───────▶ │        │
//!   ChildFact ◀──────────────┘    │ ◀──prints───── fd 2  └────────┘
//!                            slot (thread): spawn, wait, kill the group, reap
//!                            reaper (process): kills all groups if this process dies without a word
//! ```
//!
//! The pool obeys the worker machine's orders and reports facts; it decides nothing. [`Slots`] and
//! `slot` are the life of children as seen over their pipes, [`child`] is what they need of one, and
//! `process` is a child as seen by the operating system.
//! `frame` is the protocol with `runner.py`, `in_pipe` what a child has been given, `ledger` how it
//! is known what of it was begun, `capture` what a task printed, `cache` which functions a child has. `leftovers` finds what a dead child left behind and `reaper` does so
//! for a dead worker. `environment` finds or makes a Python that has dill.

mod alarm;
mod cache;
mod capture;
pub mod child;
#[cfg(not(madsim))]
pub mod environment;
mod frame;
mod in_pipe;
#[cfg(not(madsim))]
mod ledger;
#[cfg(not(madsim))]
mod leftovers;
mod order;
#[cfg(not(madsim))]
mod pool;
#[cfg(not(madsim))]
mod process;
#[cfg(not(madsim))]
mod reaper;
mod slot;
mod slots;

pub use cache::CacheLimit;
#[cfg(not(madsim))]
pub use pool::{Pool, PoolConfig, StartError};
#[cfg(not(madsim))]
pub use reaper::{ReaperConfig, reaper_main};
pub use slot::Limits;
pub use slots::Slots;
