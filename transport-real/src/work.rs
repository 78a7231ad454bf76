//! Runs a worker machine over a connection to a dispatcher and a pool of Python children.

use std::ops::ControlFlow;

use mpcsfaas_core::id::Session;
use mpcsfaas_core::wire::message::FromWorker;
use mpcsfaas_core::worker::child::ChildFact;
use mpcsfaas_core::worker::{Config, Input, Output, Worker};
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::drive::{INPUT_BACKLOG, drive};
use crate::python::{Pool, PoolConfig, StartError};

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

/// Runs a worker until it has drained. A `DrainRequested` put into `inputs` begins the end.
///
/// # Errors
/// The pool of Python children cannot be set up.
pub async fn run(
    config: Config,
    pool: PoolConfig,
    mut dial: impl Dial,
    (inputs_in, inputs): (mpsc::Sender<Input>, mpsc::Receiver<Input>),
) -> Result<(), StartError> {
    let clock = Clock::start();
    let (facts_in, facts) = mpsc::channel(INPUT_BACKLOG);
    let mut pool = Pool::start(pool, facts_in)?;
    let children = tokio::spawn(bring_facts(facts, inputs_in.clone()));
    let worker = Worker::new(config, clock.now());
    let mut connection: Option<mpsc::UnboundedSender<FromWorker>> = None;
    drive(worker, clock, inputs, |output| {
        match output {
            Output::Connect { session } => {
                // The old one goes first, so that its end is not taken for the new one's.
                connection = None;
                connection = Some(dial.dial(session, inputs_in.clone()));
            }
            Output::Send(message) => {
                if let Some(connection) = &connection {
                    let _ = connection.send(message);
                }
            }
            Output::Child(order) => pool.obey(order),
            Output::Exit => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    })
    .await;
    children.abort();
    Ok(())
}

async fn bring_facts(mut facts: mpsc::Receiver<ChildFact>, inputs: mpsc::Sender<Input>) {
    while let Some(fact) = facts.recv().await {
        if inputs.send(Input::Child(fact)).await.is_err() {
            return;
        }
    }
}
