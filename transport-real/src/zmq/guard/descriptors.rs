//! File descriptors: a connection takes three (to the peer, to the ROUTER, and the ROUTER's end).

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::Limits;

const PER_CONNECTION: usize = 3;

/// What the rest of the process may need: store, gateway, files, pipes.
const FOR_THE_REST: usize = 1_500;

/// Raises this process's own limit of open files if the system allows it, and lowers the limits of
/// connections to what can then be had.
pub(super) fn fit(limits: Limits) -> Limits {
    let wanted = FOR_THE_REST + limits.handshakes + PER_CONNECTION * limits.connections;
    let open = raise(wanted);
    if open >= wanted {
        return limits;
    }
    let handshakes = limits.handshakes.min(open / 8);
    let rest = FOR_THE_REST.min(open / 4);
    let connections = (open - handshakes - rest) / PER_CONNECTION;
    tracing::warn!(
        open_files = open,
        connections,
        "too few open files are allowed for {} connections of workers (see `ulimit -n`)",
        limits.connections
    );
    Limits {
        connections,
        handshakes,
        ..limits
    }
}

/// Raises the soft limit to what is wanted, as far as the hard one goes. Returns what it is then.
fn raise(wanted: usize) -> usize {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return wanted;
    };
    let target = hard.min(wanted as u64);
    let raised = soft < target && setrlimit(Resource::RLIMIT_NOFILE, target, hard).is_ok();
    let open = if raised { target } else { soft };
    usize::try_from(open).unwrap_or(usize::MAX)
}
