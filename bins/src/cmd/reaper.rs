//! `mpcsfaas internal-reaper`: ends a dead worker's process groups.

use std::process::ExitCode;

use mpcsfaas_transport_real::python::reaper_main;

/// Reads the list from standard input until its writer is gone.
pub fn run() -> ExitCode {
    match reaper_main(std::io::stdin()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mpcsfaas internal-reaper: {error}");
            ExitCode::FAILURE
        }
    }
}
