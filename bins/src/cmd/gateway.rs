//! `mpcsfaas gateway`: the HTTP API over a store.

use std::net::IpAddr;
use std::num::NonZeroUsize;

use clap::Args;
use mpcsfaas_transport_real::http::{ConnectionLimits, HttpConfig, app, serve};
use mpcsfaas_transport_real::redis::{BadUrl, Hears};
use mpcsfaas_transport_real::store::StoreHandle;
use thiserror::Error;
use tokio::net::TcpListener;

use crate::config::StoreArgs;
use crate::shutdown::{self, Shutdown};

/// Arguments of `mpcsfaas gateway`.
#[derive(Debug, Args)]
pub struct GatewayArgs {
    /// End at once when standard input ends: the parent holds its other end.
    #[arg(long, hide = true)]
    with_parent: bool,
    #[command(flatten)]
    address: AddressArgs,
    /// Threads that serve clients. One is quickest for each request; more serve more of them, on a
    /// machine that has the processors.
    #[arg(
        long,
        value_name = "N",
        env = "MPCSFAAS_GATEWAY_THREADS",
        default_value = "1"
    )]
    pub threads: NonZeroUsize,
    #[command(flatten)]
    store: StoreArgs,
}

/// Where the gateway listens.
#[derive(Clone, Debug, Args)]
pub struct AddressArgs {
    /// The address for clients; 0.0.0.0 for all. Whoever can reach it can run code.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "MPCSFAAS_HOST",
        default_value = "127.0.0.1"
    )]
    pub host: IpAddr,
    /// The port for clients.
    #[arg(long, env = "MPCSFAAS_PORT", default_value_t = 8000)]
    pub port: u16,
}

/// Why a gateway cannot run.
#[derive(Debug, Error)]
pub enum GatewayError {
    /// No URL.
    #[error(transparent)]
    Redis(#[from] BadUrl),
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {host}:{port}: {source}")]
    Listen {
        /// The address.
        host: IpAddr,
        /// The port.
        port: u16,
        /// Why not.
        source: std::io::Error,
    },
    /// Signals.
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] std::io::Error),
}

/// Serves until it is told to drain.
///
/// # Errors
/// See [`GatewayError`].
pub async fn run(args: GatewayArgs) -> Result<(), GatewayError> {
    let shutdown = shutdown::listen().map_err(GatewayError::Signals)?;
    if args.with_parent {
        shutdown::end_with_parent();
    }
    let store = args.store.open(Hears::Endings)?;
    let listener = listen(&args.address).await?;
    serve_on(listener, store, shutdown).await;
    Ok(())
}

/// Binds the gateway's address.
///
/// # Errors
/// [`GatewayError::Listen`].
pub async fn listen(address: &AddressArgs) -> Result<TcpListener, GatewayError> {
    let AddressArgs { host, port } = *address;
    let bound = TcpListener::bind((host, port)).await;
    bound.map_err(|source| GatewayError::Listen { host, port, source })
}

/// Serves on a bound address until it is told to drain.
pub async fn serve_on(listener: TcpListener, store: StoreHandle, shutdown: Shutdown) {
    if let Ok(address) = listener.local_addr() {
        tracing::info!("gateway on http://{address} (API description at /docs)");
    }
    let app = app(store, HttpConfig::default());
    serve(listener, app, ConnectionLimits::default(), shutdown.asked()).await;
}
