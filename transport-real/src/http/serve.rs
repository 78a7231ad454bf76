//! Connections: how many, how long each may be silent, and how they end.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::error::ApiError;
use super::stall::StallGuard;

/// How many connections over the limit are told so at once; those beyond are just closed.
const REFUSED_AT_ONCE: usize = 64;

/// How long to pause when the system has no connection to give (no file descriptor is left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The largest head of a request.
const HEAD_LIMIT: usize = 64 * 1024;

/// The limits of connections (P13).
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Connections at once. One more is answered 503.
    pub connections: usize,
    /// How long a request's head may take, and how long a kept connection may be idle.
    pub head_timeout: Duration,
    /// How long a client may leave its answer unread.
    pub stall_timeout: Duration,
    /// How long requests may go on after shutdown began.
    pub drain: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> ConnectionLimits {
        ConnectionLimits {
            connections: 900,
            head_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(10),
        }
    }
}

/// Serves the routes until `shutdown`. Requests in flight are then finished, clients that wait for
/// a task are answered at once, and what is not done at the drain limit is cut.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    limits: ConnectionLimits,
    shutdown: impl Future<Output = ()>,
) {
    let (closing, is_closing) = watch::channel(false);
    let door = Door {
        app,
        limits,
        seats: Arc::new(Semaphore::new(limits.connections)),
        refusals: Arc::new(Semaphore::new(REFUSED_AT_ONCE)),
        closing: Closing(Some(is_closing)),
    };
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => door.admit(stream, &mut connections),
                Err(error) => pause_after(&error).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    drop(listener);
    // The receivers are gone if no connection is open.
    let _ = closing.send(true);
    let all_done = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain, all_done).await.is_err() {
        tracing::warn!("requests were still running at the drain limit");
    }
}

async fn pause_after(error: &io::Error) {
    let of_the_peer = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    );
    if !of_the_peer {
        tracing::error!(%error, "cannot accept a connection");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

/// Lets connections in, as far as there are seats.
struct Door {
    app: Router,
    limits: ConnectionLimits,
    seats: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    closing: Closing,
}

impl Door {
    fn admit(&self, stream: TcpStream, connections: &mut JoinSet<()>) {
        // Answers are small and clients wait for each.
        let _ = stream.set_nodelay(true);
        let closing = self.closing.clone();
        if let Ok(seat) = Arc::clone(&self.seats).try_acquire_owned() {
            let routes = TowerToHyperService::new(self.app.clone());
            let for_requests = closing.clone();
            let service = service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(for_requests.clone());
                routes.call(request)
            });
            let limits = self.limits;
            connections.spawn(converse(stream, service, limits, closing, Some(seat)));
        } else if let Ok(seat) = Arc::clone(&self.refusals).try_acquire_owned() {
            let service = service_fn(|_| async {
                Ok::<Response, Infallible>(ApiError::Overloaded("connections").into_response())
            });
            let limits = ConnectionLimits {
                head_timeout: Duration::from_secs(1),
                stall_timeout: Duration::from_secs(1),
                ..self.limits
            };
            connections.spawn(converse(stream, service, limits, closing, Some(seat)));
        }
    }
}

async fn converse<S>(
    stream: TcpStream,
    service: S,
    limits: ConnectionLimits,
    closing: Closing,
    _seat: Option<OwnedSemaphorePermit>,
) where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible>,
{
    let stream = TokioIo::new(StallGuard::new(stream, limits.stall_timeout));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(stream, service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closing.closed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

/// Tells that the gateway is shutting down. A request that did not come through [`serve`] is never
/// told.
#[derive(Clone)]
pub(super) struct Closing(Option<watch::Receiver<bool>>);

impl Closing {
    /// Returns when shutdown begins.
    pub(super) async fn closed(mut self) {
        match &mut self.0 {
            // The sender is dropped only after it has sent.
            Some(closing) => {
                let _ = closing.wait_for(|closing| *closing).await;
            }
            None => std::future::pending().await,
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Closing {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Closing, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or(Closing(None)))
    }
}
