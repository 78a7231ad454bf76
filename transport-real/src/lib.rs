//! Adapters that run the machines of `mpcsfaas-core` over the real world. Nothing here decides.
//!
//! [`clock`] is the only place that reads a clock. [`store`] is the handle through which gateway
//! and dispatcher ask the store, whichever home it has: [`redis`] or [`embedded`]. [`python`]
//! keeps the Python children of a worker, [`http`] is the gateway's routes.

pub mod clock;
pub mod embedded;
pub mod http;
pub mod python;
pub mod redis;
pub mod store;
