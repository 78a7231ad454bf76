//! `mpcsfaas dispatcher`: takes tasks from the store to workers.

use std::net::IpAddr;

use clap::{Args, ValueEnum};
use mpcsfaas_core::dispatcher::{Config, Dispatcher, Input};
use mpcsfaas_core::id::{Incarnation, WorkerId};
use mpcsfaas_core::store::op::Mode;
use mpcsfaas_core::wire::message::Flow;
use mpcsfaas_transport_real::clock::Clock;
use mpcsfaas_transport_real::dispatch::{self, Outgoing};
use mpcsfaas_transport_real::drive::INPUT_BACKLOG;
use mpcsfaas_transport_real::local;
use mpcsfaas_transport_real::python::environment::EnvironmentError;
use mpcsfaas_transport_real::redis::{BadUrl, Hears};
use mpcsfaas_transport_real::store::StoreHandle;
use mpcsfaas_transport_real::zmq::guard::Limits;
use mpcsfaas_transport_real::zmq::{BindError, router, tcp};
use thiserror::Error;
use tokio::sync::mpsc;

use super::worker::{self, WorkerError};
use crate::config::{PythonArgs, StoreArgs};
use crate::shutdown::{self, Shutdown};

/// Arguments of `mpcsfaas dispatcher`.
#[derive(Debug, Args)]
pub struct DispatcherArgs {
    /// How tasks get to workers.
    #[arg(short, long, value_enum, env = "MPCSFAAS_MODE", default_value = "push")]
    mode: ModeArg,
    /// The port for workers (pull and push mode).
    #[arg(short, long, env = "MPCSFAAS_ZMQ_PORT", default_value_t = 5555)]
    port: u16,
    /// Python processes of the built-in worker (local mode).
    #[arg(short, long, value_name = "N", env = "MPCSFAAS_PROCESSES", default_value_t = 4,
          value_parser = clap::value_parser!(u32).range(1..=1024))]
    workers: u32,
    /// The address for workers (pull and push mode); 0.0.0.0 for all. Whoever can reach it can
    /// take tasks and run code.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "MPCSFAAS_BIND",
        default_value = "127.0.0.1"
    )]
    bind: IpAddr,
    /// How many tasks a worker of the Python original (MPCSFaaS) may hold at a time; it does not
    /// say so itself.
    #[arg(long, value_name = "N", env = "MPCSFAAS_JSON_CREDIT", default_value_t = 4,
          value_parser = clap::value_parser!(u32).range(1..=1024))]
    json_credit: u32,
    /// How many connections of workers there may be at a time. When all are taken, one more is let
    /// in only if one of them has been silent.
    #[arg(long, value_name = "N", env = "MPCSFAAS_MAX_CONNECTIONS", default_value_t = 4096,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_connections: u32,
    /// End at once when standard input ends: the parent holds its other end.
    #[arg(long, hide = true)]
    with_parent: bool,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    python: PythonArgs,
}

/// How tasks get to workers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum ModeArg {
    /// To Python processes of the dispatcher's own, without a network.
    Local,
    /// To workers that ask.
    Pull,
    /// To workers that have room, as soon as there is work.
    Push,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Mode {
        match mode {
            ModeArg::Local => Mode::Local,
            ModeArg::Pull => Mode::Pull,
            ModeArg::Push => Mode::Push,
        }
    }
}

/// Why a dispatcher cannot run.
#[derive(Debug, Error)]
pub enum DispatcherError {
    /// No URL.
    #[error(transparent)]
    Redis(#[from] BadUrl),
    /// The address is taken, or not this machine's.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Local mode needs a Python.
    #[error(transparent)]
    Python(#[from] EnvironmentError),
    /// Local mode's worker.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// Signals.
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] std::io::Error),
}

