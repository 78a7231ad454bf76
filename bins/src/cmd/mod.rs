//! The subcommands, one file each.

pub mod bench;
pub mod demo;
pub mod dispatcher;
pub mod gateway;
pub mod reaper;
pub mod run;
pub mod sim;
pub mod task;
pub mod up;
pub mod worker;

/// The exit code when something went wrong.
pub const FAILED: u8 = 1;

/// The exit code when the command line has to be put right, as `clap` ends too.
pub const USAGE: u8 = 2;

/// The exit code when no platform answers.
pub const UNREACHABLE: u8 = 3;

/// The exit code after Ctrl-C, as a shell reports SIGINT.
pub const INTERRUPTED: u8 = 130;

/// How tables look, in the terms of `comfy_table`: a line under the header, and no other.
pub const TABLE: &str = "     ──            ";
