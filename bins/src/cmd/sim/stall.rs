//! `mpcsfaas sim stall`: how the Python original stalls.

use std::process::ExitCode;

use clap::Args;
use mpcsfaas_sim_tests::shared_socket::{self, Row};
use serde_json::{Value, json};

use super::SimError;
use super::report::print;

/// Arguments of `mpcsfaas sim stall`.
#[derive(Debug, Args)]
pub(super) struct StallArgs {
    /// Threads that share a ZMQ socket, over 200 seeds: which way to use sockets loses wake-ups,
    /// and what that costs.
    #[arg(long, required = true)]
    shared_socket: bool,
    /// Print one JSON object for each row.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &StallArgs) -> Result<ExitCode, SimError> {
    let rows = shared_socket::table();
    print(&match args.json {
        true => rows
            .iter()
            .map(|row| format!("{}\n", as_json(row)))
            .collect(),
        false => shared_socket::text(&rows),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn as_json(row: &Row) -> Value {
    json!({
        "sockets": row.sockets.name(),
        "seeds": row.seeds,
        "stalls": row.stalls,
        "late": row.late,
        "p99_ms": row.p99.as_secs_f64() * 1e3,
        "max_ms": row.max.as_secs_f64() * 1e3,
        "alone_messages": row.alone_messages,
        "alone_late": row.alone_late,
    })
}
