//! Runs a machine: waits for the next input or the next deadline, steps, obeys.
//!
//! Everything that can happen to a machine comes through one channel of inputs, so this is the
//! only `select!` that a machine is under, and both of its branches lose nothing when they are
//! cancelled.

use std::ops::ControlFlow;

use mpcsfaas_core::machine::{Machine, step};
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use crate::clock::Clock;

/// How many inputs may wait for a machine before those who bring them wait too.
pub const INPUT_BACKLOG: usize = 4_096;

/// Drives `machine` until `obey` says that it is over, or nobody can bring an input any more.
///
/// `obey` must not block: what it starts reports back through the channel of inputs.
pub async fn drive<M: Machine>(
    mut machine: M,
    clock: Clock,
    mut inputs: mpsc::Receiver<M::Input>,
    mut obey: impl FnMut(M::Output) -> ControlFlow<()>,
) {
    let mut deadline = machine.poll_timeout();
    // What a new machine wants at once.
    let mut over = false;
    while let Some(output) = machine.poll_output() {
        over |= obey(output).is_break();
    }
    while !over {
        let input = tokio::select! {
            // Deadlines first: a flood of inputs must not keep a beat back.
            biased;
            () = due(&clock, deadline) => None,
            input = inputs.recv() => match input {
                Some(input) => Some(input),
                None => break,
            },
        };
        deadline = step(&mut machine, clock.now(), input, |output| {
            over |= obey(output).is_break();
        });
    }
}

async fn due(clock: &Clock, deadline: Option<mpcsfaas_core::time::Instant>) {
    match deadline {
        Some(at) => sleep_until(clock.to_tokio(at)).await,
        None => std::future::pending().await,
    }
}
