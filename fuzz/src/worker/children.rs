//! What a driver knows of its children, and what they may tell.

use std::time::Duration;

use mpcsfaas_core::task::Versions;
use mpcsfaas_core::wire::message::TaskRef;
use mpcsfaas_core::worker::Worker;
use mpcsfaas_core::worker::child::{ChildFact, ChildOrder, SlotId};

use crate::draw::Draw;

/// A child as its driver sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Child {
    /// There is none.
    Gone,
    /// It was started.
    Starting,
    /// It is ready, and has been given these, in this order.
    Has(Given),
}

/// What a child has been given and has not answered.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Given {
    tasks: Vec<TaskRef>,
    reads_ahead: bool,
    /// Whether it was asked for what it has not begun.
    is_asked: bool,
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
                let Child::Has(given) = self.at(*slot) else {
                    panic!("slot {slot} cannot run anything");
                };
                assert!(
                    given.tasks.is_empty() || given.reads_ahead,
                    "slot {slot} runs something"
                );
                given.tasks.push(TaskRef {
                    task: *task,
                    attempt: *attempt,
                });
            }
            ChildOrder::Recall { slot } => {
                let Child::Has(given) = self.at(*slot) else {
                    panic!("nobody to ask in slot {slot}");
                };
                given.is_asked = true;
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
        let begun = draw.flag();
        let child = self.at(slot);
        match child {
            Child::Gone => None,
            Child::Starting if exits => {
                *child = Child::Gone;
                Some(draw.exit(slot, Vec::new()))
            }
            Child::Starting => {
                let reads_ahead = draw.flag();
                *child = Child::Has(Given {
                    reads_ahead,
                    ..Given::default()
                });
                Some(ChildFact::Ready {
                    slot,
                    versions: Versions::default(),
                    reads_ahead,
                })
            }
            Child::Has(given) if exits => {
                let count = usize::from(begun).min(given.tasks.len());
                let begun = given.tasks[..count].to_vec();
                *child = Child::Gone;
                Some(draw.exit(slot, begun))
            }
            Child::Has(given) if given.is_asked => {
                given.is_asked = false;
                let from = usize::from(begun).min(given.tasks.len());
                let tasks = given.tasks.split_off(from);
                Some(ChildFact::Recalled { slot, tasks })
            }
            Child::Has(given) if given.tasks.is_empty() => None,
            Child::Has(given) => {
                let TaskRef { task, attempt } = given.tasks.remove(0);
                Some(ChildFact::Replied {
                    slot,
                    task,
                    attempt,
                    outcome: draw.outcome(),
                    took: draw.took(),
                })
            }
        }
    }

    /// Whether a driver could tell this although it makes no sense: a reply to another task, or of a
    /// slot that does not exist. That a child is ready or gone is the driver's own knowledge.
    pub(super) fn is_possible(&self, fact: &ChildFact) -> bool {
        match fact {
            ChildFact::Ready { slot, .. }
            | ChildFact::Recalled { slot, .. }
            | ChildFact::Exited { slot, .. } => *slot as usize >= self.0.len(),
            ChildFact::Replied {
                slot,
                task,
                attempt,
                ..
            } => {
                let task = TaskRef {
                    task: *task,
                    attempt: *attempt,
                };
                match self.0.get(*slot as usize) {
                    Some(Child::Has(given)) => !given.tasks.contains(&task),
                    Some(Child::Gone | Child::Starting) | None => true,
                }
            }
        }
    }

    /// What the worker takes for running is what was ordered.
    pub(super) fn check(&self, worker: &Worker) {
        for task in worker.running() {
            let has =
                |child: &Child| matches!(child, Child::Has(given) if given.tasks.contains(&task));
            assert!(self.0.iter().any(has), "{task} runs nowhere: {:?}", self.0);
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
                reads_ahead: self.flag(),
            },
            1 => self.exit(slot, Vec::new()),
            _ => {
                let TaskRef { task, attempt } = self.task_ref();
                ChildFact::Replied {
                    slot,
                    task,
                    attempt,
                    outcome: self.outcome(),
                    took: self.took(),
                }
            }
        }
    }

    /// How long a child was busy: no time, a short one, or a long one.
    fn took(&mut self) -> Duration {
        Duration::from_micros(self.one_of(&[0, 50, 400, 1_000_000]))
    }

    fn exit(&mut self, slot: SlotId, begun: Vec<TaskRef>) -> ChildFact {
        ChildFact::Exited {
            slot,
            code: self.flag().then_some(1),
            signal: self.flag().then_some(9),
            output: self.bytes(3),
            begun,
        }
    }
}
