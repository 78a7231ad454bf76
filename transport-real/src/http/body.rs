//! Request bodies under their limits: type, size, time and memory (P13).

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use super::Gateway;
use super::error::ApiError;
use super::refuse::{echo, not_an_object};

/// The unit in which room for bodies is counted, and the largest body that needs none.
const MEMORY_UNIT: usize = 64 * 1024;

/// A body over the limit is read and thrown away up to so many times the limit, because a client
/// that is still sending does not see the answer.
const DISCARD_FACTOR: usize = 4;

/// How many units of memory so many bytes are.
pub(super) fn memory_units(bytes: usize) -> usize {
    bytes.div_ceil(MEMORY_UNIT)
}

/// A body, and its share of the memory for bodies.
pub(super) struct Received {
    pub(super) bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

/// Reads a JSON body.
///
/// # Errors
/// 422 if its type is not JSON, 413 over the limit, 408 if it does not arrive in time, 503 if there
/// is no room for it.
pub(super) async fn receive(
    gateway: &Gateway,
    headers: &HeaderMap,
    body: Body,
) -> Result<Received, ApiError> {
    let reading = receive_within(gateway, headers, body);
    match tokio::time::timeout(gateway.config.body_timeout, reading).await {
        Ok(received) => received,
        Err(_) => Err(ApiError::SlowBody),
    }
}

async fn receive_within(
    gateway: &Gateway,
    headers: &HeaderMap,
    body: Body,
) -> Result<Received, ApiError> {
    let limit = gateway.config.body_limit();
    let too_large = || ApiError::TooLarge {
        limit: gateway.config.payload_limit,
    };
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        // A client that asks before it sends needs no more than the answer.
        if !headers.contains_key(header::EXPECT) {
            discard(body, limit.saturating_mul(DISCARD_FACTOR)).await;
        }
        return Err(too_large());
    }
    let room = room_for(gateway, announced.unwrap_or(limit)).await?;
    let Some(bytes) = collect(body, limit).await? else {
        return Err(too_large());
    };
    match is_json(headers) {
        true => Ok(Received { bytes, _room: room }),
        false => Err(not_an_object(echo(&Value::String(
            String::from_utf8_lossy(&bytes).into_owned(),
        )))
        .into()),
    }
}

/// Does what takes time in proportion to `bytes`: here if they are few, and otherwise on a thread
/// that may block, so that one large payload does not hold up everybody's small ones.
///
/// # Errors
/// [`ApiError::Internal`] if it panics.
pub(super) async fn work_on<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    if bytes <= MEMORY_UNIT {
        return Ok(work());
    }
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| ApiError::Internal)
}

async fn room_for(
    gateway: &Gateway,
    bytes: usize,
) -> Result<Option<OwnedSemaphorePermit>, ApiError> {
    if bytes <= MEMORY_UNIT {
        return Ok(None);
    }
    let all = memory_units(gateway.config.body_memory);
    let units = u32::try_from(memory_units(bytes).min(all)).unwrap_or(u32::MAX);
    let memory = Arc::clone(&gateway.body_memory);
    let wait = tokio::time::timeout(
        gateway.config.body_timeout / 2,
        memory.acquire_many_owned(units),
    );
    match wait.await {
        Ok(Ok(permit)) => Ok(Some(permit)),
        Ok(Err(_)) | Err(_) => Err(ApiError::Overloaded("memory for request bodies")),
    }
}

/// The whole body, or `None` if it is over the limit.
async fn collect(body: Body, limit: usize) -> Result<Option<Bytes>, ApiError> {
    let mut chunks = body.into_data_stream();
    let mut whole = BytesMut::new();
    let mut first = Bytes::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| ApiError::SlowBody)?;
        if first.len() + whole.len() + chunk.len() > limit {
            discard(
                Body::from_stream(chunks),
                limit.saturating_mul(DISCARD_FACTOR),
            )
            .await;
            return Ok(None);
        }
        // Most bodies come in one piece, which is then not copied.
        match (first.is_empty(), whole.is_empty()) {
            (true, true) => first = chunk,
            (false, _) => {
                whole.extend_from_slice(&std::mem::take(&mut first));
                whole.extend_from_slice(&chunk);
            }
            (true, false) => whole.extend_from_slice(&chunk),
        }
    }
    match whole.is_empty() {
        true => Ok(Some(first)),
        false => Ok(Some(whole.freeze())),
    }
}

async fn discard(body: Body, at_most: usize) {
    let mut chunks = body.into_data_stream();
    let mut left = at_most;
    while let Some(Ok(chunk)) = chunks.next().await {
        match left.checked_sub(chunk.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// Whether the body is declared as JSON. A script may leave the type out, as it could with the
/// original; a web page may not, because it could then run functions behind its reader's back
/// without the browser asking the gateway first.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return !headers.contains_key(header::ORIGIN);
    };
    let essence = value.to_str().unwrap_or_default().split(';').next();
    let essence = essence.unwrap_or_default().trim().to_ascii_lowercase();
    let subtype = essence.strip_prefix("application/");
    subtype.is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
}
