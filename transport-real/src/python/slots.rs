//! All slots of a worker: a task each, and the channels by which orders reach them.

use mpcsfaas_core::worker::child::{ChildFact, ChildOrder};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::child::Launcher;
use super::order::Order;
use super::slot::{Limits, Slot};

/// The slots of one worker. Dropping it ends their tasks.
#[derive(Debug)]
pub struct Slots {
    orders: Vec<mpsc::UnboundedSender<Order>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Slots {
    /// Empty slots, one for each launcher; [`ChildOrder::Spawn`] fills them. Facts arrive in order
    /// for each slot. If nobody takes them the slots wait; if the receiver is closed a child ends
    /// at its next fact.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start<L: Launcher>(
        launchers: impl IntoIterator<Item = L>,
        limits: Limits,
        facts: &mpsc::Sender<ChildFact>,
    ) -> Slots {
        let mut slots = Slots {
            orders: Vec::new(),
            tasks: Vec::new(),
        };
        for (id, launcher) in (0..).zip(launchers) {
            let (orders, ordered) = mpsc::unbounded_channel();
            let slot = Slot {
                id,
                limits,
                orders: ordered,
                facts: facts.clone(),
                launcher,
            };
            slots.orders.push(orders);
            slots.tasks.push(tokio::spawn(slot.serve()));
        }
        slots
    }

    /// Carries out an order, or passes it on to the slot; never blocks. An order to a child that
    /// has just ended is dropped: the fact that answers it is on its way.
    ///
    /// # Panics
    /// There is no such slot.
    pub fn obey(&mut self, order: ChildOrder) {
        let (slot, order) = Order::from_machine(order);
        // A slot's task ends early only when the facts' receiver is gone.
        let _ = self.orders[slot as usize].send(order);
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}
