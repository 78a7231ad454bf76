//! The connections to Redis, and in which words their trouble is told.

use std::time::Duration;

use futures_util::Stream;
use redis::aio::{MultiplexedConnection, PubSubSink};
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, IntoConnectionInfo, Msg, RedisError,
    ServerErrorKind, Value,
};
use thiserror::Error;
use tokio::time::timeout;

use super::script;
use super::shard::Shard;

/// The oldest version whose commands the scripts need.
const OLDEST: (u32, u32) = (6, 2);

/// A connection that works: the scripts are loaded and the channels subscribed.
pub(super) struct Connected<N> {
    /// Carries scripts; a clone is another handle to the same connection.
    pub(super) commands: MultiplexedConnection,
    /// Messages of the doorbell and of ended tasks. Ends with the connection.
    pub(super) notices: N,
    /// Proves that the connection of the notices is alive.
    pub(super) pinger: PubSubSink,
}

/// Why there is no connection. The URL is never shown: it may carry a password.
#[derive(Debug, Error)]
pub(super) enum Trouble {
    #[error("no Redis at {0}: {1}")]
    Unreachable(String, RedisError),
    #[error("{0} does not answer within {1:?}: Redis is paused or overloaded, or this is no Redis")]
    Silent(String, Duration),
    #[error("what answers at {0} is not Redis: {1}")]
    Foreign(String, RedisError),
    #[error("Redis at {0} does not let us in, see user and password in its URL: {1}")]
    Refused(String, RedisError),
    #[error("Redis at {0} is version {1}, and at least 6.2 is needed")]
    TooOld(String, String),
    #[error("Redis at {0} is not ready: {1}")]
    NotReady(String, RedisError),
    #[error("the connection to Redis at {0} was lost: {1}")]
    Lost(String, RedisError),
    #[error("the connection to Redis at {0} was closed")]
    Closed(String),
}

impl Trouble {
    fn connecting(server: &ConnectionInfo, limit: Duration, error: RedisError) -> Trouble {
        let at = server.addr().to_string();
        match error.kind() {
            ErrorKind::Io if error.is_timeout() => Trouble::Silent(at, limit),
            ErrorKind::AuthenticationFailed => Trouble::Refused(at, error),
            _ if matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM")) => {
                Trouble::Refused(at, error)
            }
            ErrorKind::Parse => Trouble::Foreign(at, error),
            ErrorKind::Server(_) | ErrorKind::Extension => Trouble::NotReady(at, error),
            _ => Trouble::Unreachable(at, error),
        }
    }

    /// What an error on a working connection means, or `None` if it concerns one request only.
    pub(super) fn of_link(
        server: &ConnectionInfo,
        error: &RedisError,
        limit: Duration,
    ) -> Option<Trouble> {
        let at = server.addr().to_string();
        match error.kind() {
            ErrorKind::Io if error.is_timeout() => Some(Trouble::Silent(at, limit)),
            // A replica now, or a server that reads its data: another connection may do better.
            ErrorKind::Server(
                ServerErrorKind::BusyLoading
                | ServerErrorKind::ReadOnly
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ClusterDown,
            ) => Some(Trouble::NotReady(at, error.clone())),
            _ if error.code() == Some("NOAUTH") => Some(Trouble::Refused(at, error.clone())),
            ErrorKind::Server(_) | ErrorKind::Extension => None,
            _ => Some(Trouble::Lost(at, error.clone())),
        }
    }
}

/// Connects, looks at the version, loads the scripts and subscribes, all within `limit`.
pub(super) async fn connect(
    server: &ConnectionInfo,
    shard: &Shard,
    limit: Duration,
) -> Result<Connected<impl Stream<Item = Msg> + Unpin + use<>>, Trouble> {
    timeout(limit, connect_all(server, shard, limit))
        .await
        .unwrap_or_else(|_| Err(Trouble::Silent(server.addr().to_string(), limit)))
}

async fn connect_all(
    server: &ConnectionInfo,
    shard: &Shard,
    limit: Duration,
) -> Result<Connected<impl Stream<Item = Msg> + Unpin + use<>>, Trouble> {
    let failed = |error| Trouble::connecting(server, limit, error);
    let tcp = server.tcp_settings().clone().set_nodelay(true);
    let client = server
        .clone()
        .set_tcp_settings(tcp)
        .into_connection_info()
        .and_then(Client::open)
        .map_err(failed)?;
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(limit))
        .set_response_timeout(Some(limit));
    let mut commands = client
        .get_multiplexed_async_connection_with_config(&config)
        .await
        .map_err(failed)?;
    if let Some(version) = too_old(&mut commands).await.map_err(failed)? {
        return Err(Trouble::TooOld(server.addr().to_string(), version));
    }
    let mut load = redis::pipe();
    for script in script::ALL {
        load.load_script(script).ignore();
    }
    load.exec_async(&mut commands).await.map_err(failed)?;
    let (mut pinger, notices) = client.get_async_pubsub().await.map_err(failed)?.split();
    pinger
        .subscribe(&[shard.doorbell(), shard.ended()])
        .await
        .map_err(failed)?;
    Ok(Connected {
        commands,
        notices,
        pinger,
    })
}

/// The server's version if it is too old. One that keeps its version to itself passes.
async fn too_old(commands: &mut MultiplexedConnection) -> Result<Option<String>, RedisError> {
    let mut info = redis::cmd("INFO");
    info.arg("server");
    let told = match info.query_async(commands).await {
        Ok(Value::BulkString(told)) => told,
        Ok(_) => return Ok(None),
        Err(error) if error.code() == Some("NOPERM") => return Ok(None),
        Err(error) => return Err(error),
    };
    let told = String::from_utf8_lossy(&told);
    let version = told
        .lines()
        .find_map(|line| line.strip_prefix("redis_version:"))
        .unwrap_or_default();
    let mut numbers = version
        .split('.')
        .map_while(|part| part.parse::<u32>().ok());
    Ok(match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) if (major, minor) < OLDEST => Some(version.to_owned()),
        _ => None,
    })
}
