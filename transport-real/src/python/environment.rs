//! Finds a Python that has dill, or makes one: a virtual environment under the data directory.
//!
//! It is made once per version of Python and of what is pinned, and kept. Packages that are
//! installed for the system's Python are visible in it, so functions may import them; dill is
//! always the pinned one. Workers need no more than that; requests is there for the Python client,
//! which the `run` and `demo` commands start in the same environment, so that a first start makes
//! one and not two.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use mpcsfaas_core::task::Versions;
use nix::fcntl::{Flock, FlockArg};
use serde::Deserialize;
use thiserror::Error;
use tokio::process::Command;

/// The version of dill in the managed environment.
pub const DILL_VERSION: &str = "0.4.1";

/// The version of requests in the managed environment: the last that runs on `OLDEST_PYTHON`.
pub const REQUESTS_VERSION: &str = "2.32.5";

/// The oldest Python that will do: dill's own limit.
const OLDEST_PYTHON: (u32, u32) = (3, 9);

/// Written last, so that a directory without it is known to be half made.
const READY_FILE: &str = "mpcsfaas-ready";

/// How long asking an interpreter for its versions may take; the first import may read a slow disk.
const PROBE_LIMIT: Duration = Duration::from_secs(60);

/// How long making the environment, and installing packages into it, may take.
const BUILD_LIMIT: Duration = Duration::from_secs(300);

/// How much of a failed program's output is shown, in characters.
const TAIL_LIMIT: usize = 2_000;

/// Asks an interpreter about itself. Prints one line of JSON, last: start-up files may print too.
const PROBE: &str = r#"
import importlib.util, json, sys
about = {"version": list(sys.version_info[:3]), "executable": sys.executable, "dill": None, "problem": None}
about["requests"] = importlib.util.find_spec("requests") is not None
try:
    import dill
    about["dill"] = dill.__version__
except Exception as error:
    about["problem"] = "%s: %s" % (type(error).__name__, error)
print(json.dumps(about))
"#;

/// Why there is no Python to work with.
#[derive(Debug, Error)]
pub enum EnvironmentError {
    /// None on PATH, or only old ones.
    #[error(
        "no Python {}.{} or newer on PATH{}; install it ({hint}), or name one with --python",
        OLDEST_PYTHON.0,
        OLDEST_PYTHON.1,
        .too_old.as_ref().map(|found| format!(" (found {found})")).unwrap_or_default()
    )]
    NoPython {
        /// What was found instead.
        too_old: Option<String>,
        /// How to install it on this system.
        hint: &'static str,
    },
    /// A program cannot be started.
    #[error("cannot run {}: {source}", .program.display())]
    CannotRun {
        /// The program.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A program does not end.
    #[error("{} has not ended after {limit:?}", .program.display())]
    TimedOut {
        /// The program.
        program: PathBuf,
        /// The time that it had.
        limit: Duration,
    },
    /// A program that should be a Python interpreter does not behave like one.
    #[error("{} is no working Python 3: {output}", .program.display())]
    NotPython {
        /// The program.
        program: PathBuf,
        /// The end of what it printed.
        output: String,
    },
    /// The interpreter works but has no dill.
    #[error("{0} cannot import dill ({problem}); try: {0} -m pip install dill", .python.display())]
    NoDill {
        /// The interpreter.
        python: PathBuf,
        /// What the import said.
        problem: String,
    },
    /// The interpreter would do for a worker, but not for the Python client.
    #[error("{0} has no requests, which the Python client needs; try: {0} -m pip install requests", .python.display())]
    NoRequests {
        /// The interpreter.
        python: PathBuf,
    },
    /// `python -m venv` fails; often it is a package of its own.
    #[error(
        "cannot make a virtual environment with {} -m venv; it may have to be installed ({hint}), \
         or name a Python that has dill with --python. It printed:\n{output}",
        .python.display()
    )]
    Venv {
        /// The interpreter.
        python: PathBuf,
        /// How to install it on this system.
        hint: &'static str,
        /// The end of what it printed.
        output: String,
    },
    /// `pip install` fails; often there is no network.
    #[error(
        "pip cannot install dill {DILL_VERSION} and requests {REQUESTS_VERSION}; is there a network? \
         Or name a Python that has them with --python. pip printed:\n{output}"
    )]
    Pip {
        /// The end of what it printed.
        output: String,
    },
    /// The data directory cannot be used.
    #[error("cannot use {}: {source}", .path.display())]
    DataDirectory {
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// An interpreter's answer to [`PROBE`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Interpreter {
    version: (u32, u32, u32),
    executable: PathBuf,
    dill: Option<String>,
    problem: Option<String>,
    requests: bool,
}

