//! What the terminal shows, and what can go wrong.

use std::fmt;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Error {
    /// The command line makes no sense.
    Usage(String),
    /// A file or process could not be used.
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A process ended with a failure.
    Failed {
        /// The command.
        what: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// A process or a condition took too long.
    TimedOut {
        /// What was waited for.
        what: String,
        /// The bound.
        limit: Duration,
    },
    /// A server ended instead of serving.
    Died {
        /// Which one.
        what: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// Something that this command needs is not on the machine.
    Missing {
        /// What.
        what: &'static str,
        /// What to do about it.
        remedy: &'static str,
    },
    /// Something that fuzzing needs is not on the machine.
    CannotFuzz {
        /// What.
        what: &'static str,
        /// What to do about it.
        remedy: &'static str,
    },
    /// Inputs that violate something: the fuzz target of each, and its file.
    Violations(Vec<(String, PathBuf)>),
    /// The house rules that do not hold, one finding a line.
    Tidy(Vec<String>),
    /// Paths of the core that take more than was committed, one finding a line.
    Counts(Vec<String>),
    /// Nothing was counted or compared, and why.
    NotCounted(String),
    /// The README does not show a command that it must show.
    Readme(&'static str),
    /// The report of the load generator lacks a figure.
    NoFigure {
        /// The name of the figure.
        name: &'static str,
        /// The report.
        report: String,
    },
    /// A step of `cargo xtask test` failed.
    Step {
        /// Its name.
        name: &'static str,
        /// Why.
        cause: Box<Error>,
    },
}

impl Error {
    /// For `map_err`: an I/O error while doing `what`.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
        let what = what.into();
        move |source| Error::Io { what, source }
    }

    /// For `map_err`: an I/O error at this path.
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
        Error::io(path.display().to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Usage(what) => write!(f, "{what}; see `cargo xtask help`"),
            Error::Io { what, source } => write!(f, "{what}: {source}"),
            Error::Failed { what, status } => write!(f, "`{what}` failed: {status}"),
            Error::TimedOut { what, limit } => {
                write!(f, "{what} took longer than {} s", limit.as_secs())
            }
            Error::Died { what, status } => write!(f, "{what} ended too early: {status}"),
            Error::Missing { what, remedy } => write!(f, "{what} is missing: {remedy}"),
            Error::CannotFuzz { what, remedy } => {
                write!(f, "{what} is missing, so nothing is fuzzed: {remedy}")
            }
            Error::Violations(inputs) => {
                writeln!(f, "{} inputs violate something. Replay with", inputs.len())?;
                inputs.iter().try_for_each(|(target, file)| {
                    let file = file.display();
                    writeln!(
                        f,
                        "  cargo run --manifest-path fuzz/Cargo.toml --bin {target} -- {file}"
                    )
                })
            }
            Error::Tidy(findings) => {
                writeln!(f, "{} house rules do not hold:", findings.len())?;
                findings.iter().try_for_each(|line| writeln!(f, "  {line}"))
            }
            Error::Counts(findings) => {
                writeln!(f, "the core takes more than was committed:")?;
                findings
                    .iter()
                    .try_for_each(|line| writeln!(f, "  {line}"))?;
                write!(
                    f,
                    "if it has to be, `cargo xtask counts --bless` commits to it"
                )
            }
            Error::NotCounted(why) => write!(f, "nothing was compared: {why}"),
            Error::Readme(command) => write!(f, "README.md does not show `{command}`"),
            Error::NoFigure { name, report } => write!(f, "no `{name}` in the report: {report}"),
            Error::Step { name, cause } => write!(f, "step `{name}` failed: {cause}"),
        }
    }
}

/// Standard output, with colour only on a terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    colour: bool,
}

impl Screen {
    /// Standard output as it is.
    pub(crate) fn of_stdout() -> Screen {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Screen {
            colour: wanted && io::stdout().is_terminal(),
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// A line that begins something.
    pub(crate) fn begin(&self, text: &str) {
        println!("{}", self.paint("1;36", &format!("==> {text}")));
    }

    /// A line that ends something well.
    pub(crate) fn done(&self, text: &str) {
        println!("{}", self.paint("32", &format!("    {text}")));
    }

    /// A line in between.
    pub(crate) fn note(&self, text: &str) {
        println!("    {text}");
    }

    /// The last word of a command that failed; goes to standard error.
    pub(crate) fn failure(&self, error: &Error) {
        eprintln!("{} {error}", self.paint("1;31", "error:"));
    }

    /// The end of a server's log.
    pub(crate) fn log(&self, path: &PathBuf, lines: usize) {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        println!("    the end of {}:", path.display());
        let all: Vec<&str> = text.lines().collect();
        for line in all.iter().skip(all.len().saturating_sub(lines)) {
            println!("    | {line}");
        }
    }
}

/// Rows under a header; the first column is text, the others figures.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column heads.
    pub(crate) fn new(head: &[&str]) -> Table {
        Table {
            rows: vec![head.iter().map(|&cell| cell.to_owned()).collect()],
        }
    }

    /// Adds a row with as many cells as the head.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        assert_eq!(cells.len(), self.rows[0].len(), "one cell for each column");
        self.rows.push(cells);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            let lengths = self.rows.iter().map(|row| row[column].chars().count());
            lengths.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.rows[0].len()).map(width).collect();
        for (number, row) in self.rows.iter().enumerate() {
            write!(f, "  {:<1$}", row[0], widths[0])?;
            for (cell, width) in row.iter().zip(&widths).skip(1) {
                write!(f, "  {cell:>0$}", *width)?;
            }
            writeln!(f)?;
            if number == 0 {
                let rule = widths.iter().map(|width| width + 2).sum::<usize>();
                writeln!(f, "  {}", "-".repeat(rule - 2))?;
            }
        }
        Ok(())
    }
}

/// A duration as a person reads it: `0.42 s`, `12.3 s`, `2 min 05 s`.
pub(crate) fn human(took: Duration) -> String {
    let seconds = took.as_secs_f64();
    if seconds < 10.0 {
        format!("{seconds:.2} s")
    } else if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} min {:02} s", took.as_secs() / 60, took.as_secs() % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_aligns_text_left_and_figures_right() {
        let mut table = Table::new(&["step", "time"]);
        table.row(vec!["fmt".to_owned(), "1.20 s".to_owned()]);
        table.row(vec!["clippy".to_owned(), "12.0 s".to_owned()]);
        let expected = "  step      time\n  --------------\n  fmt     1.20 s\n  clippy  12.0 s\n";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn durations_are_readable() {
        let shown = |millis| human(Duration::from_millis(millis));
        assert_eq!(shown(420), "0.42 s");
        assert_eq!(shown(12_340), "12.3 s");
        assert_eq!(shown(125_900), "2 min 05 s");
    }
}
