"""The command line.

`cargo xtask compare` calls it with the paths of what it has built and installed:

    python -m compare --binary target/release/mpcsfaas --redis-server /usr/bin/redis-server --out DIR [options]
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shlex
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from compare import course, machine, measure, report
from compare.guard import guarded
from compare.peers import PEERS, RAW, USUAL
from compare.peers.peer import HOME


def main(argv: Sequence[str] | None = None) -> int:
    """Measures under a guard, and prints the report. 130 if it is interrupted; peers' errors are in the report only."""
    options = parse(argv)
    if options.check:
        return 0
    if options.render:
        rows = [json.loads(line) for line in options.render.read_text().splitlines()]
        print(report.markdown(rows))
        return 0
    return guarded(lambda: _compare(options))


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Reads the command line, and ends the program if it makes no sense."""
    parser = argparse.ArgumentParser(
        prog="cargo xtask compare", description="Measures ours and others side by side.", allow_abbrev=False
    )
    names, tests = ",".join(PEERS), ",".join(measure.TESTS)
    parser.add_argument(
        "--peers", metavar="LIST", type=_known(PEERS), help=f"of {names}; else all but our pull and local"
    )
    parser.add_argument("--tests", metavar="LIST", type=_known(measure.TESTS), help=f"of {tests}; else all")
    parser.add_argument("--rounds", metavar="N", type=_count, default=3, help="3; a figure is the median of them")
    parser.add_argument("--tasks", metavar="N", type=_count, help="of noop and cpu; else what lasts about a second")
    parser.add_argument("--quick", action="store_true", help="one round of few tasks: whether it works, not how fast")
    parser.add_argument("--raw", action="store_true", help="only what the machine can do without any of them")
    parser.add_argument("--write", action="store_true", help="writes bench/RESULTS.md, too")
    parser.add_argument("--render", metavar="FILE", type=Path, help="measures nothing: the report of a rows.jsonl")
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--binary", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--redis-server", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if not (options.check or options.render or (options.binary and options.redis_server and options.out)):
        parser.error("it needs --binary, --redis-server and --out; `cargo xtask compare` gives them")
    return options


def _compare(options: argparse.Namespace) -> int:
    os.environ["PYTHONPATH"] = str(HOME)
    started = datetime.datetime.now().astimezone()
    plan = _plan(options, started)
    words = shlex.join(_given(options))
    about = {
        "date": f"{started:%Y-%m-%d %H:%M}",
        "command": f"cargo xtask compare {words}".strip(),
        "rounds": plan.rounds,
        "machine": machine.describe(plan.binary, plan.redis_server),
    }
    try:
        rows = course.run(plan, about)
    except KeyboardInterrupt:
        print(f"\ninterrupted; what there is lies in {plan.out}", file=sys.stderr)
        return 130
    text = report.markdown(rows)
    print(f"\n{text}\nrows and logs: {plan.out}")
    (plan.out / "report.md").write_text(text)
    if options.write:
        (HOME / "RESULTS.md").write_text(text)
    return 0


def _plan(options: argparse.Namespace, started: datetime.datetime) -> course.Plan:
    sizes = measure.QUICK if options.quick else measure.FULL
    if options.tasks:
        sizes = sizes._replace(tasks={"noop": options.tasks, "cpu": options.tasks})
    return course.Plan(
        peers=[RAW] if options.raw else options.peers or ([*USUAL, RAW] if options.tests is None else USUAL),
        tests=options.tests or list(measure.TESTS),
        rounds=1 if options.quick else options.rounds,
        sizes=sizes,
        binary=options.binary.resolve(),
        redis_server=options.redis_server.resolve(),
        out=options.out.resolve() / f"{started:%Y%m%d-%H%M%S}",
    )


def _given(options: argparse.Namespace) -> list[str]:
    """The options that a reader has to give to have the same run."""
    words: list[str] = []
    for name in ("peers", "tests"):
        if given := getattr(options, name):
            words += [f"--{name}", ",".join(given)]
    words += ["--rounds", str(options.rounds)] if options.rounds != 3 else []
    words += ["--tasks", str(options.tasks)] if options.tasks else []
    return words + [f"--{name}" for name in ("quick", "raw") if getattr(options, name)]


def _known(names: Collection[str]) -> Callable[[str], list[str]]:
    """A list of these names, without repetitions."""

    def read(text: str) -> list[str]:
        wanted = list(dict.fromkeys(text.split(",")))
        if unknown := [name for name in wanted if name not in names]:
            raise argparse.ArgumentTypeError(f"{', '.join(map(repr, unknown))} is none of {', '.join(names)}")
        return wanted

    return read


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


if __name__ == "__main__":
    sys.exit(main())
