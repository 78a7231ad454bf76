//! An endpoint that tries again at once where nobody answers.

use mpcsfaas_transport_real::zmq::socket::Endpoint;
use mpcsfaas_transport_sim::Place;

use crate::line;
use crate::sockets::{SimDealer, SimEndpoint, SocketError};

/// Hammers on the first dispatcher's door.
#[derive(Clone, Debug)]
pub(crate) struct Hammering(pub(crate) SimEndpoint);

impl Endpoint for Hammering {
    type Socket = SimDealer;

    async fn connect(&self, identity: &str) -> Result<SimDealer, SocketError> {
        let (here, there) = (Place::Worker(self.0.worker), Place::Dispatcher(0));
        loop {
            if let Ok(line) = line::connect_once(&self.0.world, here, there).await {
                return self.0.greet(there, line, identity).await;
            }
        }
    }
}
