//! A temporary directory for stores and logs, removed at the end.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The temporary directory is of no use.
#[derive(Debug, Error)]
#[error("cannot use {}: {source}", .path.display())]
pub struct ScratchError {
    pub(super) path: PathBuf,
    pub(super) source: io::Error,
}

impl ScratchError {
    /// What cannot be used, and why not.
    pub(super) fn of(path: &Path) -> impl FnOnce(io::Error) -> ScratchError + use<'_> {
        move |source| ScratchError {
            path: path.to_owned(),
            source,
        }
    }
}

/// The directory.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Makes one for this kind of measurement.
    pub(super) fn make(kind: &str) -> Result<Scratch, ScratchError> {
        let name = format!("mpcsfaas-{kind}-{:016x}", rand::random::<u64>());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).map_err(ScratchError::of(&path))?;
        Ok(Scratch(path))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// A new directory in it.
    pub(super) fn directory(&self, name: &str) -> Result<PathBuf, ScratchError> {
        let path = self.0.join(name);
        std::fs::create_dir(&path).map_err(ScratchError::of(&path))?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        match std::fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "{} could not be removed", self.0.display());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_behind() {
        let scratch = Scratch::make("test").unwrap();
        let directory = scratch.directory("push-2").unwrap();
        std::fs::write(directory.join("up.log"), "").unwrap();
        let path = scratch.path().to_owned();
        drop(scratch);
        assert!(!path.exists());
    }
}
