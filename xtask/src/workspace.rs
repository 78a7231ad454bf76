//! Where things are, and cargo itself.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::report::Error;

/// The folders of this workspace.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    /// Where the workspace's Cargo.toml lies.
    pub(crate) root: PathBuf,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
    /// What these commands make and keep: environments, servers, logs.
    pub(crate) kept: PathBuf,
}

impl Workspace {
    /// The workspace that this program belongs to. Makes the folder that is kept.
    pub(crate) fn find() -> Result<Workspace, Error> {
        // Cargo says at run time where the package lies; a copied binary falls back on where it was built.
        let package = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = package.parent().unwrap_or(&package).to_owned();
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(chosen) => std::path::absolute(&chosen).map_err(Error::at(Path::new(&chosen)))?,
            None => root.join("target"),
        };
        let kept = target.join("xtask");
        std::fs::create_dir_all(&kept).map_err(Error::at(&kept))?;
        Ok(Workspace { root, target, kept })
    }

    /// `cargo` at the root, with these arguments.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = self.bare(Command::new(cargo));
        command.args(arguments);
        command
    }

    /// A command with its arguments at the root.
    pub(crate) fn at_root(&self, words: &[&str]) -> Command {
        let (program, arguments) = words.split_first().expect("a command has a name");
        let mut command = self.bare(Command::new(program));
        command.args(arguments);
        command
    }

    /// At the root, and without what this program's own cargo has set.
    fn bare(&self, mut command: Command) -> Command {
        command
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target);
        // Cargo sets these for this program alone; a crate that reads them would be rebuilt.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(name);
            }
        }
        command
    }

    /// Whether `cargo SUBCOMMAND` is installed.
    pub(crate) fn has_cargo_subcommand(&self, subcommand: &str) -> bool {
        find_in_path(&format!("cargo-{subcommand}")).is_some()
    }

    /// The platform's binary of this profile (`debug` or `release`).
    pub(crate) fn binary(&self, profile: &str) -> PathBuf {
        let name = format!("mpcsfaas{}", std::env::consts::EXE_SUFFIX);
        self.target.join(profile).join(name)
    }

    /// A new, empty folder for logs and data of this run; an earlier run's is removed.
    pub(crate) fn fresh(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.kept.join(name);
        if path.exists() {
            std::fs::remove_dir_all(&path).map_err(Error::at(&path))?;
        }
        std::fs::create_dir_all(&path).map_err(Error::at(&path))?;
        Ok(path)
    }
}

/// The first program of this name in PATH.
pub(crate) fn find_in_path(program: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}
