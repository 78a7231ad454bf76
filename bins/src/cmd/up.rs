//! `mpcsfaas up`: the whole platform in one process tree, on an embedded store.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use clap::Args;
use mpcsfaas_core::store;
use mpcsfaas_transport_real::embedded::{self, Durability, EmbeddedConfig, OpenError};
use mpcsfaas_transport_real::python::environment::EnvironmentError;
use mpcsfaas_transport_real::store::StoreHandle;
use mpcsfaas_transport_real::zmq::BindError;
use mpcsfaas_transport_real::zmq::guard::Limits;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use thiserror::Error;
use tokio::process::{Child, Command};

use super::dispatcher::{self, ModeArg, Remote};
use super::gateway::{self, AddressArgs, GatewayError};
use super::worker::{self, WorkerError};
use crate::config::PythonArgs;
use crate::shutdown::{self, Shutdown};
use crate::telemetry;

/// Arguments of `mpcsfaas up`.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// How tasks get to workers.
    #[arg(short, long, value_enum, env = "MPCSFAAS_MODE", default_value = "push")]
    mode: ModeArg,
    /// How many workers; with 0, those that you start. In local mode there is one, which has the
    /// processes of all.
    #[arg(short, long, value_name = "N", env = "MPCSFAAS_WORKERS", default_value_t = 2,
          value_parser = clap::value_parser!(u32).range(..=256))]
    workers: u32,
    /// Python processes of each worker.
    #[arg(long, value_name = "N", env = "MPCSFAAS_PROCESSES", default_value_t = 2,
          value_parser = clap::value_parser!(u32).range(1..=1024))]
    processes: u32,
    /// The port for workers, on 127.0.0.1 (pull and push mode).
    #[arg(
        long,
        value_name = "PORT",
        env = "MPCSFAAS_ZMQ_PORT",
        default_value_t = 5555
    )]
    zmq_port: u16,
    /// Answer before a task is on disk: faster, and a crash may lose the last second.
    #[arg(long, env = "MPCSFAAS_NO_SYNC")]
    no_sync: bool,
    /// End at once when standard input ends: the parent holds its other end.
    #[arg(long, hide = true)]
    with_parent: bool,
    #[command(flatten)]
    address: AddressArgs,
    #[command(flatten)]
    python: PythonArgs,
}

/// Why the platform cannot run.
#[derive(Debug, Error)]
pub enum UpError {
    /// The store's directory.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// No Python with dill.
    #[error(transparent)]
    Python(#[from] EnvironmentError),
    /// The gateway.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// The port for workers.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Local mode's worker.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// A worker's process.
    #[error("cannot start a worker: {0}")]
    Start(#[source] std::io::Error),
    /// Signals.
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] std::io::Error),
}

/// The pause before a worker that ended by itself is started again.
const RESTART: Duration = Duration::from_secs(1);

/// Runs everything until it is told to drain, and has.
///
/// # Errors
/// See [`UpError`].
pub async fn run(args: UpArgs) -> Result<(), UpError> {
    let shutdown = shutdown::listen().map_err(UpError::Signals)?;
    if args.with_parent {
        shutdown::end_with_parent();
    }
    let (python, _) = args.python.resolve().await?;
    let store = open_store(&args)?;
    let listener = gateway::listen(&args.address).await?;
    let gateway = gateway::serve_on(listener, store.clone(), shutdown.clone());
    let mode = args.mode;
    let dispatching = async {
        match mode {
            ModeArg::Local => {
                let pool = worker::pool(python, args.workers.max(1) * args.processes)?;
                let config = dispatcher::config(mode.into());
                dispatcher::run_local(config, store.clone(), pool, shutdown).await?;
                Ok(())
            }
            ModeArg::Pull | ModeArg::Push => remote(&args, python, store.clone(), shutdown).await,
        }
    };
    let (result, ()) = tokio::join!(dispatching, gateway);
    close(store).await;
    result
}

fn open_store(args: &UpArgs) -> Result<StoreHandle, OpenError> {
    embedded::open(EmbeddedConfig {
        path: args.python.data_dir().join("store"),
        store: store::Config::default(),
        durability: if args.no_sync {
            Durability::None
        } else {
            Durability::Disk
        },
    })
}

/// Waits until the store's thread has written everything and let the directory go.
async fn close(store: StoreHandle) {
    let mut link = store.link();
    drop(store);
    while link.changed().await.is_ok() {}
}

async fn remote(
    args: &UpArgs,
    python: PathBuf,
    store: StoreHandle,
    shutdown: Shutdown,
) -> Result<(), UpError> {
    let config = dispatcher::config(args.mode.into());
    let endpoint = format!("tcp://127.0.0.1:{}", args.zmq_port);
    let dispatcher = Remote::bind(config, &endpoint, Limits::default()).await?;
    let program = std::env::current_exe().map_err(UpError::Start)?;
    let start = || {
        let flow = if args.mode == ModeArg::Pull {
            "pull"
        } else {
            "push"
        };
        let mut command = Command::new(&program);
        command
            .args(telemetry::arguments())
            .args([
                "worker",
                flow,
                &args.processes.to_string(),
                dispatcher.endpoint(),
            ])
            .arg("--python")
            .arg(&python)
            // The pipe is how a worker notices that this process was killed.
            .arg("--with-parent")
            .stdin(Stdio::piped())
            // In a group of its own, so that Ctrl-C reaches it once, from here.
            .process_group(0)
            .kill_on_drop(true);
        command
    };
    let mut workers = Vec::new();
    for _ in 0..args.workers {
        let mut command = start();
        let child = command.spawn().map_err(UpError::Start)?;
        workers.push(tokio::spawn(supervise(command, child, shutdown.clone())));
    }
    // Workers leave first: what they still run is committed before the dispatcher goes.
    let (all_left, workers_left) = tokio::sync::oneshot::channel();
    let waiting = tokio::spawn(async move {
        shutdown.asked().await;
        for worker in workers {
            let _ = worker.await;
        }
        let _ = all_left.send(());
    });
    dispatcher.run_until(store, workers_left).await;
    waiting.abort();
    Ok(())
}

/// Keeps one worker running until it is told to drain, then waits until it has.
async fn supervise(mut command: Command, mut child: Child, shutdown: Shutdown) {
    let asked = shutdown.asked();
    tokio::pin!(asked);
    // Held here because waiting for a child closes its standard input.
    let mut lifeline = child.stdin.take();
    loop {
        tokio::select! {
            () = &mut asked => break,
            status = child.wait() => {
                tracing::warn!(?status, "a worker ended; starting another");
                tokio::time::sleep(RESTART).await;
                match command.spawn() {
                    Ok(next) => {
                        child = next;
                        lifeline = child.stdin.take();
                    }
                    Err(error) => return tracing::error!(%error, "a worker cannot be started"),
                }
            }
        }
    }
    if let Some(pid) = child.id() {
        let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM);
    }
    let _ = child.wait().await;
    drop(lifeline);
}
