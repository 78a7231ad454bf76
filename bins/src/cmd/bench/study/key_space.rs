//! The study's own keys in a Redis that may have others: a queue shard with a name of its own, and
//! the functions that were registered. Both are removed again.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client};
use thiserror::Error;
use tokio::time::timeout;

/// How long Redis may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// How many keys are looked at, and removed, at a time.
const AT_A_TIME: usize = 500;

/// Why there is no Redis to study with.
#[derive(Debug, Error)]
pub enum KeySpaceError {
    /// The text is no URL.
    #[error("`{url}` is no Redis URL: {source}")]
    Url {
        /// The text.
        url: String,
        /// What is wrong with it.
        source: redis::RedisError,
    },
    /// Nobody answers, or not as a Redis does.
    #[error("no Redis answers at {url}: {source}")]
    Away {
        /// Which.
        url: String,
        /// Why not.
        source: redis::RedisError,
    },
    /// It is silent.
    #[error("the Redis at {url} did not answer within {} s", ANSWER_LIMIT.as_secs())]
    Silent {
        /// Which.
        url: String,
    },
}

/// A part of a Redis that nobody else uses.
#[derive(Clone, Debug)]
pub struct KeySpace {
    url: String,
    shard: String,
}

impl KeySpace {
    /// A new one. Nothing is contacted yet.
    pub fn new(url: &str) -> KeySpace {
        KeySpace {
            url: url.to_owned(),
            shard: format!("study-{:016x}", rand::random::<u64>()),
        }
    }

    /// The Redis.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The Redis, as it may be shown.
    pub fn shown_url(&self) -> String {
        without_password(&self.url)
    }

    /// The name of the queue shard.
    pub fn shard(&self) -> &str {
        &self.shard
    }

    /// Asks the server what it is, such as `7.2.4`.
    ///
    /// # Errors
    /// It is not there.
    pub async fn server_version(&self) -> Result<String, KeySpaceError> {
        let mut connection = self.connect().await?;
        let asked = redis::cmd("INFO").arg("server").to_owned();
        let info: String = self.bounded(asked.query_async(&mut connection)).await?;
        let field = |name: &str| {
            let mut lines = info.lines();
            lines
                .find_map(|line| line.strip_prefix(name))
                .map(str::trim)
        };
        Ok(match (field("valkey_version:"), field("redis_version:")) {
            (Some(version), _) => format!("Valkey {version}"),
            (None, Some(version)) => format!("Redis {version}"),
            (None, None) => "unknown".to_owned(),
        })
    }

    /// How much memory the server uses for everything that it holds, in bytes, and how much processor
    /// time it has used.
    ///
    /// # Errors
    /// It is not there.
    pub async fn server_use(&self) -> Result<(u64, Duration), KeySpaceError> {
        let mut connection = self.connect().await?;
        let asked = redis::cmd("INFO").to_owned();
        let info: String = self.bounded(asked.query_async(&mut connection)).await?;
        let field = |name: &str| -> Option<f64> {
            let value = info.lines().find_map(|line| line.strip_prefix(name))?;
            value.trim().parse().ok()
        };
        let memory = field("used_memory:").unwrap_or(0.0) as u64;
        let cpu = ["used_cpu_user:", "used_cpu_sys:"].map(|name| field(name).unwrap_or(0.0));
        let cpu = Duration::try_from_secs_f64(cpu.iter().sum()).unwrap_or_default();
        Ok((memory, cpu))
    }

    /// Removes every key of the shard, and these functions.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn clear(&self, functions: &[String]) -> Result<(), KeySpaceError> {
        let mut connection = self.connect().await?;
        let of_functions = functions.iter().map(|id| format!("function:{id}"));
        self.remove(&mut connection, of_functions.collect()).await?;
        let pattern = format!("mpcsfaas:{{{}}}:*", self.shard);
        let mut cursor = 0;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern);
            scan.arg("COUNT").arg(AT_A_TIME);
            let (next, keys): (u64, Vec<String>) =
                self.bounded(scan.query_async(&mut connection)).await?;
            self.remove(&mut connection, keys).await?;
            cursor = next;
            if cursor == 0 {
                return Ok(());
            }
        }
    }

    async fn remove(
        &self,
        connection: &mut MultiplexedConnection,
        keys: Vec<String>,
    ) -> Result<(), KeySpaceError> {
        for some in keys.chunks(AT_A_TIME) {
            let mut unlink = redis::cmd("UNLINK");
            unlink.arg(some);
            let _: u64 = self.bounded(unlink.query_async(connection)).await?;
        }
        Ok(())
    }

    async fn connect(&self) -> Result<MultiplexedConnection, KeySpaceError> {
        let client = Client::open(self.url.as_str()).map_err(|source| KeySpaceError::Url {
            url: self.shown_url(),
            source,
        })?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER_LIMIT))
            .set_response_timeout(Some(ANSWER_LIMIT));
        self.bounded(client.get_multiplexed_async_connection_with_config(&config))
            .await
    }

    async fn bounded<T>(
        &self,
        asked: impl Future<Output = redis::RedisResult<T>>,
    ) -> Result<T, KeySpaceError> {
        let url = || self.shown_url();
        match timeout(ANSWER_LIMIT, asked).await {
            Ok(answer) => answer.map_err(|source| KeySpaceError::Away { url: url(), source }),
            Err(_) => Err(KeySpaceError::Silent { url: url() }),
        }
    }
}

/// A URL without what only its user should know.
pub fn without_password(url: &str) -> String {
    let hidden = || {
        let (scheme, rest) = url.split_once("://")?;
        let (credentials, place) = rest.rsplit_once('@')?;
        let (user, _) = credentials.split_once(':')?;
        Some(format!("{scheme}://{user}:***@{place}"))
    };
    hidden().unwrap_or_else(|| url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let shown = [
            ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
            ("redis://me:p@ss@host/1", "redis://me:***@host/1"),
            ("redis://:secret@host", "redis://:***@host"),
        ];
        for (url, expected) in shown {
            assert_eq!(without_password(url), expected);
        }
    }

    #[test]
    fn two_studies_do_not_share_a_shard() {
        let (one, other) = (KeySpace::new("redis://h"), KeySpace::new("redis://h"));
        assert_ne!(one.shard(), other.shard());
    }

    #[tokio::test]
    async fn a_redis_that_is_not_there_is_named() {
        let closed = KeySpace::new("redis://me:secret@127.0.0.1:1/0");
        let error = closed.server_version().await.unwrap_err().to_string();
        assert!(error.contains("redis://me:***@127.0.0.1:1/0"), "{error}");
        let error = KeySpace::new("nonsense")
            .server_version()
            .await
            .unwrap_err();
        assert!(matches!(error, KeySpaceError::Url { .. }), "{error}");
    }
}
