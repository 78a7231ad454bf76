"""Rounds over peers. Each peer has a fresh process in each round, and all that need one share a Redis, emptied before.

The rounds are interleaved, so that a machine that gets slower meanwhile gets slower for everybody, and each begins with
another peer, so that nobody always comes after the same one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from compare import children, measure
from compare.guard import GRACE_S
from compare.measure import Sizes
from compare.peers import RAW

# How long one peer may take in one round.
TRIAL_S = 600.0

Row = dict[str, Any]


class Plan(NamedTuple):
    """What is measured, and with what."""

    peers: Sequence[str]
    tests: Sequence[str]
    rounds: int
    sizes: Sizes
    binary: Path
    redis_server: Path
    # A new folder: rows.jsonl, and the logs of each peer in each round.
    out: Path


def run(plan: Plan, about: Row) -> list[Row]:
    """Measures everything, and answers the rows, `about` first. They are in `rows.jsonl` as soon as they are known."""
    logs = plan.out / "logs"
    logs.mkdir(parents=True)
    port = children.free_port()
    os.environ["COMPARE_REDIS"] = f"redis://127.0.0.1:{port}/0"
    server = children.redis_server(plan.redis_server, port, logs)
    try:
        with (plan.out / "rows.jsonl").open("w") as file:
            return _Course(plan, port, file).rows(about)
    finally:
        server.stop()


def order(peers: Sequence[str], number: int) -> list[str]:
    """The peers of a round (from 0): each round begins one further."""
    first = number % len(peers)
    return [*peers[first:], *peers[:first]]


class _Course:
    def __init__(self, plan: Plan, port: int, file: TextIO) -> None:
        self._plan = plan
        self._port = port
        self._file = file
        self._rows: list[Row] = []
        # How many tasks a peer has in a test, from its first round on.
        self._tasks: dict[str, dict[str, int]] = {}

    def rows(self, about: Row) -> list[Row]:
        self._keep(about)
        plan = self._plan
        for number in range(plan.rounds):
            for place, peer in enumerate(order(plan.peers, number), 1):
                where = f"round {number + 1}/{plan.rounds}, {place}/{len(plan.peers)}  {peer:18}"
                for row in self._trials(peer, number + 1, where):
                    self._keep({"peer": peer, "round": number + 1, **row})
        return self._rows

    def _keep(self, row: Row) -> None:
        self._rows.append(row)
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()

    def _trials(self, peer: str, number: int, where: str) -> Iterator[Row]:
        """One peer in one round: one process for the tests with two workers, one for those with more."""
        wanted = [RAW] if peer == RAW else self._plan.tests
        for processes in sorted({measure.processes(test) for test in wanted}):
            tests = [test for test in wanted if measure.processes(test) == processes]
            yield from self._trial(peer, number, tests, processes, _Progress(where))

    def _trial(self, peer: str, number: int, tests: list[str], processes: int, progress: _Progress) -> Iterator[Row]:
        scratch = self._plan.out / "logs" / f"{number}-{peer}-{processes}"
        scratch.mkdir()
        children.ask_redis(self._port, "FLUSHALL")
        tasks = self._tasks.setdefault(peer, {})
        sizes = {**self._plan.sizes._asdict(), "tasks": {**tasks, **self._plan.sizes.tasks}}
        arguments = ["--peer", peer, "--tests", ",".join(tests), "--processes", processes, "--sizes", json.dumps(sizes)]
        for row in trial_rows([*arguments, "--binary", self._plan.binary, "--scratch", scratch], scratch / "trial.log"):
            if "begin" in row:
                progress.now(row["begin"])
                continue
            if "ended" in row:
                return
            if "per_s" in row:
                tasks[row["test"]] = row["n"]
            progress.result(row)
            yield row
        row = {"processes": processes, "error": f"its process died, or took over {TRIAL_S:.0f} s; see {scratch}"}
        progress.result(row)
        yield row


def trial_rows(arguments: Sequence[object], log: Path) -> Iterator[Row]:
    """What a trial says, until it has ended or its time is over."""
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "compare.trial", "--report-fd", writing, *arguments]
    with log.open("wb") as output:
        trial = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[writing],
            start_new_session=True,
        )
    os.close(writing)
    # The report ends when the trial's guard does, and that is told to end if the trial takes too long.
    limit = threading.Timer(TRIAL_S, trial.terminate)
    limit.start()
    try:
        with open(reading) as report:
            for line in report:
                yield json.loads(line)
    finally:
        limit.cancel()
        trial.terminate()
        try:
            trial.wait(GRACE_S + 5)
        except subprocess.TimeoutExpired:
            trial.kill()
            trial.wait()


class _Progress:
    """Says on the terminal what is done and what came out; without one, only what came out."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._transient = sys.stdout.isatty()

    def now(self, what: str) -> None:
        if self._transient:
            print(f"\r\x1b[K{self._where}  {what} ...", end="", flush=True)

    def result(self, row: Row) -> None:
        if "about" in row:
            return
        cleared = "\r\x1b[K" if self._transient else ""
        skipped = ("test", "processes", "load", "max_ms", "sent_late_ms")
        shown = row.get("error") or "  ".join(f"{name} {value:,}" for name, value in row.items() if name not in skipped)
        print(f"{cleared}{self._where}  {row.get('test', ''):8}  {shown}", flush=True)
