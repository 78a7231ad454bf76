//! What a dispatcher learns and how it is set up.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::id::Incarnation;
use crate::store::RequestId;
use crate::store::op::{Ahead, CLAIMS_AHEAD, CLAIMS_KEPT, Mode, Reply};
use crate::timing::Timing;
use crate::wire::json;
use crate::wire::message::FromWorker;

/// Where a message came from and its answer goes: the transport's name of a connection.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Peer {
    /// The identity of the connection, fresh for each.
    pub identity: Bytes,
    /// Whether its frames have an empty delimiter in front: a REQ peer, which waits in lock-step
    /// for one answer a question.
    pub delimited: bool,
}

/// A fact for the dispatcher.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Input {
    /// The store can be reached (again). Outstanding requests may have been lost.
    StoreConnected,
    /// The store cannot be reached.
    StoreDisconnected,
    /// The store answered.
    StoreReplied {
        /// Which request.
        request: RequestId,
        /// With what.
        reply: Reply,
    },
    /// A request could not be delivered, or its answer was lost; it may have been carried out.
    StoreFailed {
        /// Which request.
        request: RequestId,
    },
    /// Somebody has put tasks into the queue. A hint.
    DoorbellRang,
    /// The store has claimed tasks ahead, perhaps for another dispatcher. A hint.
    ClaimedAhead(Ahead),
    /// A worker said something.
    MessageReceived {
        /// From where.
        peer: Peer,
        /// What.
        message: FromWorker,
    },
    /// A worker of the original said something.
    LegacyReceived {
        /// From where.
        peer: Peer,
        /// What.
        message: json::FromWorker,
    },
    /// Bytes arrived that are no message.
    JunkReceived {
        /// From where.
        peer: Peer,
    },
    /// A connection closed.
    PeerClosed {
        /// Whose.
        peer: Peer,
    },
    /// The dispatcher was asked to leave.
    DrainRequested,
}

/// How a dispatcher is set up.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Config {
    /// This life of the dispatcher.
    pub incarnation: Incarnation,
    /// Only for people; each worker is served as it asks to be.
    pub mode: Mode,
    /// Beats and patience.
    pub timing: Timing,
    /// The store's lease time: nobody reaps within one lease of its own connection (R4).
    pub lease: Duration,
    /// How often the lease is renewed, and expired ones are looked for.
    pub renew: Duration,
    /// How often the queue is looked at without a doorbell, while there is free credit.
    pub poll: Duration,
    /// The pause before a failed store request is repeated.
    pub store_retry: Duration,
    /// At most so many tasks a claim.
    pub claim_limit: u32,
    /// At most so many claims wait for their answers, and no more than the store keeps answers, less those to
    /// claims that it carries out ahead (R1).
    pub claims_in_flight: u64,
    /// At most so many batches of commits, of requeues and of adoptions wait for their answers. Beyond
    /// one, all are full.
    pub batches_in_flight: usize,
    /// How many tasks a worker of the original may hold (R15).
    pub json_credit: u32,
    /// How long a `request_task` of the original may wait for the store's answer.
    pub json_patience: Duration,
    /// The most workers at a time; further Hellos are ignored.
    pub worker_limit: usize,
    /// How many functions' bodies are kept.
    pub function_limit: usize,
    /// How long a dead worker's last session is remembered, so that what it said earlier is known
    /// to be old (R5).
    pub memory: Duration,
}

impl Config {
    /// The usual settings.
    pub fn new(incarnation: Incarnation, mode: Mode) -> Config {
        Config {
            incarnation,
            mode,
            timing: Timing::default(),
            lease: Duration::from_secs(10),
            renew: Duration::from_secs(3),
            poll: Duration::from_millis(500),
            store_retry: Duration::from_millis(200),
            claim_limit: 256,
            claims_in_flight: CLAIMS_KEPT - CLAIMS_AHEAD,
            batches_in_flight: 32,
            json_credit: 4,
            json_patience: Duration::from_millis(200),
            worker_limit: 10_000,
            function_limit: 1_024,
            memory: Duration::from_secs(60),
        }
    }
}
