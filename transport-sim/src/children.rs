//! Scripted Python children of our workers: how long each task runs, and how it ends.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use mpcsfaas_core::task::{Failure, FailureKind, Outcome, Versions};
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::timing::PAYLOAD_LIMIT;
use mpcsfaas_core::wire::message::TaskRef;
use mpcsfaas_core::worker::Input;
use mpcsfaas_core::worker::child::{ChildFact, ChildOrder, SlotId};

use crate::event::Event;
use crate::history::What;
use crate::place::Place;
use crate::plan::{Bend, Ending, Occasion};
use crate::world::World;

/// The place of one child.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slot {
    /// How many children it has had, as far as their ends were seen.
    generation: u64,
    /// Whether the present one has started and has not ended.
    pub(crate) ready: bool,
    /// What it runs.
    pub(crate) running: Option<TaskRef>,
    /// What it has been given and has not begun.
    pipe: VecDeque<TaskRef>,
    /// Until when what it says waits: an answer may lie in the quiet pipe.
    quiet_until: Instant,
}

/// How long a child takes to start, and to end when it is told to.
const START: Duration = Duration::from_millis(40);
const END: Duration = Duration::from_millis(1);

/// How long an answer lies in the quiet pipe while there is more to run.
const QUIET: Duration = Duration::from_micros(900);

/// How long it takes to be certain what a child has not begun.
const SETTLING: Duration = Duration::from_millis(1);

/// A result that is too large.
static TOO_MUCH: [u8; PAYLOAD_LIMIT + 1] = [0; PAYLOAD_LIMIT + 1];

/// What an attempt returns: its own name, so that a judge can tell whose result was committed.
pub fn result_of(task: TaskRef) -> Bytes {
    let mut bytes = [0; 20];
    bytes[..16].copy_from_slice(&task.task.0.to_be_bytes());
    bytes[16..].copy_from_slice(&task.attempt.to_be_bytes());
    Bytes::copy_from_slice(&bytes)
}

/// Which attempt of a task returned this.
pub(crate) fn attempt_of(result: &[u8]) -> Option<u32> {
    let attempt: [u8; 4] = result.get(16..)?.try_into().ok()?;
    Some(u32::from_be_bytes(attempt))
}

impl World {
    pub(crate) fn obey_child_order(&mut self, worker: usize, order: ChildOrder) {
        match order {
            ChildOrder::Spawn { slot } => {
                let fact = match self.bend(Occasion::Spawn(worker)) {
                    Some(Bend::Fails) => exited(slot, Some(1), None),
                    Some(_) | None => ChildFact::Ready {
                        slot,
                        versions: Versions::default(),
                        reads_ahead: true,
                    },
                };
                self.child_will(worker, START, fact);
            }
            ChildOrder::Execute {
                slot,
                task,
                attempt,
                ..
            } => {
                let child = self.slot(worker, slot);
                // Its end is on its way to the worker, and says that this has not begun.
                if child.ready {
                    child.pipe.push_back(TaskRef { task, attempt });
                    self.begin_next(worker, slot);
                }
            }
            ChildOrder::Recall { slot } => self.take_back(worker, slot),
            ChildOrder::Terminate { slot } | ChildOrder::Kill { slot } => {
                self.child_will(worker, END, exited(slot, None, Some(15)));
            }
        }
    }

    /// A child that runs nothing begins what it was given next.
    fn begin_next(&mut self, worker: usize, id: SlotId) {
        let slot = self.slot(worker, id);
        if slot.running.is_none()
            && let Some(task) = slot.pipe.pop_front()
        {
            slot.running = Some(task);
            self.execute(worker, id, task);
        }
    }

    /// Takes back what a child has not begun. Of the first it is sometimes known a little later.
    fn take_back(&mut self, worker: usize, id: SlotId) {
        let slot = self.slot(worker, id);
        let mut tasks = Vec::from(std::mem::take(&mut slot.pipe));
        let late = match tasks.first() {
            Some(first) if first.task.0 % 2 == 1 => tasks.drain(..1).collect(),
            Some(_) | None => Vec::new(),
        };
        for (after, tasks) in [(SETTLING, tasks), (2 * SETTLING, late)] {
            let is_answer = after == SETTLING;
            if is_answer || !tasks.is_empty() {
                self.child_will(worker, after, ChildFact::Recalled { slot: id, tasks });
            }
        }
    }

