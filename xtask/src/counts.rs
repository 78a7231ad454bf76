//! `cargo xtask counts`: how many instructions and allocations the core takes for a task, held to
//! what was committed.
//!
//! `core/examples/counts.rs` walks the core's hot paths, and callgrind counts what happens inside
//! its function `counted`. Only instructions of the program itself count: those of the system's
//! libraries differ from machine to machine, and its allocations stand for most of them. So the
//! figures depend on the source and the compiler, and not on the machine or what else it does.

mod profile;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use self::profile::Count;
use crate::process;
use crate::report::{Error, Screen, Table};
use crate::workspace::{Workspace, find_in_path};

/// The committed figures.
const FIGURES: &str = "core/counts.txt";

/// What they begin with.
const HEAD: &str = "\
# What the core takes for 1,000 tasks on each of its hot paths: instructions of its own, allocations.
# Written by `cargo xtask counts --bless`, with the compiler of the next line; see xtask/src/counts.rs.
";

/// More than so many hundredths above the figures is refused.
const TOLERANCE: u64 = 10;

/// Tasks of a walk.
const TASKS: f64 = 1_000.0;

/// How long building may take.
const BUILD_LIMIT: Duration = Duration::from_secs(20 * 60);

/// How long one walk may take: a hundred times what it does.
const WALK_LIMIT: Duration = Duration::from_secs(300);

/// The environment variable that makes it a failure if nothing can be counted.
const REQUIRED: &str = "MPCSFAAS_REQUIRE_COUNTS";

const REMEDY: &str = "install it (on Debian: apt-get install valgrind)";

/// What is counted, by its name.
type Counts = BTreeMap<String, Count>;

/// The committed figures and what they were counted with.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Figures {
    compiler: String,
    counts: Counts,
}

/// The command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    bless: bool,
}

impl Options {
    /// Reads the command line.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub(crate) fn parse(arguments: &[String]) -> Result<Options, Error> {
        match arguments {
            [] => Ok(Options { bless: false }),
            [one] if one == "--bless" => Ok(Options { bless: true }),
            [unknown, ..] => Err(Error::Usage(format!("`{unknown}` is no option of counts"))),
        }
    }
}

/// The command: counts, and compares or writes.
///
/// # Errors
/// If nothing can be counted, or something has grown.
pub(crate) fn run(screen: &Screen, workspace: &Workspace, options: Options) -> Result<(), Error> {
    if options.bless {
        return bless(screen, workspace);
    }
    match check(screen, workspace)? {
        Ok(()) => screen.done("counts"),
        // Who asks for it by name wants to know that nothing was compared.
        Err(why) => return Err(Error::NotCounted(why)),
    }
    Ok(())
}

/// Counts and compares, for `cargo xtask test`; or says why nothing was compared, if that is allowed.
///
/// # Errors
/// If something has grown, or if nothing was compared and the environment says that it must be.
pub(crate) fn check(screen: &Screen, workspace: &Workspace) -> Result<Result<(), String>, Error> {
    let required = std::env::var_os(REQUIRED).is_some_and(|value| !value.is_empty());
    let path = workspace.root.join(FIGURES);
    let text = std::fs::read_to_string(&path).map_err(Error::at(&path))?;
    let figures = Figures::read(&text)?;
    let compiler = compiler(workspace)?;
    let why = match find_in_path("valgrind") {
        None => Some(format!("no valgrind; {REMEDY}")),
        Some(_) if compiler != figures.compiler => Some(format!(
            "the figures are of {}, and this is {compiler}: counted with another compiler they say \
             nothing; `cargo xtask counts --bless` on an unchanged core takes new ones",
            figures.compiler
        )),
        Some(_) => None,
    };
    match why {
        Some(why) if required => Err(Error::NotCounted(why)),
        Some(why) => Ok(Err(why)),
        None => {
            let now = count(workspace)?;
            screen.note("for each task: instructions, allocations, as counted and as committed");
            println!("\n{}", table(&figures.counts, &now));
            let findings = compare(&figures.counts, &now);
            match findings.is_empty() {
                true => Ok(Ok(())),
                false => Err(Error::Counts(findings)),
            }
        }
    }
}

fn bless(screen: &Screen, workspace: &Workspace) -> Result<(), Error> {
    if find_in_path("valgrind").is_none() {
        return Err(Error::NotCounted(format!("no valgrind; {REMEDY}")));
    }
    let figures = Figures {
        compiler: compiler(workspace)?,
        counts: count(workspace)?,
    };
    let path = workspace.root.join(FIGURES);
    std::fs::write(&path, figures.write()).map_err(Error::at(&path))?;
    screen.done(&format!("{FIGURES} is what was counted now"));
    Ok(())
}

/// The compiler, as far as it decides what is compiled.
fn compiler(workspace: &Workspace) -> Result<String, Error> {
    let mut rustc = workspace.at_root(&["rustc", "-vV"]);
    let text = process::read(&mut rustc, &workspace.kept, WALK_LIMIT)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    let version = text.lines().next().unwrap_or_default();
    Ok(format!("{version} {}", host.unwrap_or_default()))
}

fn count(workspace: &Workspace) -> Result<Counts, Error> {
    let mut build = workspace.cargo(&["build", "--release", "--locked"]);
    build.args(["--package", "mpcsfaas-core", "--example", "counts"]);
    process::run(&mut build, BUILD_LIMIT)?;
    let program = workspace.target.join("release/examples/counts");
    let scratch = workspace.fresh("counts")?;
    let names = process::read(&mut Command::new(&program), &scratch, WALK_LIMIT)?;
    let walk = |name: &str| Ok((name.to_owned(), walk(&program, name, &scratch)?));
    names.lines().map(walk).collect()
}