/// Dispatches until it is told to drain, and has.
///
/// # Errors
/// See [`DispatcherError`].
pub async fn run(args: DispatcherArgs) -> Result<(), DispatcherError> {
    let shutdown = shutdown::listen().map_err(DispatcherError::Signals)?;
    if args.with_parent {
        shutdown::end_with_parent();
    }
    let store = args.store.open(Hears::Doorbell)?;
    let mut config = config(args.mode.into());
    config.json_credit = args.json_credit;
    match args.mode {
        ModeArg::Local => {
            let (python, _) = args.python.resolve().await?;
            let pool = worker::pool(python, args.workers)?;
            run_local(config, store, pool, shutdown).await?;
        }
        ModeArg::Pull | ModeArg::Push => {
            let endpoint = format!("tcp://{}:{}", args.bind, args.port);
            let limits = Limits {
                connections: args.max_connections as usize,
                ..Limits::default()
            };
            Remote::bind(config, &endpoint, limits)
                .await?
                .run(store, shutdown)
                .await;
        }
    }
    Ok(())
}

/// A new incarnation with the usual settings.
pub fn config(mode: Mode) -> Config {
    Config::new(
        Incarnation {
            boot: rand::random(),
            epoch: 0,
        },
        mode,
    )
}

/// Runs a dispatcher and a worker without a socket between them.
///
/// # Errors
/// The worker cannot start.
pub async fn run_local(
    config: Config,
    store: StoreHandle,
    pool: mpcsfaas_transport_real::python::PoolConfig,
    shutdown: Shutdown,
) -> Result<(), WorkerError> {
    let (inputs_in, inputs) = mpsc::channel(INPUT_BACKLOG);
    let (dial, outgoing) = local::connect(inputs_in.clone());
    tracing::info!(processes = pool.processes, "dispatcher in local mode");
    // The worker goes first: what it still runs is committed before the dispatcher leaves.
    let worker = worker::config(WorkerId(rand::random()), pool.processes, Flow::Push);
    let left = inputs_in.clone();
    let work = async {
        let result = worker::drive(worker, pool, dial, shutdown).await;
        let _ = left.send(Input::DrainRequested).await;
        result
    };
    let (result, ()) = tokio::join!(work, dispatch(config, store, (inputs_in, inputs), outgoing));
    result
}

/// A dispatcher whose workers come over ZMQ.
#[derive(Debug)]
pub struct Remote {
    config: Config,
    router: router::Router,
    inputs: (mpsc::Sender<Input>, mpsc::Receiver<Input>),
}

impl Remote {
    /// Binds the port for workers.
    ///
    /// # Errors
    /// It cannot be bound.
    pub async fn bind(config: Config, endpoint: &str, limits: Limits) -> Result<Remote, BindError> {
        Remote::bind_with(config, endpoint, Some(limits)).await
    }

    /// The same, or without a guard: to measure what that costs.
    ///
    /// # Errors
    /// It cannot be bound.
    pub async fn bind_with(
        config: Config,
        endpoint: &str,
        limits: Option<Limits>,
    ) -> Result<Remote, BindError> {
        let inputs = mpsc::channel(INPUT_BACKLOG);
        let router = match limits {
            Some(limits) => tcp::bind(endpoint, limits, inputs.0.clone()).await?,
            None => tcp::bind_bare(endpoint, inputs.0.clone()).await?,
        };
        let mode = config.mode.as_str();
        tracing::info!(
            "dispatcher in {mode} mode; workers connect to {}",
            router.endpoint
        );
        Ok(Remote {
            config,
            router,
            inputs,
        })
    }

    /// Where workers connect to.
    pub fn endpoint(&self) -> &str {
        &self.router.endpoint
    }

    /// Dispatches until it is told to drain, and has.
    pub async fn run(self, store: StoreHandle, shutdown: Shutdown) {
        self.run_until(store, shutdown.asked()).await;
    }

    /// Dispatches until `leave` is over, then drains.
    pub async fn run_until<T>(
        self,
        store: StoreHandle,
        leave: impl Future<Output = T> + Send + 'static,
    ) {
        let inputs_in = self.inputs.0.clone();
        let drain = tokio::spawn(async move {
            leave.await;
            let _ = inputs_in.send(Input::DrainRequested).await;
        });
        dispatch(self.config, store, self.inputs, self.router.outgoing).await;
        drain.abort();
    }
}

async fn dispatch(
    config: Config,
    store: StoreHandle,
    inputs: (mpsc::Sender<Input>, mpsc::Receiver<Input>),
    outgoing: mpsc::UnboundedSender<Outgoing>,
) {
    let clock = Clock::start();
    let dispatcher = Dispatcher::new(config, clock.now());
    dispatch::run(dispatcher, clock, store, inputs, outgoing).await;
}
