//! Runs a worker machine over a connection to a dispatcher and a pool of Python children.

use std::ops::ControlFlow;

use mpcsfaas_core::id::Session;
use mpcsfaas_core::machine::Machine;
use mpcsfaas_core::wire::message::FromWorker;
use mpcsfaas_core::worker::child::{ChildFact, ChildOrder};
use mpcsfaas_core::worker::{Input, Output};
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::drive::drive;
use crate::hops::{self, Hop};

/// Makes connections to a dispatcher.
///
/// The returned sender is the connection: what is sent on it goes to the dispatcher, what the
/// dispatcher says comes as an input, and its end as `ConnectionClosed` of this session. Dropping
/// the sender closes the connection.
pub trait Dial: Send {
    /// Makes the connection of a session; does not wait for it.
    fn dial(
        &mut self,
        session: Session,
        inputs: mpsc::Sender<Input>,
    ) -> mpsc::UnboundedSender<FromWorker>;
}

/// Runs a worker, whose time is that of `clock`, until it has drained. A `DrainRequested` put into
/// `inputs` begins the end.
///
/// `command` carries out an order for a Python child and must not block; what comes of it is among
/// the `facts`.
pub async fn run(
    worker: impl Machine<Input = Input, Output = Output>,
    clock: Clock,
    (mut command, facts): (impl FnMut(ChildOrder), mpsc::Receiver<ChildFact>),
    mut dial: impl Dial,
    (inputs_in, inputs): (mpsc::Sender<Input>, mpsc::Receiver<Input>),
) {
    let bringer = tokio::spawn(bring_facts(facts, inputs_in.clone()));
    let mut connection: Option<mpsc::UnboundedSender<FromWorker>> = None;
    drive(worker, clock, inputs, |output| {
        match output {
            Output::Connect { session } => {
                // The old one goes first, so that its end is not taken for the new one's.
                connection = None;
                connection = Some(dial.dial(session, inputs_in.clone()));
            }
            Output::Send(message) => {
                hops::to_dispatcher(Hop::Reported, &message);
                if let Some(connection) = &connection {
                    let _ = connection.send(message);
                }
            }
            Output::Child(order) => {
                hops::ordered(&order);
                command(order);
            }
            Output::Exit => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    })
    .await;
    bringer.abort();
}

async fn bring_facts(mut facts: mpsc::Receiver<ChildFact>, inputs: mpsc::Sender<Input>) {
    while let Some(fact) = facts.recv().await {
        hops::learned(&fact);
        if inputs.send(Input::Child(fact)).await.is_err() {
            return;
        }
    }
}
