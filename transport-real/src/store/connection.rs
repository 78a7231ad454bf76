//! What a store's owner needs of the home that it connects to.

use std::error::Error;
use std::future::Future;

use futures_util::Stream;
use mpcsfaas_core::store::{Notice, Op, Reply};

/// A store that is reached over a connection.
pub trait Home: Send + Sync {
    /// A connection that works.
    type Connection: Connection;
    /// Hints that arrive on it, until it ends.
    type Notices: Stream<Item = Notice> + Unpin + Send;

    /// Makes a connection, or gives up within this home's own limit.
    ///
    /// # Errors
    /// Why there is none.
    fn connect(
        &self,
    ) -> impl Future<Output = Result<(Self::Connection, Self::Notices), TroubleOf<Self>>> + Send;

    /// What it means that the notices of a connection have ended.
    fn closed(&self) -> TroubleOf<Self>;
}

/// Why a home has no connection.
pub type TroubleOf<H> = <<H as Home>::Connection as Connection>::Trouble;

/// A connection on which many requests are in flight at once; a clone is the same connection.
pub trait Connection: Clone + Send + 'static {
    /// What can be wrong with it.
    type Trouble: Error + Send + 'static;

    /// Asks, and waits for the answer as long as this home allows. Dropping the future gives up the
    /// answer; the operation may be carried out all the same.
    fn ask(
        self,
        op: Op,
    ) -> impl Future<Output = Result<Reply, Unanswered<Self::Trouble>>> + Send + 'static;

    /// Whether the connection lives, its notices included.
    fn ping(self) -> impl Future<Output = Result<(), Unanswered<Self::Trouble>>> + Send + 'static;
}

/// Why a request has no answer.
#[derive(Debug)]
pub enum Unanswered<T> {
    /// It concerns this request only.
    Refused(T),
    /// There was no answer in time. The connection may be busy, or dead.
    Late(T),
    /// The connection is of no use any more.
    Lost(T),
}
