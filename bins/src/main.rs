//! The `mpcsfaas` command. Each subcommand has a file under `cmd`; what they share is `config`
//! (flags that several have), `telemetry` (logs) and `shutdown` (signals). `load` is the load
//! generator of `bench`.
//!
//! A command reads its arguments, starts what `mpcsfaas_transport_real` has, and waits for its end.
//! Exit codes: 0 when all went well, a drain included; 1 with a line on standard error; 2 for wrong
//! arguments; 130 when it was told twice to end.

mod api;
mod cmd;
mod config;
mod failure;
mod load;
mod platform;
mod python_client;
mod shutdown;
mod telemetry;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

use crate::telemetry::LogFormat;

/// A Function-as-a-Service platform that runs Python functions, and loses none.
///
/// To try it on this machine: `mpcsfaas demo`. To run it: `mpcsfaas up`, then
/// `mpcsfaas run FILE.py:FUNCTION ARGS`. For several machines: `gateway`, `dispatcher` and
/// `worker`, each a process of its own, around one Redis.
///
/// A flag wins over its environment variable, which wins over the default.
#[derive(Debug, Parser)]
#[command(
    name = "mpcsfaas",
    version,
    propagate_version = true,
    max_term_width = 100
)]
struct Cli {
    /// How log lines look. They go to standard error.
    #[arg(
        long,
        global = true,
        help_heading = "Logging",
        value_name = "FORMAT",
        env = "MPCSFAAS_LOG_FORMAT",
        value_enum,
        default_value = "text"
    )]
    log_format: LogFormat,
    /// What is logged: error, warn, info, debug, trace, or a filter such as
    /// `info,mpcsfaas_core=debug`.
    #[arg(
        long,
        global = true,
        help_heading = "Logging",
        value_name = "FILTER",
        env = "MPCSFAAS_LOG",
        default_value = "info"
    )]
    log: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole platform on this machine: gateway, store, dispatcher and workers.
    ///
    /// Needs no server: the store is a directory, and what was accepted is on disk. Ctrl-C or
    /// SIGTERM lets running tasks finish, for at most 30 s; a second one ends it at once.
    Up(cmd::up::UpArgs),
    /// Run the HTTP gateway over Redis: what clients talk to.
    ///
    /// It needs no dispatcher to accept tasks. Any number of gateways may share one Redis.
    Gateway(cmd::gateway::GatewayArgs),
    /// Run a dispatcher: it takes tasks from Redis and hands them to workers.
    ///
    /// Any number of dispatchers may share one Redis, and if one dies the others take its tasks
    /// over. In pull and push mode it waits for workers on its port and serves each as that worker
    /// asks to be; workers of the Python original (MPCSFaaS) may join too. In local mode it runs
    /// the Python processes itself.
    Dispatcher(cmd::dispatcher::DispatcherArgs),
    /// Run a worker: Python processes that do a dispatcher's tasks.
    ///
    /// It may be started before its dispatcher, and finds it again after a restart. Functions see
    /// its working directory and PYTHONPATH, and may do what its user may. Ctrl-C or SIGTERM lets
    /// running tasks finish, for at most 30 s, and hands the others back.
    Worker(cmd::worker::WorkerArgs),
    /// Run one Python function of a file on a running platform, and print its result.
    ///
    /// The file's functions and classes travel with it; modules that it imports must be there for
    /// the workers too. What the function prints goes to standard error. Ends with 0 if there is a
    /// result, 1 if the task failed, 2 if the file or an argument has to be put right, 3 if no
    /// platform answers. Ctrl-C cancels the task.
    Run(cmd::run::RunArgs),
    /// Show a task: its status, every attempt, why it waits or failed, and what it printed.
    ///
    /// Ends with 0 if the task is known, whatever became of it, 1 if it is not, 3 if no platform
    /// answers.
    Task(cmd::task::TaskArgs),
    /// Try everything out: run Python functions in all modes and check every result.
    ///
    /// Starts a whole platform of its own for each mode, with a store in a temporary directory and
    /// on ports that are free, and leaves nothing behind. Ends with 0 if every result was right.
    Demo(cmd::demo::DemoArgs),
    /// Measure a platform.
    Bench(cmd::bench::BenchArgs),
    /// Run the platform in a simulated world, in which anything may go wrong, and judge it.
    ///
    /// The same machines as in production, with time, network, store and Python made up: a seed is
    /// the same run each time. Ends with 0 if every promise was kept, 1 if one was broken, 2 if an
    /// argument or a file has to be put right. Logs nothing; `sim replay --trace` tells everything.
    Sim(cmd::sim::SimArgs),
    /// Ends the process groups on its list when its parent dies. Started by workers.
    #[command(hide = true)]
    InternalReaper,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Thousands of worlds at once: their logs would be noise, and have the time of no world.
    if let Command::Sim(args) = &cli.command {
        let ended = cmd::sim::run(args);
        return ended.unwrap_or_else(|error| fail_with(error.exit_code(), &error));
    }
    telemetry::start(cli.log_format, &cli.log);
    // The reaper blocks, and must not share a runtime with anything.
    if matches!(cli.command, Command::InternalReaper) {
        return cmd::reaper::run();
    }
    match runtime(&cli.command) {
        Ok(runtime) => {
            let code = runtime.block_on(run(cli.command));
            // What is still running has nobody to report to.
            runtime.shutdown_background();
            code
        }
        Err(error) => fail(&error),
    }
}

