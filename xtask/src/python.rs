//! The Python environments that the tests and benchmarks use, made once under the target directory.
//!
//! What goes in is what `clients/python/pyproject.toml` says, with its `test` extra, or next to what
//! `bench/requirements.txt` says; the client itself is installed in place. An environment is named by
//! a hash of these files, so a change of requirements makes another one.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process;
use crate::report::{Error, Screen};
use crate::workspace::{Workspace, find_in_path};

/// How long making the environment or installing a package may take.
const INSTALL_LIMIT: Duration = Duration::from_secs(600);

/// An interpreter with everything that is imported.
#[derive(Clone, Debug)]
pub(crate) struct Python {
    /// The interpreter.
    pub(crate) interpreter: PathBuf,
}

impl Python {
    /// The environment of the tests for the present requirements; makes it if it is not there.
    pub(crate) fn prepare(screen: &Screen, workspace: &Workspace) -> Result<Python, Error> {
        let client = Client::of(workspace);
        Python::environment(
            screen,
            workspace,
            "python-env/",
            &[&client.declared],
            |python| {
                let client = format!("{}[test]", client.home.display());
                python.pip(&["install", "--editable", &client])?;
                Ok(Vec::new())
            },
        )
    }

    /// The environment of `cargo xtask compare`: the client, and what it is measured next to.
    pub(crate) fn of_peers(screen: &Screen, workspace: &Workspace) -> Result<Python, Error> {
        let client = Client::of(workspace);
        let required = workspace.root.join("bench/requirements.txt");
        let files = [required.as_path(), &client.declared];
        Python::environment(screen, workspace, "peers-env-", &files, |python| {
            let (client, list) = (client.home.display(), required.display());
            python.pip(&["install", "--editable", &client.to_string()])?;
            let all = python.pip(&["install", "--requirement", &list.to_string()]);
            let Err(failure) = all else {
                return Ok(Vec::new());
            };
            // What has no package for this machine must not cost the others.
            let text = std::fs::read_to_string(&required).map_err(Error::at(&required))?;
            let (left_out, count) = python.each(&text);
            match left_out.len() < count {
                true => Ok(left_out),
                false => Err(failure),
            }
        })
    }

    /// The environment for what these files say now. If it is not there, makes it and lets `install` fill it,
    /// which answers what it had to leave out.
    fn environment(
        screen: &Screen,
        workspace: &Workspace,
        prefix: &str,
        files: &[&Path],
        install: impl FnOnce(&Python) -> Result<Vec<String>, Error>,
    ) -> Result<Python, Error> {
        let base = base_interpreter()?;
        let mut hasher = DefaultHasher::new();
        for file in files {
            let requirements = std::fs::read(file).map_err(Error::at(file))?;
            requirements.hash(&mut hasher);
        }
        // The client is installed in place, so its place is part of the name, too.
        (&Client::of(workspace).home, &base).hash(&mut hasher);
        let name = format!("{prefix}{:016x}", hasher.finish());
        let home = workspace.kept.join(name);
        let python = Python {
            interpreter: home.join("bin/python"),
        };
        // Written last: an environment without it was left half-made.
        let complete = home.join("complete");
        if !complete.exists() {
            screen.note("making the Python environment");
            python.make(&base, &home)?;
            let left_out = install(&python)?.join(", ");
            std::fs::write(&complete, left_out).map_err(Error::at(&complete))?;
        }
        screen.note(&format!("Python: {}", python.interpreter.display()));
        let left_out = std::fs::read_to_string(&complete).map_err(Error::at(&complete))?;
        if !left_out.is_empty() {
            let home = home.display();
            screen.note(&format!(
                "without {left_out}, as they could not be installed (remove {home} to try again)"
            ));
        }
        Ok(python)
    }

    fn make(&self, base: &Path, home: &Path) -> Result<(), Error> {
        let made = process::run(
            Command::new(base).args(["-m", "venv", "--clear"]).arg(home),
            INSTALL_LIMIT,
        );
        made.map_err(|_| Error::Missing {
            what: "Python's venv module",
            remedy: "install it (on Debian and Ubuntu: apt-get install python3-venv)",
        })
    }

    /// Installs one requirement after the other; answers those that could not be, and how many there are.
    fn each(&self, requirements: &str) -> (Vec<String>, usize) {
        let lines = requirements.lines().map(str::trim);
        let lines: Vec<&str> = lines
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect();
        let failed = lines
            .iter()
            .filter(|line| self.pip(&["install", line]).is_err());
        (failed.map(|&line| line.to_owned()).collect(), lines.len())
    }

    /// Runs pip in this environment.
    pub(crate) fn pip(&self, arguments: &[&str]) -> Result<(), Error> {
        process::run(
            Command::new(&self.interpreter)
                .args([
                    "-m",
                    "pip",
                    "--quiet",
                    "--disable-pip-version-check",
                    "--no-input",
                ])
                .args(arguments),
            INSTALL_LIMIT,
        )
    }
}

/// Our client, as it lies in the workspace.
struct Client {
    home: PathBuf,
    declared: PathBuf,
}

impl Client {
    fn of(workspace: &Workspace) -> Client {
        let home = workspace.root.join("clients/python");
        let declared = home.join("pyproject.toml");
        Client { home, declared }
    }
}

/// The `python3` of PATH.
///
/// # Errors
/// [`Error::Missing`].
pub(crate) fn base_interpreter() -> Result<PathBuf, Error> {
    find_in_path("python3").ok_or(Error::Missing {
        what: "python3",
        remedy: "install Python 3.9 or newer with its venv module \
                 (on Debian and Ubuntu: apt-get install python3 python3-venv)",
    })
}
