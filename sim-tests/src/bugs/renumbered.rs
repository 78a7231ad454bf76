//! Numbers of a dispatcher's messages when some are said in between that it does not know of.

use std::collections::BTreeMap;

use mpcsfaas_core::dispatcher::Peer;
use mpcsfaas_core::id::Session;
use mpcsfaas_core::wire::message::{FromDispatcher, ToWorker, UNNUMBERED};

/// Counts what was said on each connection, so that a bug is not given away by a gap.
#[derive(Clone, Debug, Default)]
pub(super) struct Renumbered {
    connections: BTreeMap<Peer, Said>,
}

/// What was said on a connection.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    /// The number of the last message.
    last: u64,
    /// How many of them the dispatcher does not know of.
    more: u64,
}

impl Renumbered {
    /// Gives a message of the dispatcher the number that is due.
    pub(super) fn follow(&mut self, peer: &Peer, message: &mut FromDispatcher) {
        let said = self.connections.entry(peer.clone()).or_default();
        if let ToWorker::Beat { last } = &mut message.body {
            *last += said.more;
        }
        if message.number != UNNUMBERED {
            message.number += said.more;
            said.last = message.number;
        }
    }

    /// A message more. `None`: nothing was said on this connection yet.
    pub(super) fn insert(
        &mut self,
        peer: &Peer,
        session: Session,
        body: ToWorker,
    ) -> Option<FromDispatcher> {
        let said = self.connections.get_mut(peer)?;
        said.last += 1;
        said.more += 1;
        Some(FromDispatcher {
            session,
            number: said.last,
            body,
        })
    }
}