/// Returns the interpreter of the managed environment under `data_dir`, making it if need be:
/// that takes some seconds and the network, once. `progress` is told what is going on.
///
/// Processes that start at the same time wait for the first one. If the environment cannot be made
/// but the system's Python has dill, that one is returned.
///
/// # Errors
/// There is no Python, or it has no dill and none can be installed; the error says what to do.
pub async fn ensure(data_dir: &Path, progress: impl Fn(&str)) -> Result<PathBuf, EnvironmentError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    ensure_from(&path, data_dir, progress).await
}

/// The versions of a Python that the user named.
///
/// # Errors
/// It is missing, is no Python 3.9 or newer, or has no dill.
pub async fn check(python: &Path) -> Result<Versions, EnvironmentError> {
    worker_versions(probe(python).await?, python)
}

/// The versions of a Python that is to run the client, and not only functions.
///
/// # Errors
/// As [`check`], or it has no requests.
pub async fn check_client(python: &Path) -> Result<Versions, EnvironmentError> {
    let found = probe(python).await?;
    let requests = found.requests;
    let versions = worker_versions(found, python)?;
    match requests {
        true => Ok(versions),
        false => Err(EnvironmentError::NoRequests {
            python: python.to_owned(),
        }),
    }
}

fn worker_versions(found: Interpreter, python: &Path) -> Result<Versions, EnvironmentError> {
    let (major, minor, patch) = found.version;
    if (major, minor) < OLDEST_PYTHON {
        return Err(EnvironmentError::NoPython {
            too_old: Some(format!("{} {major}.{minor}", python.display())),
            hint: install_hint(),
        });
    }
    match found.dill {
        Some(dill) => Ok(Versions {
            python: Some(format!("{major}.{minor}.{patch}")),
            dill: Some(dill),
        }),
        None => Err(EnvironmentError::NoDill {
            python: python.to_owned(),
            problem: found.problem.unwrap_or_default(),
        }),
    }
}

async fn ensure_from(
    search_path: &OsStr,
    data_dir: &Path,
    progress: impl Fn(&str),
) -> Result<PathBuf, EnvironmentError> {
    let base = find(search_path).await?;
    let (major, minor, _) = base.version;
    let directory = data_dir.join(format!(
        "python-{major}.{minor}-dill-{DILL_VERSION}-requests-{REQUESTS_VERSION}"
    ));
    let python = directory.join("bin/python");
    let ready = directory.join(READY_FILE);
    // Most often it is there, and nobody has to wait for anybody.
    if ready.exists() && check_client(&python).await.is_ok() {
        return Ok(python);
    }
    let _lock = lock(data_dir, &progress).await?;
    if ready.exists() {
        match check_client(&python).await {
            Ok(_) => return Ok(python),
            Err(error) => progress(&format!("making the Python environment anew: {error}")),
        }
    }
    match build(&base, &directory, &python, &progress).await {
        Ok(()) => {
            std::fs::write(&ready, DILL_VERSION).map_err(|source| unusable(&ready, source))?;
            progress(&format!(
                "Python environment ready in {}",
                directory.display()
            ));
            Ok(python)
        }
        Err(error) if base.dill.is_some() => {
            let (python, dill) = (base.executable, base.dill.unwrap_or_default());
            tracing::warn!(%error, python = %python.display(), "no managed environment");
            progress(&format!(
                "{error}\nUsing {} with its dill {dill} instead",
                python.display()
            ));
            Ok(python)
        }
        Err(error) => Err(error),
    }
}

/// The first Python on the search path that is new enough.
async fn find(search_path: &OsStr) -> Result<Interpreter, EnvironmentError> {
    let names = ["python3", "python"].map(str::to_owned).into_iter();
    let names = names.chain(
        (OLDEST_PYTHON.1..20)
            .rev()
            .map(|minor| format!("python3.{minor}")),
    );
    let mut too_old = None;
    for name in names {
        for candidate in std::env::split_paths(search_path).map(|directory| directory.join(&name)) {
            if !candidate.is_file() {
                continue;
            }
            // One that does not work, such as a version manager's placeholder, hides no other.
            match probe(&candidate).await {
                Ok(found) if (found.version.0, found.version.1) >= OLDEST_PYTHON => {
                    return Ok(found);
                }
                Ok(Interpreter { version, .. }) => {
                    let found = format!("{} {}.{}", candidate.display(), version.0, version.1);
                    too_old.get_or_insert(found);
                }
                Err(error) => tracing::debug!(%error, "not used"),
            }
        }
    }
    Err(EnvironmentError::NoPython {
        too_old,
        hint: install_hint(),
    })
}

