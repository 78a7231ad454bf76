//! Scripted Python children: how long each task runs, and how it ends.

use std::time::Duration;

use bytes::Bytes;
use mpcsfaas_core::task::{Failure, FailureKind, Outcome, Versions};
use mpcsfaas_core::timing::PAYLOAD_LIMIT;
use mpcsfaas_core::wire::message::TaskRef;
use mpcsfaas_core::worker::child::{ChildFact, ChildOrder, SlotId};
use mpcsfaas_transport_sim::Place;
use mpcsfaas_transport_sim::plan::Ending;
use mpcsfaas_transport_sim::result_of;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::world::World;

const START: Duration = Duration::from_millis(40);

static TOO_MUCH: [u8; PAYLOAD_LIMIT + 1] = [0; PAYLOAD_LIMIT + 1];

pub(crate) struct Children {
    world: World,
    place: Place,
    facts: mpsc::Sender<ChildFact>,
    slots: Vec<Option<mpsc::UnboundedSender<Option<TaskRef>>>>,
}

impl Children {
    pub(crate) fn new(world: World, place: Place, facts: mpsc::Sender<ChildFact>) -> Children {
        Children {
            world,
            place,
            facts,
            slots: vec![None; 16],
        }
    }

    pub(crate) fn obey(&mut self, order: ChildOrder) {
        match order {
            ChildOrder::Spawn { slot } => {
                let (orders, rx) = mpsc::unbounded_channel();
                self.slots[slot as usize] = Some(orders);
                self.world.outside(child(
                    self.world.clone(),
                    self.place,
                    slot,
                    self.facts.clone(),
                    rx,
                ));
            }
            ChildOrder::Execute {
                slot,
                task,
                attempt,
                ..
            } => {
                if let Some(slot) = &self.slots[slot as usize] {
                    let _ = slot.send(Some(TaskRef { task, attempt }));
                }
            }
            ChildOrder::Terminate { slot } | ChildOrder::Kill { slot } => {
                if let Some(slot) = &self.slots[slot as usize] {
                    let _ = slot.send(None);
                }
            }
        }
    }
}

fn exited(slot: SlotId, code: Option<i32>, signal: Option<i32>) -> ChildFact {
    ChildFact::Exited {
        slot,
        code,
        signal,
        output: Bytes::new(),
    }
}

async fn child(
    world: World,
    at: Place,
    slot: SlotId,
    facts: mpsc::Sender<ChildFact>,
    mut orders: mpsc::UnboundedReceiver<Option<TaskRef>>,
) {
    sleep(START).await;
    let versions = Versions::default();
    let _ = facts.send(ChildFact::Ready { slot, versions }).await;
    loop {
        let Some(order) = orders.recv().await else {
            return;
        };
        let Some(task) = order else {
            let _ = facts.send(exited(slot, None, Some(15))).await;
            return;
        };
        world.watch.started(at, slot, task);
        let script = world.script(task.task).expect("planned").clone();
        let runs = match script.ends {
            Ending::Hangs => Duration::from_secs(1_000_000),
            _ => script.runs,
        };
        let killed = tokio::select! {
            biased;
            order = orders.recv() => Some(order),
            () = sleep(runs) => None,
        };
        match killed {
            Some(None) => return,
            Some(Some(_)) => {
                world.watch.stopped(at, slot, task, false);
                let _ = facts.send(exited(slot, None, Some(15))).await;
                return;
            }
            None => {}
        }
        world.watch.stopped(at, slot, task, true);
        let replied = |outcome| ChildFact::Replied {
            slot,
            task: task.task,
            attempt: task.attempt,
            outcome,
        };
        let (fact, over) = match script.ends {
            Ending::Returns | Ending::Hangs => (replied(Outcome::completed(result_of(task))), false),
            Ending::Raises => (
                replied(Outcome {
                    result: Err(Failure::new(FailureKind::Raised, "scripted")),
                    output: Bytes::new(),
                }),
                false,
            ),
            Ending::Exits => (exited(slot, Some(1), None), true),
            Ending::Crashes => (exited(slot, None, Some(11)), true),
            Ending::ReturnsTooMuch => (
                replied(Outcome::completed(Bytes::from_static(&TOO_MUCH))),
                false,
            ),
        };
        let _ = facts.send(fact).await;
        if over {
            return;
        }
    }
}
