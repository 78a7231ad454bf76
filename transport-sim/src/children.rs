//! Scripted Python children: how long each task runs, and how it ends.

use std::time::Duration;

use bytes::Bytes;
use mpcsfaas_core::task::{Options, Outcome, Versions};
use mpcsfaas_core::wire::message::TaskRef;
use mpcsfaas_core::worker::Input;
use mpcsfaas_core::worker::child::{ChildFact, ChildOrder, SlotId};

use crate::knobs::Knobs;
use crate::rng::Stream;
use crate::world::{Event, World};

/// How a task behaves, in every attempt.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    runs: Duration,
    /// It ends its Python child instead of returning.
    exits: bool,
    pub(crate) options: Options,
}

impl Script {
    pub(crate) fn draw(knobs: &Knobs, rng: &mut Stream) -> Script {
        let runs = rng.between(Duration::from_micros(100), knobs.longest_task);
        let timeout = rng.per_mille(100).then(|| knobs.longest_task / 2);
        let options = Options {
            timeout_ms: timeout.map(|time| time.as_millis() as u64),
            at_most_once: rng.per_mille(knobs.at_most_once),
        };
        Script {
            runs,
            exits: rng.per_mille(knobs.child_exits),
            options,
        }
    }
}

/// What an attempt returns: itself, so that a checker can tell whose result was committed.
pub fn result_of(task: TaskRef) -> Bytes {
    let mut bytes = task.task.0.to_be_bytes().to_vec();
    bytes.extend(task.attempt.to_be_bytes());
    Bytes::from(bytes)
}

impl World {
    pub(crate) fn obey_child_order(&mut self, worker: usize, order: ChildOrder) {
        match order {
            ChildOrder::Spawn { slot } => {
                let after = self
                    .child_rng
                    .between(Duration::from_millis(20), Duration::from_millis(60));
                let versions = Versions::default();
                self.child_says(worker, after, ChildFact::Ready { slot, versions });
            }
            ChildOrder::Execute {
                slot,
                task,
                attempt,
                ..
            } => {
                self.execute(worker, slot, TaskRef { task, attempt });
            }
            ChildOrder::Terminate { slot } | ChildOrder::Kill { slot } => {
                let after = self
                    .child_rng
                    .between(Duration::from_micros(100), Duration::from_millis(5));
                self.child_says(worker, after, exited(slot, None, Some(15)));
            }
        }
    }

    fn execute(&mut self, worker: usize, slot: SlotId, task: TaskRef) {
        if let Some(machine) = &self.workers[worker].machine {
            self.step.started.push((machine.id(), task));
        }
        let Some(script) = self.scripts.get(&task.task) else {
            return;
        };
        let fact = match script.exits {
            true => exited(slot, Some(1), None),
            false => ChildFact::Replied {
                slot,
                task: task.task,
                attempt: task.attempt,
                outcome: Outcome::completed(result_of(task)),
            },
        };
        self.child_says(worker, script.runs, fact);
    }

    fn child_says(&mut self, worker: usize, after: Duration, fact: ChildFact) {
        let life = self.workers[worker].life;
        let generation = *self.children.entry((worker, slot_of(&fact))).or_default();
        self.schedule(
            after,
            Event::Child {
                worker,
                life,
                generation,
                fact,
            },
        );
    }

    /// A child's fact reaches its worker, unless the child is gone: an exit is its last fact.
    pub(crate) fn child_has(&mut self, worker: usize, life: u64, generation: u64, fact: ChildFact) {
        let current = self.children.entry((worker, slot_of(&fact))).or_default();
        if *current != generation {
            return;
        }
        if matches!(fact, ChildFact::Exited { .. }) {
            *current += 1;
        }
        self.tell_worker(worker, life, Input::Child(fact));
    }
}

const fn slot_of(fact: &ChildFact) -> SlotId {
    match fact {
        ChildFact::Ready { slot, .. }
        | ChildFact::Replied { slot, .. }
        | ChildFact::Exited { slot, .. } => *slot,
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
