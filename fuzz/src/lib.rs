//! Fuzz targets over the core: each is a function of bytes that panics if something does not hold.
//!
//! `fuzz_targets/` has one file a target, which gives the function to libFuzzer. Everything is here,
//! so that `tests/corpus.rs` replays the corpus with any compiler.

mod base64_reference;
pub mod dispatcher;
mod draw;
mod memory;
mod messages;
mod pace;
pub mod pickle_scan;
mod pickler;
pub mod replay;
pub mod store;
pub mod wire_json;
pub mod wire_native;
pub mod worker;
pub mod zmtp_guard;