    fn execute(&mut self, worker: usize, slot: SlotId, task: TaskRef) {
        let Some(script) = self.script(task.task) else {
            return;
        };
        let (runs, ends) = (script.runs, script.ends);
        let at = Place::Worker(worker);
        self.see(What::Started { at, task });
        let replied = |outcome| ChildFact::Replied {
            slot,
            task: task.task,
            attempt: task.attempt,
            outcome,
            took: runs,
        };
        let fact = match ends {
            Ending::Returns => replied(Outcome::completed(result_of(task))),
            Ending::Raises => replied(raised()),
            Ending::Exits => exited(slot, Some(1), None),
            Ending::Crashes => exited(slot, None, Some(11)),
            Ending::ReturnsTooMuch => replied(Outcome::completed(Bytes::from_static(&TOO_MUCH))),
            Ending::Hangs => return,
        };
        self.child_will(worker, runs, fact);
    }

    fn slot(&mut self, worker: usize, slot: SlotId) -> &mut Slot {
        let slots = &mut self.workers[worker].slots;
        let index = slot as usize;
        if index >= slots.len() {
            slots.resize(index + 1, Slot::default());
        }
        &mut slots[index]
    }

    fn child_will(&mut self, worker: usize, after: Duration, fact: ChildFact) {
        let life = self.workers[worker].node.life;
        let generation = self.slot(worker, slot_of(&fact)).generation;
        let event = Event::Child {
            worker,
            life,
            generation,
            fact,
        };
        self.schedule(after, event);
    }

    /// Whether the child of which this was to be told has ended before, or its worker has.
    pub(crate) fn child_is_gone(
        &self,
        worker: usize,
        life: u64,
        generation: u64,
        fact: &ChildFact,
    ) -> bool {
        let seat = &self.workers[worker];
        let slot = seat.slots.get(slot_of(fact) as usize);
        let present = slot.map_or(0, |slot| slot.generation);
        seat.node.life != life || present != generation
    }

    /// A child does something, unless it is gone: an exit is its last fact. It does so whether or
    /// not its parent stands still.
    pub(crate) fn child_has(
        &mut self,
        worker: usize,
        life: u64,
        generation: u64,
        mut fact: ChildFact,
    ) {
        if self.child_is_gone(worker, life, generation, &fact) {
            return;
        }
        let id = slot_of(&fact);
        let slot = self.slot(worker, id);
        let by_itself = match &mut fact {
            ChildFact::Recalled { .. } => None,
            ChildFact::Ready { .. } => {
                slot.ready = true;
                None
            }
            ChildFact::Replied { .. } => Some(true),
            ChildFact::Exited { signal, begun, .. } => {
                slot.generation += 1;
                slot.ready = false;
                slot.pipe.clear();
                *begun = slot.running.into_iter().collect();
                Some(*signal != Some(15))
            }
        };
        if let Some(by_itself) = by_itself
            && let Some(task) = slot.running.take()
        {
            let at = Place::Worker(worker);
            self.see(What::Stopped {
                at,
                task,
                by_itself,
            });
        }
        self.tell_fact(worker, life, fact);
        self.begin_next(worker, id);
    }

    /// A fact reaches the worker: a little later, if it is an answer while there is more to run, and
    /// never before an earlier one.
    fn tell_fact(&mut self, worker: usize, life: u64, fact: ChildFact) {
        let now = self.now;
        let slot = self.slot(worker, slot_of(&fact));
        let is_quiet = matches!(fact, ChildFact::Replied { .. }) && !slot.pipe.is_empty();
        if is_quiet && slot.quiet_until <= now {
            slot.quiet_until = now + QUIET;
        }
        let wait = slot.quiet_until.since(now);
        let event = Event::ToWorker(worker, life, Input::Child(fact));
        if !wait.is_zero() {
            self.schedule(wait, event);
            return;
        }
        if let Some(Event::ToWorker(worker, life, input)) = self.admit(event) {
            self.tell_worker(worker, life, input);
        }
    }
}

const fn slot_of(fact: &ChildFact) -> SlotId {
    match fact {
        ChildFact::Ready { slot, .. }
        | ChildFact::Replied { slot, .. }
        | ChildFact::Recalled { slot, .. }
        | ChildFact::Exited { slot, .. } => *slot,
    }
}

fn raised() -> Outcome {
    Outcome {
        result: Err(Failure::new(FailureKind::Raised, "scripted")),
        output: Bytes::new(),
    }
}

fn exited(slot: SlotId, code: Option<i32>, signal: Option<i32>) -> ChildFact {
    ChildFact::Exited {
        slot,
        code,
        signal,
        output: Bytes::new(),
        // Filled in when it happens.
        begun: Vec::new(),
    }
}
