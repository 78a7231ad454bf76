//! `cargo xtask fuzz`: runs the fuzz targets under libFuzzer, and says what came of it.
//!
//! The corpus in the repository is read and not written. What a run adds is kept under the target
//! directory, and `--minimise` makes a new corpus out of both.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::process;
use crate::report::{Error, Screen, Table};
use crate::workspace::{Workspace, find_in_path};

/// How long building all targets may take.
const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);

/// How much longer than asked for a run may take: the check that all is built, the corpus, the end.
const SLACK: Duration = Duration::from_secs(300);

/// An input that takes longer than this, in seconds, is a finding.
const HANG: u32 = 10;

/// What to do where nothing can be fuzzed.
const REMEDY: &str = "`rustup toolchain install nightly` and `cargo install cargo-fuzz`, and a C++ \
                      compiler for libFuzzer; or fuzz with this compiler by --on-stable. The corpus \
                      is replayed without any of them by `cargo xtask test fuzz-corpus`";

/// The options of the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    seconds: u32,
    target: Option<String>,
    on_stable: bool,
    minimise: bool,
}

impl Options {
    /// Reads the command line.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub(crate) fn parse(arguments: &[String]) -> Result<Options, Error> {
        let mut options = Options {
            seconds: 60,
            target: None,
            on_stable: false,
            minimise: false,
        };
        let mut arguments = arguments.iter().map(String::as_str);
        while let Some(name) = arguments.next() {
            match name {
                "--seconds" => options.seconds = seconds(arguments.next())?,
                "--target" => options.target = arguments.next().map(str::to_owned),
                "--on-stable" => options.on_stable = true,
                "--minimise" => options.minimise = true,
                unknown => return Err(Error::Usage(format!("`{unknown}` is no option of fuzz"))),
            }
        }
        Ok(options)
    }
}

fn seconds(value: Option<&str>) -> Result<u32, Error> {
    let number = value
        .and_then(|text| text.parse().ok())
        .filter(|number| *number > 0);
    number.ok_or_else(|| Error::Usage("--seconds needs a number over 0".to_owned()))
}

/// Fuzzes every target, or the one that is named, one after the other.
///
/// # Errors
/// [`Error::CannotFuzz`] if something is missing; [`Error::Violations`] with every input that was
/// found to violate something.
pub(crate) fn run(screen: &Screen, workspace: &Workspace, options: &Options) -> Result<(), Error> {
    let targets = chosen(workspace, options.target.as_deref())?;
    let fuzzer = Fuzzer::find(workspace, options.on_stable)?;
    screen.begin(&format!(
        "building {} targets {}",
        targets.len(),
        fuzzer.how
    ));
    process::run(
        fuzzer.cargo_fuzz("build").args(options.target.iter()),
        BUILD_LIMIT,
    )?;
    if options.minimise {
        return targets
            .iter()
            .try_for_each(|target| fuzzer.minimise(screen, target));
    }
    let mut table = Table::new(&[
        "target",
        "executions",
        "a second",
        "edges",
        "corpus",
        "new",
        "found",
    ]);
    let mut found = Vec::new();
    for target in &targets {
        screen.begin(&format!("{target}: {} s", options.seconds));
        let outcome = fuzzer.fuzz(target, options.seconds)?;
        screen.done(&format!("{target}: {} executions", outcome.executions));
        table.row(outcome.row(target));
        found.extend(outcome.found.into_iter().map(|file| (target.clone(), file)));
    }
    println!("\n{table}");
    match found.is_empty() {
        true => Ok(()),
        false => Err(Error::Violations(found)),
    }
}

/// The targets' names, each a file in `fuzz/fuzz_targets`.
fn chosen(workspace: &Workspace, wanted: Option<&str>) -> Result<Vec<String>, Error> {
    let folder = workspace.root.join("fuzz/fuzz_targets");
    let mut names: Vec<String> = listed(&folder)?
        .iter()
        .filter_map(|path| path.file_stem())
        .map(|stem| stem.to_string_lossy().into_owned())
        .collect();
    names.sort();
    match wanted {
        None => Ok(names),
        Some(one) if names.iter().any(|name| name == one) => Ok(vec![one.to_owned()]),
        Some(one) => {
            let names = names.join(", ");
            Err(Error::Usage(format!("`{one}` is no target ({names})")))
        }
    }
}

