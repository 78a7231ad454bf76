//! Whether the gateway lives, and whether the platform behind it can run a task.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::Gateway;
use crate::store::Link;

/// The original's greeting.
#[derive(Serialize, ToSchema)]
pub(super) struct Greeting {
    /// Says that it runs.
    message: &'static str,
}

/// That the process lives.
#[derive(Serialize, ToSchema)]
pub(super) struct Alive {
    /// Always `ok`.
    status: &'static str,
}

/// Whether the platform can run a task.
#[derive(Serialize, ToSchema)]
pub(super) struct Readiness {
    /// Whether a task that is submitted now would run.
    ready: bool,
    /// The first part that is missing, in words.
    missing: Option<&'static str>,
    /// `up`, or why the store cannot be reached.
    store: String,
    /// Dispatchers with a live lease.
    dispatchers: usize,
    /// Workers of dispatchers that are not leaving.
    workers: u64,
}

/// Greets, as the original does.
#[utoipa::path(
    get, path = "/", tag = "Platform",
    responses((status = 200, description = "The gateway runs", body = Greeting))
)]
pub(super) async fn root() -> Json<Greeting> {
    Json(Greeting {
        message: "MPCSFaaS Platform is running",
    })
}

/// Says that the process lives, whatever is behind it.
#[utoipa::path(
    get, path = "/healthz", tag = "Platform",
    responses((status = 200, description = "The gateway runs", body = Alive))
)]
pub(super) async fn alive() -> Json<Alive> {
    Json(Alive { status: "ok" })
}

/// Says whether a task would run, and which part is missing if not.
#[utoipa::path(
    get, path = "/readyz", tag = "Platform",
    responses(
        (status = 200, description = "Ready", body = Readiness),
        (status = 503, description = "Not ready", body = Readiness),
    )
)]
pub(super) async fn ready(State(gateway): State<Arc<Gateway>>) -> (StatusCode, Json<Readiness>) {
    let readiness = gateway.readiness().await;
    let status = match readiness.ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(readiness))
}

impl Gateway {
    async fn readiness(&self) -> Readiness {
        let down = |why: String| Readiness {
            ready: false,
            missing: Some("the store is away"),
            store: why,
            dispatchers: 0,
            workers: 0,
        };
        let link = self.store.link().borrow().clone();
        if let Link::Down(why) = link {
            return down(why);
        }
        let overview = match self.platform().await {
            Ok(overview) => overview,
            Err(error) => return down(error.to_string()),
        };
        let dispatchers = overview.dispatchers.len();
        let serving = overview
            .dispatchers
            .iter()
            .filter_map(|(_, report)| *report);
        let serving = serving.filter(|report| !report.draining);
        let workers = serving.map(|report| u64::from(report.workers)).sum();
        let missing = match (dispatchers, workers) {
            (0, _) => Some("no dispatcher is running"),
            (_, 0) => Some("no dispatcher has a worker"),
            _ => None,
        };
        Readiness {
            ready: missing.is_none(),
            missing,
            store: "up".to_owned(),
            dispatchers,
            workers,
        }
    }
}
