//! The targets without a fuzzer: each file that is named is one input.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Gives each file named on the command line to a target, those of a folder in the order of their
/// names. A violation panics, as it does under the fuzzer; a file that cannot be read is an error.
pub fn files<T>(target: fn(&[u8]) -> T) -> ExitCode {
    let named: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if named.is_empty() {
        eprintln!("name files or folders to replay");
        return ExitCode::from(2);
    }
    let mut replayed = 0;
    for path in named {
        let inputs = match inputs(&path) {
            Ok(inputs) => inputs,
            Err(error) => {
                eprintln!("{}: {error}", path.display());
                return ExitCode::from(2);
            }
        };
        for (path, input) in inputs {
            eprintln!("{}: {} bytes", path.display(), input.len());
            target(&input);
            replayed += 1;
        }
    }
    eprintln!("{replayed} inputs, and nothing was violated");
    ExitCode::SUCCESS
}

/// The inputs at a path: the file, or the files of the folder by name.
///
/// # Errors
/// If one cannot be read.
pub fn inputs(path: &Path) -> std::io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut paths = Vec::new();
    if path.is_dir() {
        for entry in std::fs::read_dir(path)? {
            paths.push(entry?.path());
        }
        paths.sort();
    } else {
        paths.push(path.to_owned());
    }
    paths
        .into_iter()
        .map(|path| std::fs::read(&path).map(|input| (path, input)))
        .collect()
}
