//! `cargo xtask sim-drivers`: runs seeds of the drivers' simulation and says which promises broke.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line says what it has found"
)]

use std::process::ExitCode;

#[cfg(madsim)]
mod command;

#[cfg(madsim)]
fn main() -> ExitCode {
    command::main()
}

/// The drivers of an ordinary build run on the real clock; there is nothing to simulate.
#[cfg(not(madsim))]
fn main() -> ExitCode {
    println!("this is built with `--cfg madsim`; try `cargo xtask sim-drivers`");
    eprintln!("nothing was run");
    ExitCode::FAILURE
}
