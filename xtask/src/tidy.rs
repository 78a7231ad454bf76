//! The house rules that no lint knows, checked over every file that git knows or would add.
//!
//! - A Rust file opens with `//!`, has at most 600 lines, and is not called `utils` and the like.
//! - The core names no async runtime, no `async fn` and no clock of the standard library.
//! - A test waits for a condition, it does not sleep. A loop that polls lives in a file `wait.rs`.
//! - Dependencies between crates point down only; the two transports meet under madsim only.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::process;
use crate::report::Error;
use crate::workspace::Workspace;

/// The longest a Rust file may be, in lines.
const MAX_LINES: usize = 600;

/// Names that say nothing about what is in a file.
const EMPTY_NAMES: [&str; 6] = ["utils", "util", "common", "helpers", "helper", "manager"];

/// The one crate in which the two transports meet: it runs the drivers of the one over the models of
/// the other. In an ordinary build it is empty and depends on nothing.
const MADSIM_ONLY: &str = "sim-tests/drivers";

/// Which crates of this workspace each folder's crate may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("transport-real", &["mpcsfaas-core"]),
    ("transport-sim", &["mpcsfaas-core"]),
    ("sim-tests", &["mpcsfaas-core", "mpcsfaas-transport-sim"]),
    (
        MADSIM_ONLY,
        &[
            "mpcsfaas-core",
            "mpcsfaas-transport-real",
            "mpcsfaas-transport-sim",
            "mpcsfaas-sim-tests",
        ],
    ),
    (
        "bins",
        &[
            "mpcsfaas-core",
            "mpcsfaas-transport-real",
            "mpcsfaas-sim-tests",
        ],
    ),
    ("fuzz", &["mpcsfaas-core"]),
    ("xtask", &[]),
];

/// The one exception, for tests only: those of the adapters hold the model of ZMQ to the real one.
const TESTS_ARROW: (&str, &str) = ("transport-real", "mpcsfaas-transport-sim");

/// What the core's code never names; comments may.
const NOT_IN_CORE: [&str; 4] = ["tokio", "std::time::Instant", "async fn", "async move"];

/// Checks the rules.
///
/// # Errors
/// [`Error::Tidy`] with every finding.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Error> {
    let mut findings = Vec::new();
    for path in listed(workspace)? {
        let name = path.as_str();
        let rust = name.ends_with(".rs");
        let manifest = name.ends_with("Cargo.toml") && name != "Cargo.toml";
        if !rust && !manifest {
            continue;
        }
        let full = workspace.root.join(name);
        // Listed but gone: removed and not yet committed.
        if !full.exists() {
            continue;
        }
        let text = std::fs::read_to_string(&full).map_err(Error::at(&full))?;
        if rust {
            check_rust(name, &text, &mut findings);
        } else {
            check_arrows(name, &text, &mut findings);
        }
    }
    if findings.is_empty() {
        Ok(())
    } else {
        Err(Error::Tidy(findings))
    }
}

/// The paths that git tracks or would add, from the root.
fn listed(workspace: &Workspace) -> Result<Vec<String>, Error> {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .args(["--", "*.rs", "*Cargo.toml"])
        .current_dir(&workspace.root);
    let text = process::read(&mut git, &workspace.kept, Duration::from_secs(60))?;
    Ok(text.lines().map(str::to_owned).collect())
}

fn check_rust(path: &str, text: &str, findings: &mut Vec<String>) {
    let mut found = |line: usize, what: &str| findings.push(format!("{path}:{line}: {what}"));
    if !text.starts_with("//!") {
        found(1, "a file opens with //! and what it is for");
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        found(
            lines,
            &format!("{lines} lines; split it, {MAX_LINES} is the most"),
        );
    }
    let named = Path::new(path)
        .components()
        .map(|part| part.as_os_str().to_string_lossy());
    for part in named {
        if EMPTY_NAMES.contains(&part.trim_end_matches(".rs")) {
            found(1, &format!("`{part}` says nothing about what is in it"));
        }
    }
    let in_core = path.starts_with("core/");
    let mut in_test = is_test_file(path);
    for (number, line) in text.lines().enumerate() {
        // Tests come last in a file, so all after the attribute is test code.
        in_test |= line.trim_start().starts_with("#[cfg(test)]");
        let code = line.split("//").next().unwrap_or_default();
        if in_core {
            for word in NOT_IN_CORE.into_iter().filter(|word| names(code, word)) {
                found(number + 1, &format!("`{word}` has no place in the core"));
            }
        }
        if in_test && !path.ends_with("/wait.rs") && sleeps(code) {
            found(
                number + 1,
                "a test waits for a condition, it does not sleep",
            );
        }
    }
}

fn is_test_file(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}

fn sleeps(code: &str) -> bool {
    code.contains(concat!("thread::", "sleep")) || code.contains(concat!("time::", "sleep"))
}

/// Whether `code` has `word`, and not only as a part of a longer one.
fn names(code: &str, word: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(part_of_word) && !after.is_some_and(part_of_word)
    })
}

fn check_arrows(path: &str, text: &str, findings: &mut Vec<String>) {
    let folder = path.trim_end_matches("/Cargo.toml");
    let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| *known == folder) else {
        findings.push(format!(
            "{path}: a new crate needs its arrows in xtask/src/tidy.rs"
        ));
        return;
    };
    if folder == MADSIM_ONLY
        && let Some(section) = sections(text).find(|section| is_for_every_build(section))
    {
        findings.push(format!("{path}: [{section}] is not only for cfg(madsim)"));
    }
    for (dependency, for_tests) in own_dependencies(text) {
        let excepted = for_tests && (folder, dependency) == TESTS_ARROW;
        if !allowed.contains(&dependency) && !excepted {
            findings.push(format!("{path}: {folder} must not depend on {dependency}"));
        }
    }
}

