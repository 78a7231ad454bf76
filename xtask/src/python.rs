//! The Python environment that the tests and benchmarks use, made once under the target directory.
//!
//! What goes in is what `clients/python/pyproject.toml` says, with its `test` extra; the client
//! itself is installed in place. An environment is named by a hash of that file, so a change of
//! requirements makes another one.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process;
use crate::report::{Error, Screen};
use crate::workspace::{Workspace, find_in_path};

/// How long making the environment or installing a package may take.
const INSTALL_LIMIT: Duration = Duration::from_secs(600);

/// An interpreter with everything the tests import.
#[derive(Clone, Debug)]
pub(crate) struct Python {
    /// The interpreter.
    pub(crate) interpreter: PathBuf,
}

impl Python {
    /// The environment for the present requirements; makes it if it is not there.
    pub(crate) fn prepare(screen: &Screen, workspace: &Workspace) -> Result<Python, Error> {
        let client = workspace.root.join("clients/python");
        let declared = client.join("pyproject.toml");
        let requirements = std::fs::read(&declared).map_err(Error::at(&declared))?;
        let base = base_interpreter()?;
        // The client is installed in place, so its place is part of the name, too.
        let mut hasher = DefaultHasher::new();
        (&requirements, &client, &base).hash(&mut hasher);
        let name = format!("{:016x}", hasher.finish());
        let home = workspace.kept.join("python-env").join(name);
        let python = Python {
            interpreter: home.join("bin/python"),
        };
        // Written last: an environment without it was left half-made.
        let complete = home.join("complete");
        if !complete.exists() {
            screen.note("making the Python environment");
            python.make(&base, &home, &client)?;
            std::fs::write(&complete, "").map_err(Error::at(&complete))?;
        }
        screen.note(&format!("Python: {}", python.interpreter.display()));
        Ok(python)
    }

    fn make(&self, base: &Path, home: &Path, client: &Path) -> Result<(), Error> {
        let made = process::run(
            Command::new(base).args(["-m", "venv", "--clear"]).arg(home),
            INSTALL_LIMIT,
        );
        if made.is_err() {
            return Err(Error::Missing {
                what: "Python's venv module",
                remedy: "install it (on Debian and Ubuntu: apt-get install python3-venv)",
            });
        }
        let client = format!("{}[test]", client.display());
        self.pip(&["install", "--editable", &client])
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

fn base_interpreter() -> Result<PathBuf, Error> {
    find_in_path("python3").ok_or(Error::Missing {
        what: "python3",
        remedy: "install Python 3.9 or newer with its venv module \
                 (on Debian and Ubuntu: apt-get install python3 python3-venv)",
    })
}
