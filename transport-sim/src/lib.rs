//! The simulated world: the machines of `mpcsfaas-core` on an event heap, with links, children,
//! clocks and faults, and no thread, socket or sleep anywhere.
//!
//! Everything that happens is drawn from one seed, so a run that fails once fails each time. The
//! network, the store's answers and the children are made up here; the machines are the ones that
//! run in production, in the ordinary build.
//!
//! ```text
//!                  ┌──────── heap: what happens next ────────┐
//!                  ▼                                         │ what that brings about
//!   seed ─▶ knobs, rng ─▶ World::step ─▶ machine ─▶ orders ──┘ (link, storage, children)
//!                              ▲
//!                            fault
//! ```
//!
//! Reading order: [`knobs`] (what can be set, and how a seed draws it), [`rng`] (one stream a
//! subsystem), [`heap`] (the order of events), [`world`] (the nodes and [`World::step`], which
//! handles one event), `link` (connections between workers and dispatchers), `storage` (requests to
//! the store), `children` (scripted Python), `fault` (what goes wrong, and when). [`mailbox`]
//! stands apart: libzmq's socket when several threads use it, which no machine of ours does.

mod children;
mod fault;
pub mod guest;
pub mod heap;
pub mod history;
pub mod knobs;
mod link;
pub mod mailbox;
pub mod place;
pub mod plan;
pub mod rng;
mod storage;
pub mod tamper;
pub mod trace;
pub mod world;

pub use self::children::result_of;
pub use self::fault::Fault;
pub use self::knobs::Knobs;
pub use self::world::{Step, World};
