"""The driver of `mpcsfaas demo`: runs five kinds of task, checks every result, and reports as JSON lines.

    python -m mpcsfaas._demo --url http://127.0.0.1:8000 --mode push --tasks 100 --json

Each workload's tasks are submitted by 16 threads, each of which has one task under way at a time. So a latency is what
one caller waits from submit to result, and the throughput is that of 16 such callers.

    {"event": "progress", "workload", "done", "total"}
    {"event": "wrong", "workload", "task", "task_id", "expected", "got"}
    {"event": "workload", "mode", "workload", "tasks", "failed_as_expected", "wrong", "seconds", "throughput",
     "p50_ms", "p95_ms", "p99_ms"}

Exit code 1 says that something was wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any, Callable

from mpcsfaas import Client, Function, MpcsfaasError, TaskFailed

CALLERS = 16
PROGRESS_PAUSE_S = 0.05
RESULT_TIMEOUT_S = 300.0


def main(argv: Sequence[str] | None = None) -> int:
    """Runs all workloads and returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="mpcsfaas demo", description="Runs five kinds of task and checks the results."
    )
    parser.add_argument("--url", required=True)
    parser.add_argument("--mode", default="", help="named in the report, and not otherwise used")
    parser.add_argument("--tasks", type=int, default=100, help="of each workload")
    for workload in WORKLOADS:
        parser.add_argument(
            f"--{workload.name}", type=int, metavar="N", help=f"tasks of {workload.name} ({workload.about})"
        )
    parser.add_argument("--json", action="store_true", help="report as JSON lines, not as text")
    options = parser.parse_args(argv)
    report = Report(options.mode, as_json=options.json)
    with Client(options.url) as client, ThreadPoolExecutor(CALLERS) as callers:
        for workload in WORKLOADS:
            asked = getattr(options, workload.name)
            run(workload, options.tasks if asked is None else asked, client, callers, report)
    return 1 if report.wrong else 0


@dataclass(frozen=True)
class Workload:
    """A function to run with each task's number, and what must come of it."""

    name: str
    about: str
    function: Callable[[int], Any]
    expected: Callable[[int], Any]


@dataclass(frozen=True)
class Failure:
    """A failure that is expected, or that came."""

    type: str
    message: str


@dataclass(frozen=True)
class Printed:
    """A result, and what the task printed."""

    result: Any
    output: str


# The functions reach the worker by value, because this file runs as __main__. So they use nothing of this file.


def no_op(number: int) -> None:
    """The platform's own cost."""


def sum_of_squares(number: int) -> int:
    """A millisecond or so of pure Python."""
    return sum(n * n for n in range(10_000 + number))


def nap(number: int) -> int:
    """Waits, as tasks do that call other services."""
    import time

    time.sleep(0.02)
    return number


def fail(number: int) -> None:
    """Fails as planned."""
    raise ValueError(f"planned failure {number}")


def speak(number: int) -> int:
    """Prints."""
    print(f"task {number} says hello")
    return number


WORKLOADS = (
    Workload("noop", "does nothing", no_op, no_op),
    Workload("cpu", "sum of squares", sum_of_squares, sum_of_squares),
    Workload("sleep", "20 ms", nap, lambda number: number),
    Workload("raise", "raises ValueError", fail, lambda number: Failure("ValueError", f"planned failure {number}")),
    Workload("print", "prints a line", speak, lambda number: Printed(number, f"task {number} says hello\n")),
)


class Report:
    """Writes the events; shared by nothing but the main thread."""

    def __init__(self, mode: str, *, as_json: bool) -> None:
        self.mode = mode
        self.as_json = as_json
        self.wrong = 0
        self._progress_due = 0.0

    def event(self, event: str, **values: Any) -> None:
        """One line on stdout."""
        if self.as_json:
            line = json.dumps({"event": event, **values})
        else:
            line = f"{event:9}" + "".join(f" {name}={value}" for name, value in values.items())
        print(line, flush=True)

    def progress(self, workload: str, done: int, total: int) -> None:
        """At most one line in a while, and the last."""
        now = time.monotonic()
        if now >= self._progress_due or done == total:
            self._progress_due = now + PROGRESS_PAUSE_S
            self.event("progress", workload=workload, done=done, total=total)


@dataclass(frozen=True)
class Outcome:
    """One task, as its caller saw it."""

    number: int
    task_id: str | None
    got: Any
    latency_ms: float


def run(workload: Workload, tasks: int, client: Client, callers: ThreadPoolExecutor, report: Report) -> None:
    """Runs one workload and reports on it."""
    function = client.register(workload.function, name=workload.name)
    want_output = isinstance(workload.expected(0), Printed)
    began = time.monotonic()
    futures = [callers.submit(call, function, number, want_output) for number in range(tasks)]
    latencies, wrong, failed_as_expected = [], 0, 0
    for done, future in enumerate(as_completed(futures), 1):
        outcome = future.result()
        expected = workload.expected(outcome.number)
        latencies.append(outcome.latency_ms)
        if outcome.got != expected:
            wrong += 1
            report.event(
                "wrong",
                workload=workload.name,
                task=outcome.number,
                task_id=outcome.task_id,
                expected=repr(expected),
                got=repr(outcome.got),
            )
        elif isinstance(expected, Failure):
            failed_as_expected += 1
        report.progress(workload.name, done, tasks)
    seconds = time.monotonic() - began
    report.wrong += wrong
    latencies.sort()
    report.event(
        "workload",
        mode=report.mode,
        workload=workload.name,
        tasks=tasks,
        failed_as_expected=failed_as_expected,
        wrong=wrong,
        seconds=round(seconds, 4),
        throughput=round(tasks / seconds, 1),
        p50_ms=percentile(latencies, 50),
        p95_ms=percentile(latencies, 95),
        p99_ms=percentile(latencies, 99),
    )


def call(function: Function[Any], number: int, want_output: bool) -> Outcome:
    """Runs one task and waits. Asking for its output is not part of the latency."""
    task_id = None
    began = time.monotonic()
    try:
        handle = function.submit(number)
        task_id = handle.id
        got = handle.result(RESULT_TIMEOUT_S)
    except TaskFailed as error:
        got = Failure(error.type, error.message)
    except (MpcsfaasError, TimeoutError) as error:
        got = error
    latency_ms = (time.monotonic() - began) * 1000
    if want_output and task_id is not None:
        got = Printed(got, handle.details()["output"])
    return Outcome(number, task_id, got, latency_ms)


def percentile(ordered: Sequence[float], percent: int) -> float | None:
    """The smallest value that is not below that share of all of them; None of none."""
    if not ordered:
        return None
    return round(ordered[-(-len(ordered) * percent // 100) - 1], 3)


if __name__ == "__main__":
    sys.exit(main())
