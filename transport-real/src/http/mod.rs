//! The gateway: HTTP routes over the store. It asks the store and nobody else, so it works without
//! a dispatcher and can run in any number.
//!
//! ```text
//!  client ──HTTP──▶ serve ──▶ app (routes) ──▶ StoreHandle ──▶ store
//!                    limits      │ wait ◀────── notices ◀─────┘
//! ```
//!
//! Reading order: `functions` and `tasks` (the original's routes), `batch` and `inspect` (the routes of `/v1`),
//! `wait` (how a client sleeps until its task ends), `body`, `fields` and `params` (what a client
//! sent), `refuse` (what is wrong with it, in FastAPI's words), `error` (every refusal), `health`,
//! `openapi`, `serve` and `stall` (connections).
//!
//! No payload is ever unpickled here: `mpcsfaas_core::pickle` says what one is.

mod batch;
mod body;
mod error;
mod fields;
mod functions;
mod health;
mod inspect;
mod openapi;
mod params;
mod refuse;
mod serve;
mod stall;
mod tasks;
mod wait;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use mpcsfaas_core::id::FunctionId;
use mpcsfaas_core::mime_base64;
use mpcsfaas_core::store::{Op, Reply};
use mpcsfaas_core::task::Options;
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;

use self::error::ApiError;
pub use self::serve::{ConnectionLimits, serve};
use self::wait::Waits;
use crate::store::{StoreAway, StoreHandle};

/// The limits of the gateway's requests (P13).
#[derive(Clone, Copy, Debug)]
pub struct HttpConfig {
    /// The largest payload, in bytes after base64 is taken off. More: 413.
    pub payload_limit: usize,
    /// How many bytes of request bodies over 64 KiB may be in memory at once. A body that finds no
    /// room waits as long as it may take to arrive, then 503.
    pub body_memory: usize,
    /// How long a body may take to arrive. Longer: 408.
    pub body_timeout: Duration,
    /// How long the store may take to answer. Longer: 503.
    pub store_timeout: Duration,
    /// The longest `?wait=`; a longer one is cut to this.
    pub wait_limit: Duration,
    /// How many waits for a task may be open at once, counted for each client and each task that
    /// it waits for. More: 503.
    pub waiter_limit: usize,
    /// How often states of waited-for tasks are read in case a notice was lost: each of a few, and
    /// of many each in its turn.
    pub backup_poll: Duration,
    /// How many functions' options are remembered, so that a submit need not ask for them.
    pub function_cache: usize,
    /// The store's loss limit (R14), to tell people how many tries are left.
    pub max_losses: u32,
}

impl Default for HttpConfig {
    fn default() -> HttpConfig {
        HttpConfig {
            payload_limit: 8 * 1024 * 1024,
            body_memory: 256 * 1024 * 1024,
            body_timeout: Duration::from_secs(60),
            store_timeout: Duration::from_secs(5),
            wait_limit: Duration::from_secs(60),
            waiter_limit: 100_000,
            backup_poll: Duration::from_millis(500),
            function_cache: 10_000,
            max_losses: 3,
        }
    }
}

impl HttpConfig {
    /// The largest body: a payload in lines of base64, each line feed escaped for JSON in two
    /// characters, and 64 KiB for everything else.
    fn body_limit(&self) -> usize {
        let base64 = mime_base64::encoded_len(self.payload_limit);
        base64 + base64 / 76 + 64 * 1024
    }
}

/// The routes over a store. Must be called inside a tokio runtime; the task that it starts to wake
/// waiting clients ends with the router.
pub fn app(store: StoreHandle, config: HttpConfig) -> Router {
    let gateway = Gateway {
        waits: Waits::start(store.clone(), &config),
        functions: Cache::new(config.function_cache),
        body_memory: Arc::new(Semaphore::new(body::memory_units(config.body_memory))),
        store,
        config,
    };
    Router::new()
        .route("/", get(health::root))
        .route("/register_function", post(functions::register))
        .route("/execute_function", post(tasks::execute))
        .route("/status/{task_id}", get(tasks::status))
        .route("/result/{task_id}", get(tasks::result))
        .route(
            "/v1/tasks/{task_id}",
            get(inspect::task).delete(tasks::cancel),
        )
        .route("/v1/tasks:batch", post(batch::submit))
        .route("/v1/results", post(batch::results))
        .route("/v1/overview", get(inspect::overview))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .merge(openapi::routes())
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .with_state(Arc::new(gateway))
}

/// What the routes share.
struct Gateway {
    store: StoreHandle,
    config: HttpConfig,
    waits: Waits,
    /// The options of functions that exist. A function never changes, so an entry never is stale.
    functions: Cache<FunctionId, Options>,
    /// Room for bodies, in units of [`body::memory_units`].
    body_memory: Arc<Semaphore>,
}

impl Gateway {
    /// Asks the store, for at most the time that the configuration allows.
    async fn ask(&self, op: Op) -> Result<Reply, ApiError> {
        match tokio::time::timeout(self.config.store_timeout, self.store.call(op)).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(StoreAway("it did not answer in time".to_owned()).into()),
        }
    }
}
