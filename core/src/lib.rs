//! The protocol core of mpcsfaas: decisions, and nothing else.
pub mod explain;
pub mod id;
pub mod machine;
pub mod mime_base64;
pub mod pickle;
pub mod rfc3339;
pub mod store;
pub mod task;
pub mod time;
pub mod worker;

pub use machine::{Machine, step};
