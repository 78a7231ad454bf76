//! Registering functions, and knowing which exist.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use bytes::Bytes;
use mpcsfaas_core::id::FunctionId;
use mpcsfaas_core::store::{Op, Reply};
use mpcsfaas_core::task::{Function, Options};
use mpcsfaas_core::{mime_base64, pickle};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Gateway;
use super::body::{receive, work_on};
use super::error::{ApiError, BadPayload, Refusal, ValidationError};
use super::fields::{Fields, given, parse};

/// The body of `POST /register_function`.
#[derive(Deserialize, ToSchema)]
pub(super) struct RegisterFunction {
    /// What to call it; need not be unique.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, max_length = 1024)]
    name: Option<Value>,
    /// The pickled function in base64: `codecs.encode(dill.dumps(f), "base64")`.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String)]
    payload: Option<Value>,
    /// Kill a task of this function when it has run for so many seconds, unless it says otherwise.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<f64>, required = false)]
    timeout_s: Option<Value>,
    /// Rather fail a task of this function than risk that it runs twice, unless it says otherwise.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<bool>, required = false)]
    at_most_once: Option<Value>,
    /// Who pickled it; shown when a worker cannot unpickle it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<ClientVersions>, required = false)]
    client: Option<Value>,
}

/// The versions of the side that pickled a function.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only describes a JSON object")]
pub(super) struct ClientVersions {
    /// Python, such as `3.11.7`.
    python: Option<String>,
    /// dill, such as `0.4.0`.
    dill: Option<String>,
}

/// A registered function.
#[derive(Serialize, ToSchema)]
pub(super) struct Registered {
    /// The id to execute it by.
    function_id: Uuid,
}

/// Registers a function.
#[utoipa::path(
    post, path = "/register_function", tag = "Functions", request_body = RegisterFunction,
    responses(
        (status = 200, description = "It is registered", body = Registered),
        (status = 400, description = "The payload cannot be a pickled function", body = Refusal),
        (status = 413, description = "The payload is over the limit", body = Refusal),
        (status = 422, description = "The body has not the right shape", body = ValidationError),
        (status = 503, description = "The store is away", body = Refusal),
    )
)]
pub(super) async fn register(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Registered>, ApiError> {
    let received = receive(&gateway, &headers, body).await?;
    let (bytes, limit) = (received.bytes.clone(), gateway.config.payload_limit);
    let function = work_on(bytes.len(), move || function_in(&bytes, limit)).await??;
    let id = FunctionId(Uuid::new_v4().as_u128());
    let options = function.options;
    match gateway.ask(Op::PutFunction { id, function }).await? {
        Reply::Done => gateway.functions.insert(id, options),
        other => return Err(ApiError::unexpected(&other)),
    }
    Ok(Json(Registered {
        function_id: Uuid::from_u128(id.0),
    }))
}

fn function_in(bytes: &[u8], payload_limit: usize) -> Result<Function, ApiError> {
    let body: RegisterFunction = parse(bytes)?;
    let mut fields = Fields::new(bytes);
    let name = fields.name("name", body.name);
    let payload = fields.text("payload", body.payload);
    let options = Options {
        timeout_ms: fields.timeout_ms("timeout_s", body.timeout_s),
        at_most_once: fields
            .flag("at_most_once", body.at_most_once)
            .unwrap_or(false),
    };
    let pickled_by = fields.versions("client", body.client);
    let (name, payload, options, pickled_by) =
        fields.finish((name, payload, options, pickled_by))?;
    let body = decode(&payload, payload_limit)?;
    pickle::check_function(&body).map_err(BadPayload::from)?;
    Ok(Function {
        name,
        body,
        options,
        pickled_by,
    })
}

/// The bytes of a payload.
pub(super) fn decode(payload: &str, limit: usize) -> Result<Bytes, ApiError> {
    let bytes = mime_base64::decode_lenient(payload.as_bytes()).map_err(BadPayload::from)?;
    match bytes.len() <= limit {
        true => Ok(bytes.into()),
        false => Err(ApiError::TooLarge { limit }),
    }
}

impl Gateway {
    /// The options of a function.
    ///
    /// # Errors
    /// [`ApiError::UnknownFunction`] if it does not exist.
    pub(super) async fn function_options(&self, id: FunctionId) -> Result<Options, ApiError> {
        if let Some(options) = self.functions.get(&id) {
            return Ok(options);
        }
        match self.ask(Op::GetFunction { id }).await? {
            Reply::Function(Some(function)) => {
                self.functions.insert(id, function.options);
                Ok(function.options)
            }
            Reply::Function(None) => Err(ApiError::UnknownFunction),
            other => Err(ApiError::unexpected(&other)),
        }
    }
}
