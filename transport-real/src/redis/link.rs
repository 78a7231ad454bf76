//! The connections to Redis, and in which words their trouble is told.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{BoxStream, StreamExt};
use mpcsfaas_core::store::{Notice, Op, Reply};
use redis::aio::{MultiplexedConnection, PubSubSink};
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, IntoConnectionInfo, Msg, RedisError,
    RedisResult, ServerErrorKind, Value,
};
use thiserror::Error;
use tokio::time::timeout;

use super::shard::{Call, Malformed, Plan, Shard};
use super::{Hears, RedisConfig};
use super::{reply, script};
use crate::store::connection::{Connection, Home, Unanswered};

/// The oldest version whose commands the scripts need.
const OLDEST: (u32, u32) = (6, 2);

/// Where Redis is, and what is done on it.
#[derive(Debug)]
pub(super) struct RedisHome(Arc<Setting>);

#[derive(Debug)]
struct Setting {
    server: ConnectionInfo,
    shard: Shard,
    hears: Hears,
    /// Of an answer, and of an attempt to connect.
    limit: Duration,
}

/// A connection that works: the scripts are loaded and the channels subscribed.
#[derive(Clone)]
pub(super) struct RedisConnection {
    /// Carries scripts; a clone is another handle to the same connection.
    commands: MultiplexedConnection,
    /// Proves that the connection of the notices is alive.
    pinger: PubSubSink,
    setting: Arc<Setting>,
}

impl RedisHome {
    pub(super) fn new(config: RedisConfig) -> RedisHome {
        RedisHome(Arc::new(Setting {
            shard: Shard::new(&config.shard, config.store),
            server: config.server,
            hears: config.hears,
            limit: config.timeout,
        }))
    }
}

impl Home for RedisHome {
    type Connection = RedisConnection;
    type Notices = BoxStream<'static, Notice>;

    /// Connects, looks at the version, loads the scripts and subscribes, all within the limit.
    async fn connect(&self) -> Result<(RedisConnection, Self::Notices), Trouble> {
        let setting = &self.0;
        let connected = timeout(setting.limit, connect_all(setting))
            .await
            .unwrap_or_else(|_| Err(setting.silence()))?;
        tracing::info!(server = %setting.server.addr(), "connected to Redis");
        Ok(connected)
    }

    fn closed(&self) -> Trouble {
        Trouble::Closed(self.0.server.addr().to_string())
    }
}

impl Connection for RedisConnection {
    type Trouble = Trouble;

    fn ask(
        self,
        op: Op,
    ) -> impl Future<Output = Result<Reply, Unanswered<Trouble>>> + Send + 'static {
        let plan = self.setting.shard.plan(&op, None);
        async move {
            let call = match plan {
                Plan::Ask(call) => call,
                Plan::Known(reply) => return Ok(reply),
            };
            match ask(self.commands, &call).await {
                Ok(value) => call
                    .read(value)
                    .map_err(|error| Unanswered::Refused(error.into())),
                Err(error) => Err(self.setting.unanswered(error)),
            }
        }
    }

    async fn ping(mut self) -> Result<(), Unanswered<Trouble>> {
        let ping = redis::cmd("PING");
        let both = async {
            ping.exec_async(&mut self.commands).await?;
            self.pinger.ping::<Value>().await
        };
        let pinged = timeout(self.setting.limit, both).await;
        match pinged.map_err(|_| Unanswered::Late(self.setting.silence()))? {
            Ok(_) => Ok(()),
            Err(error) => match self.setting.unanswered(error) {
                // An answer, if not the best.
                Unanswered::Refused(_) => Ok(()),
                unanswered => Err(unanswered),
            },
        }
    }
}

/// Sends one call. A script that the server has lost (restart, flush) is loaded and called again:
/// the server has done nothing yet.
async fn ask(mut commands: MultiplexedConnection, call: &Call) -> RedisResult<Value> {
    let first = call.command.query_async(&mut commands).await;
    match (&first, call.script) {
        (Err(error), Some(script)) if error.kind() == ServerErrorKind::NoScript.into() => {
            script.load_async(&mut commands).await?;
            call.command.query_async(&mut commands).await
        }
        _ => first,
    }
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
    #[error(transparent)]
    Request(RedisError),
    #[error(transparent)]
    Malformed(#[from] Malformed),
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
}

impl Setting {
    fn silence(&self) -> Trouble {
        Trouble::Silent(self.server.addr().to_string(), self.limit)
    }

    /// What an error on a working connection means.
    fn unanswered(&self, error: RedisError) -> Unanswered<Trouble> {
        let at = || self.server.addr().to_string();
        match error.kind() {
            ErrorKind::Io if error.is_timeout() => Unanswered::Late(self.silence()),
            // A replica now, or a server that reads its data: another connection may do better.
            ErrorKind::Server(
                ServerErrorKind::BusyLoading
                | ServerErrorKind::ReadOnly
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ClusterDown,
            ) => Unanswered::Lost(Trouble::NotReady(at(), error)),
            _ if error.code() == Some("NOAUTH") => Unanswered::Lost(Trouble::Refused(at(), error)),
            ErrorKind::Server(_) | ErrorKind::Extension => {
                Unanswered::Refused(Trouble::Request(error))
            }
            _ => Unanswered::Lost(Trouble::Lost(at(), error)),
        }
    }
}

async fn connect_all(
    setting: &Arc<Setting>,
) -> Result<(RedisConnection, BoxStream<'static, Notice>), Trouble> {
    let Setting {
        server,
        shard,
        hears,
        limit,
    } = &**setting;
    let failed = |error| Trouble::connecting(server, *limit, error);
    let tcp = server.tcp_settings().clone().set_nodelay(true);
    let client = server
        .clone()
        .set_tcp_settings(tcp)
        .into_connection_info()
        .and_then(Client::open)
        .map_err(failed)?;
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(*limit))
        .set_response_timeout(Some(*limit));
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
    let channels = match hears {
        Hears::All => vec![shard.doorbell(), shard.ended()],
        Hears::Doorbell => vec![shard.doorbell()],
        Hears::Endings => vec![shard.ended()],
    };
    pinger.subscribe(channels).await.map_err(failed)?;
    let doorbell = shard.doorbell();
    let notices = notices.map(move |message| notice(&doorbell, &message));
    let connection = RedisConnection {
        commands,
        pinger,
        setting: Arc::clone(setting),
    };
    Ok((connection, notices.boxed()))
}

fn notice(doorbell: &str, message: &Msg) -> Notice {
    match message.get_channel_name() == doorbell {
        true => reply::doorbell(message.get_payload_bytes()),
        false => Notice::Ended(reply::endings(message.get_payload_bytes())),
    }
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