/// The names of a manifest's sections.
fn sections(manifest: &str) -> impl Iterator<Item = &str> {
    manifest
        .lines()
        .filter_map(|line| line.trim().strip_prefix('[')?.strip_suffix(']'))
}

/// Whether a section has dependencies that an ordinary build has, too.
fn is_for_every_build(section: &str) -> bool {
    section.contains("dependencies") && !section.starts_with("target.'cfg(madsim)'.")
}

/// The crates of this workspace that a manifest depends on, for tests and builds too, and whether
/// it is for tests only. Every one of them is called `mpcsfaas-...`.
fn own_dependencies(manifest: &str) -> Vec<(&str, bool)> {
    let mut found = Vec::new();
    let mut in_dependencies = false;
    let mut for_tests = false;
    for line in manifest.lines().map(str::trim) {
        let named = if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            in_dependencies = section.ends_with("dependencies");
            for_tests = section.starts_with("dev-dependencies");
            section.rsplit_once("dependencies.").map(|(_, name)| name)
        } else if in_dependencies {
            line.split(['=', '.', ' ']).next()
        } else {
            None
        };
        let named = named.filter(|name| name.starts_with("mpcsfaas-"));
        found.extend(named.map(|name| (name, for_tests)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rust(path: &str, text: &str) -> Vec<String> {
        let mut findings = Vec::new();
        check_rust(path, text, &mut findings);
        findings
    }

    fn arrows(path: &str, text: &str) -> Vec<String> {
        let mut findings = Vec::new();
        check_arrows(path, text, &mut findings);
        findings
    }

    #[test]
    fn a_tidy_file_has_no_findings() {
        let text = "//! What.\n// tokio would be wrong here\nuse crate::time::Instant;\n";
        assert!(rust("core/src/lib.rs", text).is_empty());
    }

    #[test]
    fn a_header_a_length_and_a_name_are_asked_for() {
        let long = "\n".repeat(MAX_LINES + 1);
        let findings = rust("bins/src/utils.rs", &long);
        assert_eq!(findings.len(), 3, "{findings:?}");
        let just = format!("//! What.{}", "\n".repeat(MAX_LINES));
        assert!(rust("bins/src/load.rs", &just).is_empty());
    }

    #[test]
    fn the_core_stays_free_of_runtimes_and_clocks() {
        for line in [
            "use tokio::net;",
            "let at = std::time::Instant::now();",
            "async fn f() {}",
        ] {
            let text = format!("//! What.\n{line}\n");
            assert_eq!(rust("core/src/x.rs", &text).len(), 1, "{line}");
            assert!(rust("transport-real/src/x.rs", &text).is_empty(), "{line}");
        }
        assert!(rust("core/src/x.rs", "//! What.\nfn to_tokio_time() {}\n").is_empty());
    }

    #[test]
    fn tests_do_not_sleep_and_other_code_may() {
        let sleep = concat!("tokio::time::", "sleep(a).await;");
        let text = format!("//! What.\n{sleep}\n");
        assert!(rust("bins/src/x.rs", &text).is_empty());
        assert_eq!(rust("bins/tests/it/x.rs", &text).len(), 1);
        assert_eq!(rust("transport-sim/src/tests.rs", &text).len(), 1);
        assert!(rust("bins/tests/it/wait.rs", &text).is_empty());
        let inline = format!("//! What.\n{sleep}\n#[cfg(test)]\nmod tests {{\n{sleep}\n}}\n");
        let findings = rust("bins/src/x.rs", &inline);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].starts_with("bins/src/x.rs:5:"), "{findings:?}");
    }

    #[test]
    fn arrows_point_down_only() {
        let real = "[package]\nname = \"mpcsfaas-transport-real\"\n\
                    [dependencies]\nmpcsfaas-core.workspace = true\n";
        assert!(arrows("transport-real/Cargo.toml", real).is_empty());
        assert_eq!(arrows("core/Cargo.toml", real).len(), 1);
        let sim = "[dev-dependencies]\nmpcsfaas-transport-sim = { path = \"../transport-sim\" }\n";
        assert!(arrows("transport-real/Cargo.toml", sim).is_empty());
        assert_eq!(arrows("core/Cargo.toml", sim).len(), 1);
        for wrong in [
            "[dependencies.mpcsfaas-transport-sim]\npath = \"../transport-sim\"\n",
            "[target.'cfg(madsim)'.dependencies]\nmpcsfaas-transport-sim.workspace = true\n",
            "[dev-dependencies]\nmpcsfaas-sim-tests.workspace = true\n",
        ] {
            assert_eq!(
                arrows("transport-real/Cargo.toml", wrong).len(),
                1,
                "{wrong}"
            );
        }
        assert_eq!(arrows("another/Cargo.toml", "[package]\n").len(), 1);
    }

    #[test]
    fn the_transports_meet_under_madsim_only() {
        let met = |section: &str| {
            let manifest = format!("[{section}]\nmpcsfaas-transport-real.workspace = true\n");
            arrows("sim-tests/drivers/Cargo.toml", &manifest).len()
        };
        assert_eq!(met("target.'cfg(madsim)'.dependencies"), 0);
        assert_eq!(met("dependencies"), 1);
        assert_eq!(met("dev-dependencies"), 1);
        assert_eq!(met("target.'cfg(unix)'.dependencies"), 1);
    }
}
