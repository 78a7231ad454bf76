//! Workers without Python: the worker machine over a real connection, with children that answer at
//! once.

use std::time::Duration;

use bytes::Bytes;
use mpcsfaas_core::id::WorkerId;
use mpcsfaas_core::task::{Outcome, Versions};
use mpcsfaas_core::wire::message::Flow;
use mpcsfaas_core::worker::Worker;
use mpcsfaas_core::worker::child::{ChildFact, ChildOrder};
use mpcsfaas_transport_real::clock::Clock;
use mpcsfaas_transport_real::drive::INPUT_BACKLOG;
use mpcsfaas_transport_real::work;
use mpcsfaas_transport_real::zmq::dealer::DealerDial;
use mpcsfaas_transport_real::zmq::tcp::Address;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::cmd::worker;

/// As many processes as each pretends to have.
const PROCESSES: u32 = 8;

/// `0`, pickled: what each task returns.
const RESULT: &[u8] = b"\x80\x04K\x00.";

/// Starts so many. They end when the set is dropped.
pub(super) fn start(workers: u32, dispatcher: &str) -> JoinSet<()> {
    let mut all = JoinSet::new();
    for _ in 0..workers {
        all.spawn(stub(dispatcher.to_owned()));
    }
    all
}

async fn stub(dispatcher: String) {
    let id = WorkerId(rand::random());
    let config = worker::config(id, PROCESSES, Flow::Push);
    let clock = Clock::start();
    // All that the pipes of all processes hold is far less.
    let (facts_in, facts) = mpsc::channel(INPUT_BACKLOG);
    let obey = move |order| {
        if let Some(fact) = answer(order) {
            let _ = facts_in.try_send(fact);
        }
    };
    let dial = DealerDial::new(id, Address(dispatcher), StdRng::from_os_rng());
    let machine = Worker::new(config, clock.now());
    let inputs = mpsc::channel(INPUT_BACKLOG);
    work::run(machine, clock, (obey, facts), dial, inputs).await;
}

/// What a child does at once.
fn answer(order: ChildOrder) -> Option<ChildFact> {
    match order {
        ChildOrder::Spawn { slot } => Some(ChildFact::Ready {
            slot,
            versions: Versions::default(),
            reads_ahead: true,
        }),
        ChildOrder::Execute {
            slot,
            task,
            attempt,
            ..
        } => Some(ChildFact::Replied {
            slot,
            task,
            attempt,
            outcome: Outcome::completed(Bytes::from_static(RESULT)),
            took: Duration::ZERO,
        }),
        // All have been answered already.
        ChildOrder::Recall { slot } => Some(ChildFact::Recalled {
            slot,
            tasks: Vec::new(),
        }),
        // No task has a deadline, and none is cancelled.
        ChildOrder::Terminate { .. } | ChildOrder::Kill { .. } => None,
    }
}
