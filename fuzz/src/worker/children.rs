//! What a driver knows of its children, and what they may tell.

use mpcsfaas_core::task::Versions;
use mpcsfaas_core::wire::message::TaskRef;
use mpcsfaas_core::worker::Worker;
use mpcsfaas_core::worker::child::{ChildFact, ChildOrder, SlotId};

use crate::draw::Draw;

/// A child as its driver sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Child {
    /// There is none.
    Gone,
    /// It was started.
    Starting,
    /// It waits.
    Ready,
    /// It was given a task.
    Runs(TaskRef),
}

/// The children, by slot.
pub(super) struct Children(Vec<Child>);

impl Children {
    pub(super) fn new(processes: u32) -> Children {
        Children(vec![Child::Gone; processes as usize])
    }

    /// Notes an order.
    ///
    /// # Panics
    /// If the child is not one that can be given it.
    pub(super) fn obey(&mut self, order: &ChildOrder) {
        match order {
            ChildOrder::Spawn { slot } => {
                let child = self.at(*slot);
                assert_eq!(*child, Child::Gone, "two children in slot {slot}");
                *child = Child::Starting;
            }
            ChildOrder::Execute {
                slot,
                task,
                attempt,
                ..
            } => {
                let child = self.at(*slot);
                assert_eq!(*child, Child::Ready, "slot {slot} cannot run anything");
                *child = Child::Runs(TaskRef {
                    task: *task,
                    attempt: *attempt,
                });
            }
            ChildOrder::Terminate { slot } | ChildOrder::Kill { slot } => {
                let child = self.at(*slot);
                assert_ne!(*child, Child::Gone, "nobody to end in slot {slot}");
            }
        }
    }

    /// Something that a child may do next.
    pub(super) fn fact(&mut self, draw: &mut Draw<'_>) -> Option<ChildFact> {
        let slot = draw.index(self.0.len()) as SlotId;
        let exits = draw.rarely(4);
        let child = self.at(slot);
        match *child {
            Child::Gone => None,
            Child::Starting | Child::Ready | Child::Runs(_) if exits => {
                *child = Child::Gone;
                Some(draw.exit(slot))
            }
            Child::Starting => {
                *child = Child::Ready;
                Some(ChildFact::Ready {
                    slot,
                    versions: Versions::default(),
                })
            }
            Child::Ready => None,
            Child::Runs(TaskRef { task, attempt }) => {
                *child = Child::Ready;
                Some(ChildFact::Replied {
                    slot,
                    task,
                    attempt,
                    outcome: draw.outcome(),
                })
            }
        }
    }

    /// Whether a driver could tell this although it makes no sense: a reply to another task, or of a
    /// slot that does not exist. That a child is ready or gone is the driver's own knowledge.
    pub(super) fn is_possible(&self, fact: &ChildFact) -> bool {
        match fact {
            ChildFact::Ready { slot, .. } | ChildFact::Exited { slot, .. } => {
                *slot as usize >= self.0.len()
            }
            ChildFact::Replied {
                slot,
                task,
                attempt,
                ..
            } => {
                let runs = Child::Runs(TaskRef {
                    task: *task,
                    attempt: *attempt,
                });
                self.0.get(*slot as usize) != Some(&runs)
            }
        }
    }

    /// What the worker takes for running is what was ordered.
    pub(super) fn check(&self, worker: &Worker) {
        for task in worker.running() {
            assert!(
                self.0.contains(&Child::Runs(task)),
                "{task} runs nowhere: {:?}",
                self.0
            );
        }
    }

    fn at(&mut self, slot: SlotId) -> &mut Child {
        match self.0.get_mut(slot as usize) {
            Some(child) => child,
            None => panic!("there is no slot {slot}"),
        }
    }
}

impl Draw<'_> {
    /// Any fact, of any slot.
    pub(super) fn child_fact(&mut self) -> ChildFact {
        let slot = self.one_of(&[0, 1, 2, SlotId::MAX]);
        match self.index(4) {
            0 => ChildFact::Ready {
                slot,
                versions: self.versions(),
            },
            1 => self.exit(slot),
            _ => {
                let TaskRef { task, attempt } = self.task_ref();
                ChildFact::Replied {
                    slot,
                    task,
                    attempt,
                    outcome: self.outcome(),
                }
            }
        }
    }

    fn exit(&mut self, slot: SlotId) -> ChildFact {
        ChildFact::Exited {
            slot,
            code: self.flag().then_some(1),
            signal: self.flag().then_some(9),
            output: self.bytes(3),
        }
    }
}