fn walk(program: &Path, name: &str, scratch: &Path) -> Result<Count, Error> {
    let out = scratch.join(format!("{name}.callgrind"));
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["-q", "--tool=callgrind", "--toggle-collect=*counted*"])
        .args(["--compress-strings=no", "--compress-pos=no"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .arg(name);
    process::read(&mut valgrind, scratch, WALK_LIMIT)?;
    let text = std::fs::read_to_string(&out).map_err(Error::at(&out))?;
    let count = profile::read(&text, &program.display().to_string());
    // The tool looks at a function by its name: without it everything would be free.
    match count.instructions {
        0 => Err(Error::NotCounted(format!("{name} has no instruction"))),
        _ => Ok(count),
    }
}

impl Figures {
    fn read(text: &str) -> Result<Figures, Error> {
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        let compiler = lines.next().unwrap_or_default().to_owned();
        let wrong = |line: &str| Error::Counts(vec![format!("{FIGURES}: `{line}` is no figure")]);
        let figure = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [name, instructions, allocations] = words[..] else {
                return Err(wrong(line));
            };
            let number = |word: &str| word.parse().map_err(|_| wrong(line));
            let count = Count {
                instructions: number(instructions)?,
                allocations: number(allocations)?,
            };
            Ok((name.to_owned(), count))
        };
        Ok(Figures {
            compiler,
            counts: lines.map(figure).collect::<Result<_, _>>()?,
        })
    }

    fn write(&self) -> String {
        let line = |(name, count): (&String, &Count)| {
            format!(
                "{name:<28} {:>12} {:>9}\n",
                count.instructions, count.allocations
            )
        };
        let lines: String = self.counts.iter().map(line).collect();
        format!("{HEAD}{}\n{lines}", self.compiler)
    }
}

fn table(before: &Counts, now: &Counts) -> Table {
    let mut table = Table::new(&["path", "instr.", "was", "change", "alloc.", "was"]);
    for (name, count) in now {
        let was = before.get(name);
        let old = |text: String| was.map_or_else(|| "-".to_owned(), |_| text);
        let was = was.copied().unwrap_or(*count);
        let change = count.instructions as f64 / was.instructions.max(1) as f64 - 1.0;
        table.row(vec![
            name.clone(),
            format!("{:.0}", count.instructions as f64 / TASKS),
            old(format!("{:.0}", was.instructions as f64 / TASKS)),
            old(format!("{:+.1} %", 100.0 * change)),
            format!("{:.2}", count.allocations as f64 / TASKS),
            old(format!("{:.2}", was.allocations as f64 / TASKS)),
        ]);
    }
    table
}

/// What is not as it was committed, and is no better either.
fn compare(before: &Counts, now: &Counts) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, count) in now {
        let Some(was) = before.get(name) else {
            findings.push(format!("{name} is new"));
            continue;
        };
        let kinds = [
            ("instructions", was.instructions, count.instructions),
            ("allocations", was.allocations, count.allocations),
        ];
        for (what, was, is) in kinds {
            if is * 100 > was * (100 + TOLERANCE) {
                findings.push(format!("{name}: {is} {what} where there were {was}"));
            }
        }
    }
    let gone = before.keys().filter(|name| !now.contains_key(*name));
    findings.extend(gone.map(|name| format!("{name} is no longer counted")));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(of: &[(&str, u64, u64)]) -> Counts {
        let count = |&(name, instructions, allocations): &(&str, u64, u64)| {
            let count = Count {
                instructions,
                allocations,
            };
            (name.to_owned(), count)
        };
        of.iter().map(count).collect()
    }

    #[test]
    fn more_than_a_tenth_is_refused_and_a_tenth_is_not() {
        let before = counts(&[("a", 1_000, 10), ("b", 1_000, 0)]);
        let same = counts(&[("a", 1_100, 11), ("b", 5, 0)]);
        assert_eq!(compare(&before, &same), [""; 0]);
        let grown = counts(&[("a", 1_101, 12), ("b", 1_000, 1)]);
        assert_eq!(
            compare(&before, &grown),
            [
                "a: 1101 instructions where there were 1000",
                "a: 12 allocations where there were 10",
                "b: 1 allocations where there were 0",
            ]
        );
    }

    #[test]
    fn what_is_counted_is_what_is_committed() {
        let (before, now) = (counts(&[("a", 1, 1)]), counts(&[("b", 1, 1)]));
        assert_eq!(
            compare(&before, &now),
            ["b is new", "a is no longer counted"]
        );
    }

    #[test]
    fn figures_are_read_as_they_were_written() {
        let figures = Figures {
            compiler: "rustc 1.90.0 (abc 2025-09-14) x86_64-unknown-linux-gnu".to_owned(),
            counts: counts(&[("a.b", 123_456, 7), ("c", 1, 0)]),
        };
        assert_eq!(Figures::read(&figures.write()).unwrap(), figures);
        let error = Figures::read("rustc\na 1 x\n").unwrap_err().to_string();
        assert!(error.contains("`a 1 x` is no figure"), "{error}");
    }

    #[test]
    fn the_only_option_is_bless() {
        let parse = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            Options::parse(&words)
        };
        assert_eq!(parse(&[]).unwrap(), Options { bless: false });
        assert_eq!(parse(&["--bless"]).unwrap(), Options { bless: true });
        assert!(parse(&["--bless", "x"]).is_err());
    }
}
