//! The subcommands, one file each.

pub mod bench;
pub mod dispatcher;
pub mod gateway;
pub mod reaper;
pub mod up;
pub mod worker;
