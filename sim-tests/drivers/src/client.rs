//! The client: it submits what the plan says, again where it got no answer, and cancels.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use mpcsfaas_core::store::Op;
use mpcsfaas_core::store::op::{Reply, Submission, Submitted};
use mpcsfaas_core::task::Options;
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_real::store::StoreHandle;
use mpcsfaas_transport_sim::Place;
use mpcsfaas_transport_sim::history::What;
use tokio::time::sleep;

use crate::process::open_store;
use crate::world::{FUNCTION, World};

/// The pause before a submit without a good answer is repeated.
const AGAIN: Duration = Duration::from_millis(300);

/// What the client knows. A clone knows the same.
#[derive(Clone, Debug)]
pub(crate) struct Client(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    accepted: Vec<bool>,
    handle: Option<StoreHandle>,
}

impl Client {
    pub(crate) fn new(submits: usize) -> Client {
        Client(Arc::new(Mutex::new(State {
            accepted: vec![false; submits],
            handle: None,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The places in the plan of submits that have no good answer yet.
    pub(crate) fn unanswered(&self) -> Vec<usize> {
        let state = self.state();
        let open = state.accepted.iter().enumerate();
        open.filter(|(_, accepted)| !**accepted)
            .map(|(index, _)| index)
            .collect()
    }

    /// Its way to the store, once it has one.
    pub(crate) fn handle(&self) -> Option<StoreHandle> {
        self.state().handle.clone()
    }
}

/// Its life.
pub(crate) async fn live(world: World) {
    let handle = open_store(&world, Place::Client, world.plan.shape.salt);
    world.client.state().handle = Some(handle.clone());
    let submits = world.plan.submits.iter().enumerate();
    for (index, submit) in submits {
        sleep_until(&world, submit.at).await;
        tokio::spawn(submit_one(world.clone(), handle.clone(), index));
    }
    std::future::pending().await
}

async fn submit_one(world: World, handle: StoreHandle, index: usize) {
    let submit = &world.plan.submits[index];
    let task = submit.task;
    loop {
        let at_most_once = submit.at_most_once;
        world.watch.see(What::Submitted { task, at_most_once });
        let submission = Submission {
            task,
            function: FUNCTION,
            params: Bytes::copy_from_slice(&task.0.to_be_bytes()),
            options: Options {
                timeout_ms: submit.timeout.map(|time| time.as_millis() as u64),
                at_most_once,
            },
        };
        if let Ok(Reply::Submitted(answers)) = handle.call(Op::Submit(vec![submission])).await {
            for answer in answers {
                world.watch.see(What::Answered { task, answer });
                if answer != Submitted::QueueFull {
                    world.client.state().accepted[index] = true;
                    return;
                }
            }
        }
        sleep(AGAIN).await;
    }
}

/// Waits for a time of the world.
pub(crate) async fn sleep_until(world: &World, at: Instant) {
    sleep(at.since(world.watch.now())).await;
}
