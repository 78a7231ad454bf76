//! `cargo xtask compare`: ours next to what users would pick instead. What is measured, and how, is in `bench/`;
//! here is what that needs: a Python environment, the release binary, a Redis server.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process;
use crate::python::{Python, base_interpreter};
use crate::report::{Error, Screen};
use crate::servers::find_redis;
use crate::workspace::Workspace;

/// How long building may take.
const BUILD_LIMIT: Duration = Duration::from_secs(40 * 60);

/// How long reading the arguments may take.
const CHECK_LIMIT: Duration = Duration::from_secs(60);

/// What needs nothing that would have to be built or installed.
const ALONE: [&str; 3] = ["-h", "--help", "--render"];

/// Prepares everything and becomes the program in `bench/`, so its exit code is that of this command,
/// and a signal reaches it and nobody else.
///
/// # Errors
/// If the arguments make no sense, before anything is built; if something is missing.
pub(crate) fn run(
    screen: &Screen,
    workspace: &Workspace,
    arguments: &[String],
) -> Result<(), Error> {
    let base = base_interpreter()?;
    let alone = |one: &String| ALONE.contains(&one.split('=').next().unwrap_or_default());
    if arguments.iter().any(alone) {
        return Err(become_program(program(workspace, &base).args(arguments)));
    }
    let mut check = program(workspace, &base);
    if process::run(check.arg("--check").args(arguments), CHECK_LIMIT).is_err() {
        return Err(Error::Usage(
            "these options of compare make no sense".to_owned(),
        ));
    }
    let python = Python::of_peers(screen, workspace)?;
    screen.begin("building the release binary");
    let mut build = workspace.cargo(&["build", "--release", "--locked", "--package", "mpcsfaas"]);
    process::run(&mut build, BUILD_LIMIT)?;
    let redis = find_redis(screen, workspace, &python)?;
    let mut compare = program(workspace, &python.interpreter);
    compare
        .arg("--binary")
        .arg(workspace.binary("release"))
        .arg("--redis-server")
        .arg(redis)
        .arg("--out")
        .arg(workspace.kept.join("compare"))
        .args(arguments);
    Err(become_program(&mut compare))
}

fn program(workspace: &Workspace, interpreter: &PathBuf) -> Command {
    let mut command = Command::new(interpreter);
    command
        .args(["-m", "compare"])
        .env("PYTHONPATH", workspace.root.join("bench"))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Returns only if that is not possible.
fn become_program(command: &mut Command) -> Error {
    let failure: io::Error = command.exec();
    Error::io(Path::new(command.get_program()).display().to_string())(failure)
}
