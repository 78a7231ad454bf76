//! The description of the routes, for programs (`/openapi.json`) and people (`/docs`).

use axum::Router;
use utoipa::OpenApi;
use utoipa_swagger_ui::SwaggerUi;

use super::{batch, functions, health, inspect, tasks};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "mpcsfaas",
        description = "Runs Python functions. Payloads and results are pickles in base64, which \
            the platform passes on and never opens.",
    ),
    tags(
        (name = "Functions", description = "What can be run"),
        (name = "Tasks", description = "What runs"),
        (name = "Platform", description = "What it runs on"),
    ),
    paths(
        functions::register,
        tasks::execute,
        tasks::status,
        tasks::result,
        tasks::cancel,
        batch::submit,
        batch::results,
        inspect::task,
        inspect::overview,
        health::root,
        health::alive,
        health::ready,
    ),
    components(schemas(functions::ClientVersions)),
)]
struct Description;

/// `/openapi.json` and `/docs`.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    SwaggerUi::new("/docs")
        .url("/openapi.json", Description::openapi())
        .into()
}
