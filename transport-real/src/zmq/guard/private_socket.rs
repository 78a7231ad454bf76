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

/// The socket's name in its directory.
const SOCKET: &str = "router";

/// The longest path of a socket, in bytes, on every system that has them (`sun_path` has 104 on
/// macOS and 108 on Linux, with the zero at its end).
const LONGEST: usize = 103;

/// Where temporary files go if their usual place has too long a name for a socket.
const SHORT: &str = "/tmp";

impl PrivateSocket {
    /// Makes a directory in the system's place for temporary files, and a socket in it.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) fn bind() -> io::Result<(PrivateSocket, UnixListener)> {
        let name = format!("mpcsfaas-{:016x}", rand::random::<u64>());
        let directory = place(std::env::temp_dir(), &name);
        // It fails if there is something of that name, so nobody can have put a trap there.
        DirBuilder::new().mode(0o700).create(&directory)?;
        let path = directory.join(SOCKET);
        let socket = PrivateSocket { directory, path };
        let listener = UnixListener::bind(&socket.path)?;
        Ok((socket, listener))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// A directory for the socket, whose path is short enough.
fn place(temporary: PathBuf, name: &str) -> PathBuf {
    let directory = temporary.join(name);
    match directory.join(SOCKET).as_os_str().len() <= LONGEST {
        true => directory,
        false => Path::new(SHORT).join(name),
    }
}

impl Drop for PrivateSocket {
    fn drop(&mut self) {
        // The ROUTER removes the socket too; whoever comes second finds nothing.
        let _ = std::fs::remove_file(&self.path);
        let _ = std::fs::remove_dir(&self.directory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_place_for_temporary_files_is_no_hindrance() {
        let usual = place(PathBuf::from("/var/tmp"), "mpcsfaas-1");
        assert_eq!(usual, Path::new("/var/tmp/mpcsfaas-1"));
        let long = place(PathBuf::from(format!("/{}", "x".repeat(90))), "mpcsfaas-1");
        assert_eq!(long, Path::new("/tmp/mpcsfaas-1"));
    }
}
