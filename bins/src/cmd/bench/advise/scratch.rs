//! A temporary directory for stores and logs, removed at the end.

use std::io;
use std::path::{Path, PathBuf};

use super::AdviseError;

/// The directory.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Makes one.
    pub(super) fn make() -> Result<Scratch, AdviseError> {
        let name = format!("mpcsfaas-advise-{:016x}", rand::random::<u64>());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).map_err(unusable(&path))?;
        Ok(Scratch(path))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// A new directory in it.
    pub(super) fn directory(&self, name: &str) -> Result<PathBuf, AdviseError> {
        let path = self.0.join(name);
        std::fs::create_dir(&path).map_err(unusable(&path))?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, "{} could not be removed", self.0.display());
        }
    }
}

/// What cannot be used, and why not.
pub(super) fn unusable(path: &Path) -> impl FnOnce(io::Error) -> AdviseError + use<'_> {
    move |source| AdviseError::Scratch {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_behind() {
        let scratch = Scratch::make().unwrap();
        let directory = scratch.directory("push-2").unwrap();
        std::fs::write(directory.join("up.log"), "").unwrap();
        let path = scratch.path().to_owned();
        drop(scratch);
        assert!(!path.exists());
    }
}
