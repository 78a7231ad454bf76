//! A worker that is not the same twice: what the determinism check must find.

use std::sync::atomic::{AtomicU64, Ordering};

use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::ToDispatcher;
use mpcsfaas_core::worker::{Output, Worker};
use mpcsfaas_transport_sim::Tampers;
use mpcsfaas_transport_sim::tamper::Tamper;

/// Counts in a place that a new run does not reset, as a clock or a hash map's order would be.
static BEATS: AtomicU64 = AtomicU64::new(0);

/// The bug, for [`crate::determinism`].
pub const DIVERGING: Tampers = Tampers {
    dispatcher: None,
    worker: Some(|| Box::new(Diverging)),
    store: None,
};

/// Tells one more credit at each 13th beat of the process.
#[derive(Clone, Debug)]
struct Diverging;

impl Tamper<Worker> for Diverging {
    fn output(&mut self, _now: Instant, _worker: &Worker, mut output: Output) -> Vec<Output> {
        if let Output::Send(message) = &mut output
            && let ToDispatcher::Beat { credit, .. } = &mut message.body
            && BEATS.fetch_add(1, Ordering::Relaxed) % 13 == 12
        {
            *credit += 1;
        }
        vec![output]
    }
}
