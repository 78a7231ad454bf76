//! A dispatcher believes whoever uses a worker's name: what a stranger says counts as the worker's
//! word (R5, and what a ROUTER that hands identities over would do).

use std::collections::BTreeMap;

use mpcsfaas_core::dispatcher::{Dispatcher, Input, Peer};
use mpcsfaas_core::id::{Session, WorkerId};
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::{ToDispatcher, UNNUMBERED};
use mpcsfaas_transport_sim::tamper::Tamper;

use super::Bug;

pub(super) const BUG: Bug = Bug::of_dispatchers(
    "identity-handed-over",
    "a dispatcher takes a stranger's word for that of the worker whose name it uses",
    || Box::<IdentityHandedOver>::default(),
);

/// Puts a worker's connection, session and next number on what a stranger says in its name.
#[derive(Clone, Debug, Default)]
struct IdentityHandedOver {
    present: BTreeMap<WorkerId, Seat>,
}

/// A worker's conversation.
#[derive(Clone, Debug)]
struct Seat {
    peer: Peer,
    session: Session,
    /// The last number of the conversation, as the dispatcher counts it.
    last: u64,
    /// How many messages of strangers are among them.
    strangers: u64,
}

impl Tamper<Dispatcher> for IdentityHandedOver {
    fn input(&mut self, _now: Instant, _dispatcher: &Dispatcher, mut input: Input) -> Vec<Input> {
        let Input::MessageReceived { peer, message } = &mut input else {
            return vec![input];
        };
        if matches!(message.body, ToDispatcher::Hello(_)) {
            let seat = Seat {
                peer: peer.clone(),
                session: message.session,
                last: message.number,
                strangers: 0,
            };
            let before = self.present.get(&message.worker);
            if before.is_none_or(|before| before.session < seat.session) {
                self.present.insert(message.worker, seat);
            }
            return vec![input];
        }
        let Some(seat) = self.present.get_mut(&message.worker) else {
            return vec![input];
        };
        let known = peer
            .identity
            .starts_with(message.worker.to_string().as_bytes());
        if !known {
            seat.last += 1;
            seat.strangers += 1;
            *peer = seat.peer.clone();
            (message.session, message.number) = (seat.session, seat.last);
        } else if message.session == seat.session {
            if let ToDispatcher::Beat { last, .. } = &mut message.body {
                *last += seat.strangers;
            }
            if message.number != UNNUMBERED {
                message.number += seat.strangers;
                seat.last = seat.last.max(message.number);
            }
        }
        vec![input]
    }
}
