//! The simulated world: the machines of `mpcsfaas-core` on an event heap, with links, children,
//! clocks and faults, and no thread, socket or sleep anywhere.
//!
//! A run is decided by a [`plan::Plan`] and by [`chance::Chance`]. A seed draws both, so a run
//! that fails once fails each time; or the plan lists everything, and no random number is drawn at
//! all. The network, the store's answers and the children are made up here; the machines are the
//! ones that run in production, in the ordinary build. The Python original's processes can live
//! here too, as [`guest`]s. What all faults mean, and what is not simulated, is in
//! `docs/SIMULATION.md`; why it is built so, in `docs/adr/0010-plan-and-chance.md`.
//!
//! ```text
//!                  ┌──────── heap: what happens next ────────┐
//!                  ▼                                         │ what that brings about
//!   plan ──────▶ World::step ──▶ tamper ──▶ machine ──▶ orders (link, storage, children)
//!                  ▲       │                                 ▲
//!   chance ────────┴───────│─────────────────────────────────┘ where it may take a turn
//!                          ▼
//!                  seen (history) ──▶ judges
//! ```
//!
//! Reading order: [`place`], [`plan`] (what a run is), [`knobs`] (how a seed draws it), [`rng`] (one
//! stream a subsystem), [`chance`] (dice, or a list), [`heap`] and `event`, [`world`] (the nodes, and
//! [`World::step`], which handles one event), `node`, `lives` (start, end, pause, wake), [`clock`],
//! [`zmq`] and `link` (sockets, and connections under trouble), `storage` (requests to the store),
//! `children` (scripted Python), `client`, `fault`; for the original: [`guest`], `guests`, `redis`;
//! for judges: [`history`], `watch`, [`by_task`] (maps by task), [`marks`], [`chain`] (the hash of a
//! run); for people: [`trace`], `telling`; for planted bugs: [`tamper`].
//! [`mailbox`] stands apart: libzmq's socket when several threads use it, which no machine of ours
//! does.

pub mod by_task;
pub mod chain;
pub mod chance;
mod children;
mod client;
pub mod clock;
mod event;
mod fault;
pub mod guest;
mod guests;
pub mod heap;
pub mod history;
pub mod knobs;
mod link;
mod lives;
pub mod mailbox;
pub mod marks;
mod node;
pub mod place;
pub mod plan;
mod redis;
pub mod rng;
mod storage;
pub mod tamper;
mod telling;
pub mod trace;
mod watch;
pub mod world;
pub mod zmq;

pub use self::chance::Chance;
pub use self::children::result_of;
pub use self::knobs::{Knobs, Mode};
pub use self::place::Place;
pub use self::plan::Plan;
pub use self::tamper::Tampers;
pub use self::world::{Cast, Ours, World};
