//! The Python children of a worker: processes, pipes and their environment.
//!
//! ```text
//!   ChildOrder ──▶ Pool ──▶ slot (task) ──F D R──▶ fd 0 ┌────────┐
//!                            │    ▲ ◀──H X C E──── fd 1 │ child  │  one process group each
//!   ChildFact ◀──────────────┘    │ ◀──prints───── fd 2 └────────┘
//!                            slot (thread): spawn, wait, kill the group, reap
//!                            reaper (process): kills all groups if this process dies without a word
//! ```
//!
//! [`Pool`] obeys the worker machine's orders and reports facts; it decides nothing. `slot` is
//! the life of a child as seen over its pipes, `process` as seen by the operating system.
//! `frame` is the protocol with `runner.py`, `capture` what a task printed, `cache` which
//! functions a child has. `leftovers` finds what a dead child left behind and `reaper` does so
//! for a dead worker. [`environment`] finds or makes a Python that has dill.

mod cache;
mod capture;
pub mod environment;
mod frame;
mod leftovers;
mod pool;
mod process;
mod reaper;
mod slot;

pub use cache::CacheLimit;
pub use pool::{Pool, PoolConfig, StartError};
pub use reaper::{ReaperConfig, reaper_main};
