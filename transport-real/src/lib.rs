//! Adapters that run the machines of `mpcsfaas-core` over the real world. Nothing here decides.
//!
//! ```text
//!            http ──▶ store handle ──▶ redis | embedded
//!                          ▲
//!   clients      dispatch ─┘ ◀──▶ zmq::router ◀─ TCP ─▶ zmq::dealer ◀──▶ work ──▶ python
//!                     ▲                  or local                         ▲
//!                     └────────── drive (one loop runs every machine) ────┘
//! ```
//!
//! [`clock`] is the only place that reads a clock and [`drive`] the only loop that runs a machine.
//! [`dispatch`] and [`work`] connect the dispatcher and the worker to it. [`store`] is the handle
//! through which gateway and dispatcher ask the store, whichever home it has: [`redis`] or
//! [`embedded`]. Workers are reached over [`zmq`] or, in local mode, [`local`]. [`python`] keeps a
//! worker's Python children, and [`http`] is the gateway's routes. [`hops`] tells where a task is.

pub mod clock;
pub mod dispatch;
pub mod drive;
#[cfg(not(madsim))]
pub mod embedded;
pub mod hops;
#[cfg(not(madsim))]
pub mod http;
pub mod local;
pub mod python;
#[cfg(not(madsim))]
pub mod redis;
pub mod store;
pub mod work;
pub mod zmq;
