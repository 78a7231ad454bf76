"""The driver of `mpcsfaas bench advise`: measures a function of a file in this process, and reports as JSON lines.

    python -m mpcsfaas._profile --seconds 2 jobs.py area -- 3 "'text'" "[1, 2]"

Arguments are Python literals. The function is pickled and unpickled first, and its arguments again before each run, as
a worker would, so what is measured is what a worker would run. What the file prints goes to stderr; stdout has these
lines only:

    {"event": "loading"}                          the file is loaded next
    {"event": "calling"}                          the function is called for the first time
    {"event": "measuring"}                        it came back, and is called again
    {"event": "unusable", "message"}              the file, the function, an argument, or something that is not pickled
    {"event": "raised", "message", "traceback"}   by the function
    {"event": "profile", "function", "payload", "params", "runs", "first_us", "p50_us", "p90_us", "error",
     "busy_share", "pickling_us", "function_bytes", "params_bytes", "result_bytes"}

All but the first three are the last line. "error" is half the width of the median's 95 % confidence interval, as a part
of the median. "busy_share" is the part of a run's time in which it computed or was ready to, and did not wait for
something. "pickling_us" is what it takes to unpickle the arguments and to pickle the result.
"""

from __future__ import annotations

import argparse
import ast
import codecs
import pickle
import resource
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Callable

import dill

from mpcsfaas._pickling import decode, encode
from mpcsfaas._run import Report, Unusable, find, keep_stdout, load, own_traceback

FEWEST_RUNS = 5
# Not less, so that what the system says of waiting is more than its own grain.
SHORTEST_S = 0.05
MOST_RUNS = 10_000
# The median is known well enough once its error is below this part of it.
SMALL_ERROR = 0.02
# Between two looks at the error lie as many runs as were made before, but no more than this.
LONGEST_STRETCH = 500


def main(argv: Sequence[str] | None = None) -> int:
    """Measures the function and reports."""
    parser = argparse.ArgumentParser(prog="mpcsfaas bench advise", description="Measures a function.")
    parser.add_argument("--seconds", type=float, default=2.0, help="stop after so many, whatever the spread")
    parser.add_argument("file")
    parser.add_argument("function")
    parser.add_argument("arguments", nargs="*", metavar="LITERAL")
    options = parser.parse_args(argv)
    report = Report(keep_stdout())
    try:
        arguments = [literal(text) for text in options.arguments]
        report.event("loading")
        function = find(load(Path(options.file)), options.function)
        name = str(getattr(function, "__name__", type(function).__name__))
        payload = pickled(f"`{name}`", function)
        params = pickled("the arguments", (tuple(arguments), {}))
        call = unpickled(f"`{name}`", payload)
        unpickled("the arguments", params)
        profile = measure(call, params, options.seconds, report)
    except Unusable as error:
        report.event("unusable", message=str(error))
    except Raised as error:
        report.event("raised", message=str(error), traceback=error.traceback)
    else:
        report.event("profile", function=name, payload=payload, params=params, **profile, function_bytes=size(payload))
    return 0


class Raised(Exception):
    """The function raised; the text is one line."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.traceback = own_traceback(error, __file__)


def literal(text: str) -> Any:
    """The value of a Python literal."""
    try:
        return ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise Unusable(f"{text} is no Python literal; a text is written \"'text'\"") from None


def pickled(what: str, value: object) -> str:
    """The payload of a value."""
    try:
        return encode(value)
    except Exception as error:  # Pickling runs code of the object's own, which may raise anything.
        raise Unusable(f"{what} cannot be pickled: {type(error).__name__}: {error}") from None


def unpickled(what: str, payload: str) -> Any:
    """The value of a payload."""
    try:
        return decode(payload)
    except Exception as error:
        raise Unusable(f"{what} cannot be unpickled: {type(error).__name__}: {error}") from None


def size(payload: str) -> int:
    """The bytes of a payload's pickle."""
    return len(codecs.decode(payload.encode(), "base64"))


def measure(call: Callable[..., Any], params: str, seconds: float, report: Report) -> dict[str, Any]:
    """Runs the function until its median is known well enough, or the time is over."""
    body = codecs.decode(params.encode(), "base64")
    report.event("calling")
    first, result, _ = run(call, body)
    reply = pickled("the result", result)
    report.event("measuring")
    runs: list[int] = []
    pickling: list[int] = []
    next_look = FEWEST_RUNS
    began, busy_before = time.perf_counter(), busy_seconds()
    while True:
        spent, result, unpickling = run(call, body)
        before = time.perf_counter_ns()
        dumped(result)
        pickling.append(unpickling + time.perf_counter_ns() - before)
        runs.append(spent)
        if len(runs) == MOST_RUNS or time.perf_counter() - began > seconds:
            break
        if len(runs) == next_look:
            if relative_error(runs) <= SMALL_ERROR and time.perf_counter() - began > SHORTEST_S:
                break
            next_look += min(len(runs), LONGEST_STRETCH)
    # Outside of the calls nothing waits, so all waiting is theirs.
    waited = time.perf_counter() - began - (busy_seconds() - busy_before)
    return {
        "runs": len(runs),
        "first_us": first / 1e3,
        "p50_us": statistics.median(runs) / 1e3,
        "p90_us": sorted(runs)[len(runs) * 9 // 10] / 1e3,
        "error": relative_error(runs),
        "busy_share": 1 - min(1.0, max(0.0, waited / (sum(runs) / 1e9))),
        "pickling_us": statistics.median(pickling) / 1e3,
        "params_bytes": len(body),
        "result_bytes": size(reply),
    }


def run(call: Callable[..., Any], body: bytes) -> tuple[int, Any, int]:
    """One run: nanoseconds, result, and nanoseconds of unpickling the arguments."""
    before = time.perf_counter_ns()
    args, kwargs = dill.loads(body)
    begun = time.perf_counter_ns()
    try:
        result = call(*args, **kwargs)
    except (Exception, SystemExit) as error:
        raise Raised(error) from None
    return max(1, time.perf_counter_ns() - begun), result, begun - before


def dumped(result: object) -> bytes:
    """The result's pickle, made as a worker makes it: by pickle if it can, else by dill."""
    try:
        return pickle.dumps(result, 4)
    except Exception:
        data: bytes = dill.dumps(result, protocol=4, recurse=True)
        return data


def busy_seconds() -> float:
    """For how long this process, with its ended children, has used a processor or has queued for one."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + queued_seconds() + children.ru_utime + children.ru_stime


def queued_seconds() -> float:
    """For how long the main thread has been ready to run while others ran; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def relative_error(runs: Sequence[int]) -> float:
    """Half the width of the median's 95 % confidence interval, by ranks, as a part of the median."""
    ordered = sorted(runs)
    middle, spread = len(ordered) / 2, 0.98 * len(ordered) ** 0.5
    low = ordered[max(0, int(middle - spread))]
    high = ordered[min(len(ordered) - 1, int(middle + spread))]
    return (high - low) / 2 / max(statistics.median(ordered), 1)


if __name__ == "__main__":
    sys.exit(main())
