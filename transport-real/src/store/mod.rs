//! The handle through which gateway and dispatcher ask the store, whichever home it has.
//!
//! One task (or thread) owns the home and its connection; everybody else holds a [`StoreHandle`],
//! which is two channels; or, where nothing is waited for, the home itself ([`Direct`]). A request that the home cannot carry out now is answered
//! [`StoreAway`] and may be repeated: every operation is idempotent.
//!
//! A home that is reached over a [`connection`] is served by [`owner`], which reconnects; `batch`
//! puts requests together that travel together.

mod batch;
pub mod connection;
pub mod owner;

use std::fmt;
use std::sync::Arc;

use mpcsfaas_core::store::{Notice, Op, Reply};
use thiserror::Error;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::hops;

/// How many requests may wait in the channel to the store's owner.
pub const REQUEST_BACKLOG: usize = 4_096;

/// How many notices a slow listener may fall behind before it loses the oldest. Losing one is
/// harmless: every listener also polls.
pub const NOTICE_BACKLOG: usize = 1_024;

/// The store cannot be reached now. Whether the operation was carried out is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the store is away: {0}")]
pub struct StoreAway(pub String);

/// Whether the store answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// It answers.
    Up,
    /// It does not, and why.
    Down(String),
}

/// One request on its way to the store's owner.
#[derive(Debug)]
pub struct Request {
    /// What is asked.
    pub op: Op,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Result<Reply, StoreAway>>,
}

/// A home that answers at once, whoever asks.
pub trait Direct: fmt::Debug + Send + Sync {
    /// Carries out a request.
    ///
    /// # Errors
    /// [`StoreAway`] if the home cannot now.
    fn carry_out(&self, op: Op) -> Result<Reply, StoreAway>;
}

/// A cheap, cloneable way to ask the store.
#[derive(Clone, Debug)]
pub struct StoreHandle {
    /// Asked instead of the owner.
    direct: Option<Arc<dyn Direct>>,
    requests: mpsc::Sender<Request>,
    notices: broadcast::Sender<Notice>,
    link: watch::Receiver<Link>,
}

/// The other end of a [`StoreHandle`]: what the store's owner serves.
#[derive(Debug)]
pub struct StoreOwner {
    /// Requests to serve.
    pub requests: mpsc::Receiver<Request>,
    /// Where hints go.
    pub notices: broadcast::Sender<Notice>,
    /// Where the owner says whether it has a connection.
    pub link: watch::Sender<Link>,
}

/// A handle and its owner's end. The link starts as down.
pub fn channel() -> (StoreHandle, StoreOwner) {
    let (requests, served) = mpsc::channel(REQUEST_BACKLOG);
    let (notices, _) = broadcast::channel(NOTICE_BACKLOG);
    let (link, link_seen) = watch::channel(Link::Down("not connected yet".to_owned()));
    (
        StoreHandle {
            direct: None,
            requests,
            notices: notices.clone(),
            link: link_seen,
        },
        StoreOwner {
            requests: served,
            notices,
            link,
        },
    )
}

impl StoreHandle {
    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// [`StoreAway`] if the store could not be reached or its owner has ended.
    pub async fn call(&self, op: Op) -> Result<Reply, StoreAway> {
        let asked = hops::asking(&op);
        let reply = match &self.direct {
            Some(home) => home.carry_out(op)?,
            None => self.ask_owner(op).await?,
        };
        if let Some(asked) = asked {
            asked.answered(&reply);
        }
        Ok(reply)
    }

    async fn ask_owner(&self, op: Op) -> Result<Reply, StoreAway> {
        let (answer, answered) = oneshot::channel();
        let ended = || StoreAway("the store has been shut down".to_owned());
        self.requests
            .send(Request { op, answer })
            .await
            .map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }

    /// A handle that asks `home`, and the owner nothing. The owner still learns when the last handle
    /// is gone.
    pub fn served_by(mut self, home: Arc<dyn Direct>) -> StoreHandle {
        self.direct = Some(home);
        self
    }

    /// Hints from now on.
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    /// Whether the store answers; the receiver also tells of changes.
    pub fn link(&self) -> watch::Receiver<Link> {
        self.link.clone()
    }
}
