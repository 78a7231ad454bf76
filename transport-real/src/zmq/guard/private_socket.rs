//! A Unix socket in a directory that nobody else may enter.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// Where a private socket is. It is removed with this.
#[derive(Debug)]
pub(super) struct PrivateSocket {
    directory: PathBuf,
    path: PathBuf,
}

impl PrivateSocket {
    /// Makes a directory in the system's place for temporary files, and a socket in it.
    ///
    /// # Errors
    /// It cannot be made; also when the path is longer than the system allows for a socket.
    pub(super) fn bind() -> io::Result<(PrivateSocket, UnixListener)> {
        let name = format!("mpcsfaas-{:016x}", rand::random::<u64>());
        let directory = std::env::temp_dir().join(name);
        // It fails if there is something of that name, so nobody can have put a trap there.
        DirBuilder::new().mode(0o700).create(&directory)?;
        let path = directory.join("router");
        let socket = PrivateSocket { directory, path };
        let listener = UnixListener::bind(&socket.path)?;
        Ok((socket, listener))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PrivateSocket {
    fn drop(&mut self) {
        // The ROUTER removes the socket too; whoever comes second finds nothing.
        let _ = std::fs::remove_file(&self.path);
        let _ = std::fs::remove_dir(&self.directory);
    }
}