/// How fuzzing is done on this machine.
struct Fuzzer<'a> {
    workspace: &'a Workspace,
    /// The beginning of each command.
    cargo: Vec<&'static str>,
    /// Without a nightly there is no address sanitizer; the core has no unsafe code of its own.
    sanitizer: &'static str,
    /// For people.
    how: &'static str,
}

/// What came of fuzzing one target.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
struct Outcome {
    executions: u64,
    a_second: u64,
    edges: u64,
    corpus: usize,
    new: usize,
    found: Option<PathBuf>,
}

impl<'a> Fuzzer<'a> {
    fn find(workspace: &'a Workspace, on_stable: bool) -> Result<Fuzzer<'a>, Error> {
        let missing = |what| Error::CannotFuzz {
            what,
            remedy: REMEDY,
        };
        if !workspace.has_cargo_subcommand("fuzz") {
            return Err(missing("cargo-fuzz"));
        }
        let fuzzer = |cargo, sanitizer, how| Fuzzer {
            workspace,
            cargo,
            sanitizer,
            how,
        };
        if on_stable {
            return Ok(fuzzer(vec!["cargo"], "none", "without a sanitizer"));
        }
        let nightly = ["rustup", "run", "nightly", "rustc"];
        if find_in_path("rustup").is_some() && is_nightly(workspace, &nightly) {
            let cargo = vec!["rustup", "run", "nightly", "cargo"];
            return Ok(fuzzer(cargo, "address", "by the nightly compiler"));
        }
        match is_nightly(workspace, &["rustc"]) {
            true => Ok(fuzzer(vec!["cargo"], "address", "by this nightly compiler")),
            false => Err(missing("a nightly compiler")),
        }
    }

    /// `cargo fuzz COMMAND` with what all commands need.
    fn cargo_fuzz(&self, command: &str) -> Command {
        let mut cargo = self.workspace.at_root(&self.cargo);
        cargo
            .args([
                "fuzz",
                command,
                "--fuzz-dir",
                "fuzz",
                "--sanitizer",
                self.sanitizer,
            ])
            .arg("--target-dir")
            .arg(self.workspace.target.join("fuzz"));
        cargo
    }

    /// Where what is found new is kept, and the corpus in the repository. A new target has none yet.
    fn folders(&self, target: &str) -> Result<(PathBuf, PathBuf), Error> {
        let working = self.workspace.kept.join("fuzz").join(target);
        let repository = self.workspace.root.join("fuzz/corpus").join(target);
        for path in [&working, &repository] {
            std::fs::create_dir_all(path).map_err(Error::at(path))?;
        }
        Ok((working, repository))
    }

    fn fuzz(&self, target: &str, seconds: u32) -> Result<Outcome, Error> {
        let (working, repository) = self.folders(target)?;
        let before = listed(&working)?.len();
        let mut command = self.cargo_fuzz("run");
        command
            .arg(target)
            .args([&working, &repository])
            .arg("--")
            .args([
                format!("-max_total_time={seconds}"),
                format!("-timeout={HANG}"),
                "-print_final_stats=1".to_owned(),
            ]);
        let limit = Duration::from_secs(seconds.into()) + SLACK;
        let (ended, log) = self.logged(target, &mut command, limit)?;
        let mut outcome = Outcome::read(&log);
        outcome.corpus = listed(&repository)?.len();
        outcome.new = listed(&working)?.len().saturating_sub(before);
        // It ends with a failure when something is found, and then the log names the file.
        match ended {
            Err(error) if outcome.found.is_none() => Err(error),
            _ => Ok(outcome),
        }
    }

    /// Replaces the corpus in the repository by the fewest inputs, of it and of what was found new, that
    /// reach the same edges.
    fn minimise(&self, screen: &Screen, target: &str) -> Result<(), Error> {
        let (working, repository) = self.folders(target)?;
        let merged = self.workspace.fresh("fuzz-merged")?;
        let mut command = self.cargo_fuzz("run");
        command
            .arg(target)
            .args([&merged, &repository, &working])
            .args(["--", "-set_cover_merge=1", "-use_counters=0"]);
        let (ended, log) = self.logged(target, &mut command, BUILD_LIMIT)?;
        if let Err(error) = ended {
            println!("{log}");
            return Err(error);
        }
        for old in listed(&repository)? {
            std::fs::remove_file(&old).map_err(Error::at(&old))?;
        }
        let mut bytes = 0;
        let kept = listed(&merged)?;
        for new in &kept {
            let name = new.file_name().unwrap_or_default();
            bytes += std::fs::copy(new, repository.join(name)).map_err(Error::at(new))?;
        }
        screen.done(&format!("{target}: {} inputs, {bytes} bytes", kept.len()));
        Ok(())
    }

    /// Runs a command, and returns how it ended and what it wrote.
    fn logged(
        &self,
        target: &str,
        command: &mut Command,
        limit: Duration,
    ) -> Result<(Result<(), Error>, String), Error> {
        let path = self
            .workspace
            .kept
            .join("fuzz")
            .join(format!("{target}.log"));
        let log = File::create(&path).map_err(Error::at(&path))?;
        let ended = process::run(command.stdout(Stdio::null()).stderr(log), limit);
        // libFuzzer writes the bytes of a dictionary as they are.
        let written = std::fs::read(&path).map_err(Error::at(&path))?;
        Ok((ended, String::from_utf8_lossy(&written).into_owned()))
    }
}

impl Outcome {
    /// Reads libFuzzer's log: its last status line, its final figures, and the input that it kept.
    fn read(log: &str) -> Outcome {
        let mut figures = BTreeMap::new();
        let mut outcome = Outcome::default();
        for line in log.lines() {
            if let Some((name, value)) = line.strip_prefix("stat::").and_then(|l| l.split_once(':'))
            {
                figures.insert(name, value.trim().parse().unwrap_or(0));
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            for pair in words.windows(2).filter(|pair| pair[0] == "cov:") {
                outcome.edges = pair[1].parse().unwrap_or(outcome.edges);
            }
            if let Some((_, file)) = line.split_once("Test unit written to ") {
                outcome.found = Some(PathBuf::from(file.trim()));
            }
        }
        let figure = |name| figures.get(name).copied().unwrap_or(0);
        outcome.executions = figure("number_of_executed_units");
        outcome.a_second = figure("average_exec_per_sec");
        outcome
    }

    fn row(&self, target: &str) -> Vec<String> {
        let found = if self.found.is_some() {
            "yes"
        } else {
            "nothing"
        };
        vec![
            target.to_owned(),
            self.executions.to_string(),
            self.a_second.to_string(),
            self.edges.to_string(),
            self.corpus.to_string(),
            self.new.to_string(),
            found.to_owned(),
        ]
    }
}

/// Whether this is the command of a nightly compiler that is there.
fn is_nightly(workspace: &Workspace, command: &[&str]) -> bool {
    let mut version = workspace.at_root(command);
    version.arg("--version").stderr(Stdio::null());
    let said = process::read(&mut version, &workspace.kept, Duration::from_secs(60));
    said.is_ok_and(|text| text.contains("nightly"))
}

/// The files in a folder.
fn listed(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = std::fs::read_dir(folder).map_err(Error::at(folder))?;
    entries
        .map(|entry| entry.map(|entry| entry.path()).map_err(Error::at(folder)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let parse = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            Options::parse(&words)
        };
        let options = parse("--seconds 5 --target store --on-stable").unwrap();
        assert_eq!((options.seconds, options.on_stable), (5, true));
        assert_eq!(options.target.as_deref(), Some("store"));
        assert_eq!(parse("").unwrap().seconds, 60);
        for wrong in ["--seconds", "--seconds 0", "--seconds x", "--sconds 3"] {
            assert!(matches!(parse(wrong), Err(Error::Usage(_))), "{wrong}");
        }
    }

    #[test]
    fn a_log_is_read() {
        let log = "INFO: 3 files found\n\
                   #3\tINITED cov: 75 ft: 75 corp: 1/1b exec/s: 0 rss: 34Mb\n\
                   #473334\tDONE   cov: 1401 ft: 4127 corp: 761/40Kb lim: 769 exec/s: 22539 rss: 502Mb\n\
                   Done 473334 runs in 21 second(s)\n\
                   stat::number_of_executed_units: 473334\n\
                   stat::average_exec_per_sec:     22539\n";
        let outcome = Outcome::read(log);
        assert_eq!(
            (outcome.executions, outcome.a_second, outcome.edges),
            (473_334, 22_539, 1_401)
        );
        assert_eq!(outcome.found, None);
        let crash = "artifact_prefix='/a/'; Test unit written to /a/crash-1\nBase64: Cn0=\n";
        assert_eq!(
            Outcome::read(crash).found,
            Some(PathBuf::from("/a/crash-1"))
        );
    }
}
