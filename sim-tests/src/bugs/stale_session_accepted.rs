//! A dispatcher looks a worker up by its name and not by its session: what was said in an older
//! session counts in the present one (R5).

use std::collections::BTreeMap;

use mpcsfaas_core::dispatcher::{Dispatcher, Input, Peer};
use mpcsfaas_core::id::{Session, WorkerId};
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::ToDispatcher;
use mpcsfaas_transport_sim::tamper::Tamper;

use super::Bug;

pub(super) const BUG: Bug = Bug::of_dispatchers(
    "stale-session-accepted",
    "a dispatcher takes what was said in an older session for the present one's",
    || Box::<StaleSessionAccepted>::default(),
)
.wanting("more messages that outlive their session");

/// Puts the present session on what belongs to an older one.
#[derive(Clone, Debug, Default)]
struct StaleSessionAccepted {
    present: BTreeMap<WorkerId, (Peer, Session)>,
}

impl Tamper<Dispatcher> for StaleSessionAccepted {
    fn input(&mut self, _now: Instant, _dispatcher: &Dispatcher, mut input: Input) -> Vec<Input> {
        if let Input::MessageReceived { peer, message } = &mut input {
            let last = self.present.get(&message.worker);
            match &message.body {
                ToDispatcher::Hello(_) => {
                    if last.is_none_or(|(_, session)| *session < message.session) {
                        let present = (peer.clone(), message.session);
                        self.present.insert(message.worker, present);
                    }
                }
                ToDispatcher::Beat { .. }
                | ToDispatcher::Pull { .. }
                | ToDispatcher::Finished(_)
                | ToDispatcher::Returned { .. }
                | ToDispatcher::Goodbye { .. } => {
                    if let Some((present, session)) = last
                        && message.session < *session
                    {
                        *peer = present.clone();
                        message.session = *session;
                    }
                }
            }
        }
        vec![input]
    }
}
