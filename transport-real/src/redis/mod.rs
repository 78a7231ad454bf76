//! The store on Redis (or Valkey): one atomic script per operation.
//!
//! The scripts do exactly what `mpcsfaas_core::store` says; a differential test holds the two
//! together. [`open`] starts one task that owns the connections: one for scripts, on which many
//! requests are in flight at once, and one for the doorbell. It reconnects by itself; a request
//! that it cannot carry out now is answered [`StoreAway`](crate::store::StoreAway).
//!
//! Reading order: [`shard`] (an operation as a command), `reply` (its answer), `text` and
//! `function` (how values are written), `link` (the connections). The task is
//! [`store::owner`](crate::store::owner). The layout of the keys is in `docs/adr/0003`.

mod function;
mod link;
mod reply;
mod script;
pub mod shard;
mod text;

use std::time::Duration;

use mpcsfaas_core::store::Config;
use redis::{ConnectionInfo, IntoConnectionInfo};
use thiserror::Error;

use crate::store::owner::{self, OwnerConfig};
use crate::store::{StoreHandle, channel};

/// Where a store is, and how it behaves.
#[derive(Clone, Debug)]
pub struct RedisConfig {
    server: ConnectionInfo,
    /// The limits and times of the store. All that share one Redis should agree on them.
    pub store: Config,
    /// The queue shard, which becomes the hash tag of every key.
    pub shard: String,
    /// Which notices this store passes on.
    pub hears: Hears,
    /// How long Redis may take to answer before it counts as away. Also the limit of one attempt
    /// to connect.
    pub timeout: Duration,
}

/// Which notices are wanted. Each that is not costs the server and the reader nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Hears {
    /// That the queue has got tasks, and which tasks have ended.
    #[default]
    All,
    /// That the queue has got tasks: whoever claims them needs no more.
    Doorbell,
    /// Which tasks have ended: whoever waits for results needs no more, and the doorbell may carry tasks.
    Endings,
}

/// The text is no URL of a Redis server.
#[derive(Debug, Error)]
#[error("not a Redis URL (redis://[user:password@]host[:port][/db] or unix:///path): {0}")]
pub struct BadUrl(#[from] redis::RedisError);

impl RedisConfig {
    /// The defaults: shard `q0`, an answer within 2 s.
    ///
    /// # Errors
    /// [`BadUrl`] if `url` names no Redis server. Nothing is contacted yet.
    pub fn new(url: &str) -> Result<RedisConfig, BadUrl> {
        Ok(RedisConfig {
            server: url.into_connection_info()?,
            store: Config::default(),
            shard: "q0".to_owned(),
            hears: Hears::All,
            timeout: Duration::from_secs(2),
        })
    }
}

/// Starts the task that owns the store, and answers the handle to it. The task ends when the last
/// handle has been dropped. To be called within a tokio runtime.
///
/// The link starts as down and the first attempt to connect begins at once; requests wait for the
/// end of that attempt. In a later outage they are refused without a wait.
pub fn open(config: RedisConfig) -> StoreHandle {
    let (handle, served) = channel();
    let behaviour = OwnerConfig {
        patience: config.timeout,
        seed: rand::random(),
    };
    tokio::spawn(owner::serve(
        link::RedisHome::new(config),
        behaviour,
        served,
    ));
    handle
}
