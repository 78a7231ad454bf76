"""The driver of `mpcsfaas bench study`: pickles what the study runs, and measures it without a platform.

    python -m mpcsfaas._study noop cpu sleep jobs.py:report

Each argument is a workload: one of this file's, or FILE.py:FUNCTION. The functions are called without arguments. A
function is tried here first, alone: what it takes then is what is computed, and the rest of a task's latency is the
platform's. What it prints goes to stderr; stdout has these lines only:

    {"event": "function", "workload", "name", "payload", "params", "calls", "computation_ms"}
    {"event": "unusable", "workload", "message"}     the last line

The exit code is 0 if there is a line for each workload, or one that says why not.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Callable

from mpcsfaas._pickling import encode
from mpcsfaas._run import Report, Unusable, find, keep_stdout, load, own_traceback

# A function is called at least once, and then again until one of the two is reached.
CALLS = 201
TRYING_S = 0.5


# These reach the worker by value, because this file runs as __main__. So they use nothing of this file.


def noop() -> None:
    """The platform's own cost."""


def cpu() -> int:
    """Some microseconds of pure Python."""
    return sum(n * n for n in range(1_000))


def sleep() -> None:
    """Waits, as tasks do that call other services."""
    import time

    time.sleep(0.1)


WORKLOADS: dict[str, Callable[[], Any]] = {"noop": noop, "cpu": cpu, "sleep": sleep}


def main(argv: Sequence[str] | None = None) -> int:
    """Reports each workload in turn."""
    parser = argparse.ArgumentParser(prog="mpcsfaas bench study", description="Pickles what a study runs.")
    parser.add_argument("workloads", nargs="+")
    options = parser.parse_args(argv)
    report = Report(keep_stdout())
    for workload in options.workloads:
        try:
            report.event("function", workload=workload, **described(workload))
        except Unusable as error:
            report.event("unusable", workload=workload, message=str(error))
            return 0
    return 0


def described(workload: str) -> dict[str, Any]:
    """What the study has to know of a workload."""
    function = WORKLOADS.get(workload) or in_file(workload)
    name = str(getattr(function, "__name__", type(function).__name__))
    try:
        payload = encode(function)
    except Exception as error:  # Pickling runs code of the object's own, which may raise anything.
        raise Unusable(f"`{name}` cannot be pickled: {type(error).__name__}: {error}") from None
    times = tried(function, name)
    return {
        "name": name,
        "payload": payload,
        "params": encode(((), {})),
        "calls": len(times),
        "computation_ms": statistics.median(times) * 1e3,
    }


def in_file(workload: str) -> Callable[..., Any]:
    """A function of a file."""
    file, _, function = workload.rpartition(":")
    if not file:
        raise Unusable(f"expected FILE.py:FUNCTION or one of {', '.join(WORKLOADS)}")
    return find(load(Path(file)), function)


def tried(function: Callable[..., Any], name: str) -> list[float]:
    """How long calls took, in seconds. The first is not counted if there are others."""
    times: list[float] = []
    enough = time.monotonic() + TRYING_S
    while len(times) < CALLS and (not times or time.monotonic() < enough):
        before = time.perf_counter()
        try:
            function()
        except (Exception, SystemExit) as error:
            raise Unusable(f"`{name}` fails when it is called without arguments:\n{own_traceback(error)}") from None
        times.append(time.perf_counter() - before)
    return times[1:] or times


if __name__ == "__main__":
    sys.exit(main())
