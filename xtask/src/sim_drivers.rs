//! `cargo xtask sim-drivers`: the async drivers over madsim's clock and network.
//!
//! They are built with `--cfg madsim`, which changes every crate; so they have a target folder of
//! their own, and the ordinary build stays as it is.

use std::process::Command;
use std::time::Duration;

use crate::process;
use crate::report::Error;
use crate::workspace::Workspace;

const PACKAGE: &str = "mpcsfaas-sim-drivers";

/// How long a build from nothing and a run may take: several times what 200 seeds take.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Builds the drivers' simulation and runs it with these arguments.
///
/// # Errors
/// It cannot be built, its arguments are wrong, or a promise was broken.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Error> {
    let mut command = cargo(
        workspace,
        &["run", "--quiet", "--package", PACKAGE, "--locked"],
    );
    process::run(command.arg("--").args(arguments), LIMIT)
}

/// What CI runs of it: lints, its tests, and 200 seeds.
///
/// # Errors
/// As [`run`], or a test fails.
pub(crate) fn test(workspace: &Workspace) -> Result<(), Error> {
    // The ordinary lints see an empty crate.
    let lints = [
        "clippy",
        "--package",
        PACKAGE,
        "--all-targets",
        "--no-deps",
        "--locked",
    ];
    process::run(
        cargo(workspace, &lints).args(["--", "-D", "warnings"]),
        LIMIT,
    )?;
    let mut tests = cargo(workspace, &["test", "--package", PACKAGE, "--locked"]);
    process::run(&mut tests, LIMIT)?;
    run(workspace, &[])
}

fn cargo(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = workspace.cargo(arguments);
    let mut flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    flags.push_str(" --cfg madsim");
    command
        .env("RUSTFLAGS", flags.trim())
        .env("CARGO_TARGET_DIR", workspace.target.join("sim-drivers"));
    command
}
