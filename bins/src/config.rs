//! Flags that several commands have, and what they mean.

use std::path::{Path, PathBuf};

use clap::Args;
use mpcsfaas_core::task::Versions;
use mpcsfaas_transport_real::python::environment::{self, EnvironmentError};
use mpcsfaas_transport_real::redis::{self, BadUrl, Hears, RedisConfig};
use mpcsfaas_transport_real::store::{Link, StoreHandle};

/// Where the store is.
#[derive(Clone, Debug, Args)]
pub struct StoreArgs {
    /// The Redis (or Valkey) that holds functions, tasks and results.
    #[arg(
        long = "redis",
        value_name = "URL",
        env = "REDIS_URL",
        default_value = "redis://127.0.0.1:6379/0"
    )]
    pub redis: String,
    /// The queue shard: platforms of different shards do not see each other's tasks.
    #[arg(long, value_name = "NAME", default_value = "q0", hide = true)]
    pub shard: String,
}

impl StoreArgs {
    /// Opens the store. It need not be there yet: whoever asks it waits or is told so.
    ///
    /// # Errors
    /// The URL is none.
    pub fn open(&self, hears: Hears) -> Result<StoreHandle, BadUrl> {
        let mut config = RedisConfig::new(&self.redis)?;
        config.hears = hears;
        config.shard.clone_from(&self.shard);
        let store = redis::open(config);
        tokio::spawn(log_link(store.clone()));
        Ok(store)
    }
}

/// Logs each change of the store's link, so that a dispatcher without a store is not just silent.
async fn log_link(store: StoreHandle) {
    let mut link = store.link();
    loop {
        match link.changed().await {
            Ok(()) => match &*link.borrow_and_update() {
                Link::Up => tracing::info!("the store answers"),
                Link::Down(why) => tracing::warn!(%why, "the store is away"),
            },
            Err(_) => return,
        }
    }
}

/// Which Python runs the functions.
#[derive(Clone, Debug, Args)]
pub struct PythonArgs {
    /// The Python that runs functions; it must have dill, and requests for `run` and `demo`.
    /// Default: an environment of its own under the data directory, made on the first start.
    #[arg(long, env = "MPCSFAAS_PYTHON", value_name = "PATH")]
    pub python: Option<PathBuf>,
    /// The data directory: the Python environment, and the store of `up`. Default:
    /// `$XDG_DATA_HOME/mpcsfaas` or `~/.local/share/mpcsfaas`.
    #[arg(long, env = "MPCSFAAS_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
}

impl PythonArgs {
    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(default_data_dir)
    }

    /// The interpreter, made or checked, and its versions.
    ///
    /// # Errors
    /// There is none that has dill.
    pub async fn resolve(&self) -> Result<(PathBuf, Versions), EnvironmentError> {
        let python = match &self.python {
            Some(python) => python.clone(),
            None => {
                let say = |line: &str| tracing::info!("{line}");
                environment::ensure(&self.data_dir(), say).await?
            }
        };
        let versions = environment::check(&python).await?;
        Ok((python, versions))
    }
}

fn default_data_dir() -> PathBuf {
    let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    match (var("XDG_DATA_HOME"), var("HOME")) {
        (Some(data), _) => Path::new(&data).join("mpcsfaas"),
        (None, Some(home)) => Path::new(&home).join(".local/share/mpcsfaas"),
        (None, None) => PathBuf::from(".mpcsfaas"),
    }
}