/// What serves runs on one thread: what a request or message sets off there wakes no other, and that
/// is most of what a lone task takes in it. A gateway for many clients may have more.
fn runtime(command: &Command) -> std::io::Result<Runtime> {
    let mut builder = match command {
        Command::Worker(_) | Command::Dispatcher(_) | Command::Up(_) => {
            Builder::new_current_thread()
        }
        Command::Gateway(args) => match args.threads.get() {
            1 => Builder::new_current_thread(),
            threads => {
                let mut builder = Builder::new_multi_thread();
                builder.worker_threads(threads);
                builder
            }
        },
        Command::Run(_)
        | Command::Task(_)
        | Command::Demo(_)
        | Command::Bench(_)
        | Command::Sim(_)
        | Command::InternalReaper => Builder::new_multi_thread(),
    };
    builder.enable_all().build()
}

async fn run(command: Command) -> ExitCode {
    let result: Result<(), Box<dyn std::error::Error>> = match command {
        Command::Up(args) => cmd::up::run(args).await.map_err(Box::from),
        Command::Gateway(args) => cmd::gateway::run(args).await.map_err(Box::from),
        Command::Dispatcher(args) => cmd::dispatcher::run(args).await.map_err(Box::from),
        Command::Worker(args) => cmd::worker::run(args).await.map_err(Box::from),
        Command::Run(args) => {
            let ended = cmd::run::run(args).await;
            return ended.unwrap_or_else(|error| fail_with(error.exit_code(), &error));
        }
        Command::Task(args) => {
            let ended = cmd::task::run(args).await;
            return ended.unwrap_or_else(|error| fail_with(error.exit_code(), &error));
        }
        Command::Demo(args) => {
            let ended = cmd::demo::run(args).await;
            return ended.unwrap_or_else(|error| fail_with(error.exit_code(), &error));
        }
        Command::Bench(args) => {
            let ended = cmd::bench::run(args).await;
            return ended.unwrap_or_else(|error| fail_with(error.exit_code(), &error));
        }
        Command::Sim(_) | Command::InternalReaper => Ok(()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error.as_ref()),
    }
}

/// Says what went wrong, with all its causes, and gives the usual exit code for it.
fn fail<E: std::error::Error + ?Sized>(error: &E) -> ExitCode {
    fail_with(cmd::FAILED, error)
}

/// The same, with an exit code that says more.
fn fail_with<E: std::error::Error + ?Sized>(code: u8, error: &E) -> ExitCode {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Many errors quote their cause already.
        let text = error.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = error.source();
    }
    eprintln!("mpcsfaas: {line}");
    ExitCode::from(code)
}
