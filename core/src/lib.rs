//! The protocol core of mpcsfaas: decisions, and nothing else.
pub mod id;
pub mod machine;
pub mod store;
pub mod task;
pub mod time;
pub mod worker;

pub use machine::{Machine, step};
