//! The async drivers of `transport-real` over madsim's clock and network, under faults, judged by
//! the judges of the simulated world. Compiled only with `--cfg madsim`: `cargo xtask sim-drivers`.
//!
//! The drivers are those of production. Behind their seams is what `transport-sim` says of sockets
//! and what `core` says of the store, so there is no second model of either:
//!
//! ```text
//!   core's machine, watched ◀─ drive ─▶ dispatch, work           transport-real, as in production
//!         │                              │          │        │
//!         │                        zmq::router  store::owner python::Slots
//!         │                        zmq::dealer      │        │
//!         │      ── seams: Socket, Endpoint ─── Connection, Home ── Launcher, Sink, Source ──
//!         │                              │          │        │
//!         │                          sockets      home    children                this crate
//!         │                              └── line ──┘        └ pipe
//!         ▼                                   │ madsim's TCP, its clock, its order of tasks
//!   history, hash ─▶ judges of sim-tests    gate: links that are shut, connections that are cut
//! ```
//!
//! Reading order: `run` (a seed, a thread, the judges), `knobs` (what a seed draws), `world` (who
//! is there), `process` (put together as `bins` does it), `client`; `line`, `gate`, `sockets`,
//! `home`, `pipe`, `children` (what is behind the seams); `trouble` (what goes wrong); `watched`,
//! `watch` (what is seen of it), `storm` (the drivers' own promise); `bugs` (planted mistakes).
//! Why it is built so, and what is not modelled, is in `docs/adr/0011-drivers-under-madsim.md`.
#![cfg(madsim)]

pub mod bugs;
mod children;
mod client;
mod gate;
mod home;
mod knobs;
mod line;
mod pipe;
mod process;
pub mod run;
mod sockets;
mod storm;
mod trouble;
mod watch;
mod watched;
mod world;
