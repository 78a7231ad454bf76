//! The protocol core of mpcsfaas: decisions, and nothing else.
//!
//! Nothing in this crate does I/O, reads a clock, draws entropy, spawns or waits. A transport (real
//! or simulated) turns the world into values and obeys the orders that come back; so every failure
//! of the protocol can be replayed from a seed.
//!
//! ```text
//!   client ──HTTP──▶ gateway                                   Python children
//!                       │ Submit, Read, Cancel                        ▲ │
//!                       ▼                                     Execute │ ▼ Replied, Exited
//!                   ┌───────┐   Claim, Commit,   ┌────────────┐     ┌────────┐
//!                   │ Store │ ◀─ Requeue, ────── │ Dispatcher │ ──▶ │ Worker │
//!                   │       │    Adopt, Renew    │            │ Run │        │
//!                   │       │ ── replies, ─────▶ │            │ Ack │        │
//!                   └───────┘    doorbell        └────────────┘ ◀── └────────┘
//!                                                        Hello, Finished, Pull, Beat
//! ```
//!
//! # The contract
//!
//! Store, dispatcher and worker are [`Machine`]s, and [`step`] is the one way to drive them: one
//! `handle_input` or `handle_timeout` is one mutation; then `poll_output` until it is empty; then
//! `poll_timeout` for the next deadline. *Inputs* are facts in the past tense and cannot be refused.
//! *Outputs* are orders in the imperative, which the driver obeys without deciding anything. `now`,
//! seeds and configuration enter as values. Machines are `Clone + Eq + Hash`, and `check` says
//! whether one is sound.
//!
//! What the machines promise together (P1 to P13) and the rules that make it true (R1 to R16) stand
//! in `docs/PROTOCOL.md`; comments name them by number.
//!
//! # Where to read
//!
//! | room | what is decided there |
//! |---|---|
//! | [`machine`], [`time`], [`random`] | the contract; time and chance as values |
//! | [`id`], [`task`], [`timing`] | names; a task's states and ends; the numbers both sides know |
//! | [`store`] | which attempt of a task counts: the specification of all stores |
//! | [`dispatcher`] | who runs what, and what becomes of it when somebody goes away |
//! | [`worker`] | sessions, credit, Python children, deadlines |
//! | [`wire`] | the messages as bytes: the native format and the original's JSON |
//! | [`pickle`], [`mime_base64`] | what is a function and what is junk, without unpickling |
//! | [`explain`], [`rfc3339`] | a task's story in a sentence for people |

pub mod dispatcher;
pub mod explain;
pub mod id;
pub mod machine;
pub mod mime_base64;
pub mod pickle;
pub mod random;
pub mod rfc3339;
pub mod store;
pub mod task;
pub mod time;
pub mod timing;
pub mod wire;
pub mod worker;

pub use machine::{Machine, step};
