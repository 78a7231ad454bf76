//! What a dispatcher orders.

use super::input::Peer;
use crate::store::{Op, RequestId};
use crate::wire::json;
use crate::wire::message::FromDispatcher;

/// An order of the dispatcher.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Output {
    /// Send a message.
    Send {
        /// To whom.
        peer: Peer,
        /// What.
        message: FromDispatcher,
    },
    /// Send a message in the original's dialect.
    SendLegacy {
        /// To whom.
        peer: Peer,
        /// What.
        message: json::ToWorker,
    },
    /// Ask the store. Answered by `StoreReplied` or `StoreFailed`; requests may overtake each other.
    Store {
        /// Names the request. A repeat has the same name.
        request: RequestId,
        /// What is asked.
        op: Op,
    },
    /// Everything is handed over: end the process.
    Exit,
}
