//! `mpcsfaas worker`: runs tasks in Python processes.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use mpcsfaas_core::id::WorkerId;
use mpcsfaas_core::wire::message::Flow;
use mpcsfaas_core::worker::{Config, Input, Worker};
use mpcsfaas_transport_real::clock::Clock;
use mpcsfaas_transport_real::drive::INPUT_BACKLOG;
use mpcsfaas_transport_real::python::environment::EnvironmentError;
use mpcsfaas_transport_real::python::{Pool, PoolConfig, ReaperConfig, StartError};
use mpcsfaas_transport_real::work::{self, Dial};
use mpcsfaas_transport_real::zmq::dealer::DealerDial;
use mpcsfaas_transport_real::zmq::tcp::Address;
use rand::SeedableRng;
use rand::rngs::StdRng;
use thiserror::Error;
use tokio::sync::mpsc;

use crate::config::PythonArgs;
use crate::shutdown::{self, Shutdown};

/// Arguments of `mpcsfaas worker`.
#[derive(Debug, Args)]
pub struct WorkerArgs {
    /// How it gets tasks. A dispatcher in pull or push mode serves workers of both.
    #[arg(value_enum, value_name = "MODE")]
    flow: FlowArg,
    /// How many Python processes it keeps: so many tasks run at a time.
    #[arg(value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    processes: u32,
    /// The dispatcher, such as tcp://localhost:5555.
    #[arg(env = "MPCSFAAS_DISPATCHER", value_parser = endpoint)]
    url: String,
    /// End at once when standard input ends: the parent holds its other end.
    #[arg(long, hide = true)]
    with_parent: bool,
    #[command(flatten)]
    python: PythonArgs,
}

/// How a worker takes tasks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum FlowArg {
    /// It asks for them.
    Pull,
    /// It is sent them, as far as it has room.
    Push,
}

impl From<FlowArg> for Flow {
    fn from(flow: FlowArg) -> Flow {
        match flow {
            FlowArg::Pull => Flow::Pull,
            FlowArg::Push => Flow::Push,
        }
    }
}

/// Why a worker cannot run.
#[derive(Debug, Error)]
pub enum WorkerError {
    /// No Python with dill.
    #[error(transparent)]
    Python(#[from] EnvironmentError),
    /// The Python processes cannot be looked after.
    #[error(transparent)]
    Pool(#[from] StartError),
    /// This program does not know its own path.
    #[error("cannot find this program's own file: {0}")]
    Program(#[source] std::io::Error),
    /// Signals.
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] std::io::Error),
}

/// A dispatcher's address, in the one form that is supported.
fn endpoint(text: &str) -> Result<String, String> {
    let host_port = text
        .strip_prefix("tcp://")
        .and_then(|rest| rest.rsplit_once(':'));
    match host_port {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok_and(|p| p > 0) => {
            Ok(text.to_owned())
        }
        _ => Err("expected tcp://HOST:PORT".to_owned()),
    }
}

/// Works until it is told to drain, and has.
///
/// # Errors
/// See [`WorkerError`].
pub async fn run(args: WorkerArgs) -> Result<(), WorkerError> {
    let shutdown = shutdown::listen().map_err(WorkerError::Signals)?;
    if args.with_parent {
        shutdown::end_with_parent();
    }
    let (python, versions) = args.python.resolve().await?;
    let id = WorkerId(rand::random());
    tracing::info!(
        worker = %id,
        processes = args.processes,
        python = versions.python.as_deref(),
        dill = versions.dill.as_deref(),
        "worker for {}", args.url
    );
    let pool = pool(python, args.processes)?;
    let config = config(id, args.processes, args.flow.into());
    drive(
        config,
        pool,
        DealerDial::new(id, Address(args.url), StdRng::from_os_rng()),
        shutdown,
    )
    .await
}

/// A worker's usual settings.
pub fn config(id: WorkerId, processes: u32, flow: Flow) -> Config {
    Config::new(id, processes, flow, rand::random())
}

/// A pool whose companion is this program.
///
/// # Errors
/// This program does not know its own path.
pub fn pool(python: PathBuf, processes: u32) -> Result<PoolConfig, WorkerError> {
    let program = std::env::current_exe().map_err(WorkerError::Program)?;
    let command = vec![program.into_os_string(), OsString::from("internal-reaper")];
    Ok(PoolConfig {
        reaper: Some(ReaperConfig { command }),
        ..PoolConfig::new(python, processes)
    })
}

/// Runs a worker until it is told to drain, and has.
///
/// # Errors
/// The pool cannot start.
pub async fn drive(
    config: Config,
    pool: PoolConfig,
    dial: impl Dial,
    shutdown: Shutdown,
) -> Result<(), WorkerError> {
    let (inputs_in, inputs) = mpsc::channel(INPUT_BACKLOG);
    let asked = inputs_in.clone();
    let drain = tokio::spawn(async move {
        shutdown.asked().await;
        let _ = asked.send(Input::DrainRequested).await;
    });
    let clock = Clock::start();
    let (facts_in, facts) = mpsc::channel(INPUT_BACKLOG);
    let mut pool = Pool::start(pool, facts_in)?;
    let children = (|order| pool.obey(order), facts);
    let worker = Worker::new(config, clock.now());
    work::run(worker, clock, children, dial, (inputs_in, inputs)).await;
    drain.abort();
    Ok(())
}