/// Holds until the returned guard is dropped, or this process ends in whatever way.
async fn lock(
    data_dir: &Path,
    progress: impl Fn(&str),
) -> Result<Flock<std::fs::File>, EnvironmentError> {
    let path = data_dir.join("python.lock");
    std::fs::create_dir_all(data_dir).map_err(|source| unusable(data_dir, source))?;
    let file = std::fs::File::create(&path).map_err(|source| unusable(&path, source))?;
    let file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(locked) => return Ok(locked),
        Err((file, _)) => file,
    };
    progress("another process is preparing the Python environment; waiting for it");
    tokio::task::spawn_blocking(|| Flock::lock(file, FlockArg::LockExclusive))
        .await
        .map_err(|error| unusable(&path, error.into()))?
        .map_err(|(_, error)| unusable(&path, error.into()))
}

fn unusable(path: &Path, source: io::Error) -> EnvironmentError {
    EnvironmentError::DataDirectory {
        path: path.to_owned(),
        source,
    }
}

/// Makes the environment from nothing, in place: the scripts in it hold its path. A build that was
/// interrupted is cleared away first.
async fn build(
    base: &Interpreter,
    directory: &Path,
    python: &Path,
    progress: impl Fn(&str),
) -> Result<(), EnvironmentError> {
    progress(&format!(
        "making a Python environment with dill {DILL_VERSION} and requests {REQUESTS_VERSION} in {} \
         (once)",
        directory.display()
    ));
    let arguments = ["-m", "venv", "--clear", "--system-site-packages"];
    let mut venv = Command::new(&base.executable);
    venv.args(arguments).arg(directory);
    let (made, output) = run(venv, BUILD_LIMIT).await?;
    if !made {
        return Err(EnvironmentError::Venv {
            python: base.executable.clone(),
            hint: install_hint(),
            output: tail(&output),
        });
    }
    let wanted = [
        format!("dill=={DILL_VERSION}"),
        format!("requests=={REQUESTS_VERSION}"),
    ];
    let mut pip = Command::new(python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-input",
    ]);
    pip.args(["--retries", "2", "--timeout", "15"]).args(wanted);
    let (installed, output) = run(pip, BUILD_LIMIT).await?;
    if !installed {
        return Err(EnvironmentError::Pip {
            output: tail(&output),
        });
    }
    check_client(python).await.map(drop)
}

async fn probe(python: &Path) -> Result<Interpreter, EnvironmentError> {
    let mut command = Command::new(python);
    command.args(["-c", PROBE]);
    let (_, output) = run(command, PROBE_LIMIT).await?;
    let answer = output
        .lines()
        .find_map(|line| serde_json::from_str(line).ok());
    answer.ok_or_else(|| EnvironmentError::NotPython {
        program: python.to_owned(),
        output: tail(&output),
    })
}

/// Runs a program to its end; whether it succeeded, and all that it printed.
async fn run(mut command: Command, limit: Duration) -> Result<(bool, String), EnvironmentError> {
    let program = PathBuf::from(command.as_std().get_program());
    let ended = command.stdin(Stdio::null()).kill_on_drop(true).output();
    match tokio::time::timeout(limit, ended).await {
        Ok(Ok(ended)) => {
            let printed = [ended.stdout, ended.stderr].concat();
            let printed = String::from_utf8_lossy(&printed).into_owned();
            Ok((ended.status.success(), printed))
        }
        Ok(Err(source)) => Err(EnvironmentError::CannotRun { program, source }),
        Err(_) => Err(EnvironmentError::TimedOut { program, limit }),
    }
}

/// The end of a program's output, where the reason usually is.
fn tail(output: &str) -> String {
    let output = output.trim();
    let skipped = output.chars().count().saturating_sub(TAIL_LIMIT);
    output.chars().skip(skipped).collect()
}

/// How Python is installed on this system.
fn install_hint() -> &'static str {
    if cfg!(target_os = "macos") {
        return "brew install python3";
    }
    hint_for(&std::fs::read_to_string("/etc/os-release").unwrap_or_default())
}

fn hint_for(os_release: &str) -> &'static str {
    let names = os_release
        .lines()
        .filter_map(|line| {
            line.strip_prefix("ID=")
                .or_else(|| line.strip_prefix("ID_LIKE="))
        })
        .flat_map(|value| value.trim_matches('"').split(' '));
    for name in names {
        match name {
            "debian" | "ubuntu" => return "apt install python3 python3-venv",
            "fedora" | "rhel" => return "dnf install python3",
            "alpine" => return "apk add python3",
            "arch" => return "pacman -S python",
            "suse" | "opensuse" => return "zypper install python3",
            _ => {}
        }
    }
    "from your system's packages or python.org"
}

#[cfg(test)]
mod tests;
