//! What a worker has received of its dispatcher: the number that comes next.

use mpcsfaas_core::id::Session;
use mpcsfaas_core::wire::message::{FromDispatcher, UNNUMBERED};

/// Counts as the worker does.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Received {
    session: Session,
    /// The highest number in this session.
    pub(super) last: u64,
}

impl Received {
    /// Takes a message in. Whether it is one of the newest session.
    pub(super) fn follow(&mut self, message: &FromDispatcher) -> bool {
        if message.session > self.session {
            self.session = message.session;
            self.last = 0;
        }
        let present = message.session == self.session;
        if message.number != UNNUMBERED && present {
            self.last = self.last.max(message.number);
        }
        present
    }
}
