"""Measuring from the command line: the load generator's loops, and the advice on a function."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
from processes import BINARY, GONE_S, PYTHON, Platform, Process, eventually, lasts

JOBS = """
import os, subprocess, time

def area(width, height=1):
    return width * height

def nap():
    time.sleep(0.02)

def fail(message):
    raise ValueError(message)

def leave():
    os._exit(7)

def stay(mark):
    child = subprocess.Popen(["sleep", "600"])
    open(mark, "w").close()
    child.wait()
"""

MODES = ["local", "pull", "push"]
AWAY = "http://127.0.0.1:1"


class Bench:
    """Starts `mpcsfaas bench` in a directory that has a file with functions."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        (platform.home / "jobs.py").write_text(JOBS)

    def start(self, kind: str, *arguments: str) -> Process:
        options = ["--log", "warn"]
        if kind == "advise":
            options += ["--python", PYTHON, "--data", str(self.platform.home / "data")]
        elif "--url" not in arguments:
            options += ["--url", self.platform.url]
        return self.platform.start("bench", BINARY, "bench", kind, *options, *arguments)

    def submitting(self, *arguments: str) -> Process:
        """An open loop that has begun: it does so when it has all of its two connections."""
        load = self.start("load", *arguments, "--json")
        itself = psutil.Process(load.pid)
        eventually("it is connected", lambda: len(itself.net_connections("tcp")) >= 2)
        return load

    def ends(self, kind: str, *arguments: str) -> tuple[int, str]:
        """Exit code, and all that it printed."""
        process = self.start(kind, *arguments)
        return process.exit_code(180), process.log()

    def json(self, kind: str, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Exit code, and the line of JSON on standard output."""
        code, printed = self.ends(kind, *arguments, "--json")
        lines = [line for line in printed.splitlines() if line.startswith("{")]
        assert len(lines) == 1, printed
        return code, json.loads(lines[0])


@pytest.fixture
def bench(platform: Platform) -> Bench:
    return Bench(platform)


@pytest.fixture
def up(platform: Platform) -> Platform:
    platform.up("local", workers=1, processes=2)
    platform.wait_until_ready()
    return platform


def test_a_closed_loop_does_a_number_of_tasks(up: Platform, bench: Bench) -> None:
    code, report = bench.json("load", "--tasks", "200", "--connections", "4")
    assert code == 0
    assert (report["completed"], report["failed"]) == (200, 0)
    assert set(report) == {
        *("completed", "failed", "seconds", "tasks_per_s"),
        *("p50_ms", "p95_ms", "p99_ms", "max_ms"),
    }


def test_an_open_loop_keeps_to_its_rate(up: Platform, bench: Bench) -> None:
    code, report = bench.json("load", "--rate", "100", "--duration", "2")
    assert code == 0
    assert (report["tasks"], report["completed"], report["failed"], report["errors"]) == (200, 200, 0, {})
    # The last task was due after 1.99 s, so no busy machine makes it quicker.
    assert report["seconds"] > 1.98
    percentiles = [report[f"{name}_ms"] for name in ("p50", "p90", "p99", "p999", "max")]
    assert percentiles == sorted(percentiles)
    assert report["max_ms"] >= report["service"]["max_ms"] > 0
    assert report["describes"] in ("platform", "generator", "connections", "overload")

    code, shown = bench.ends("load", "--rate", "100", "--duration", "0.5", "--connections", "8")
    assert code == 0
    assert re.search(r"p50 ms +p90 ms +p99 ms +p99.9 ms +max ms", shown)
    assert "latency, from when it was due" in shown
    assert "These latencies describe " in shown


def test_a_platform_that_stands_still_shows_in_the_latencies(up: Platform, bench: Bench) -> None:
    """Also in those of tasks that a closed loop would not even have submitted."""
    load = bench.submitting("--rate", "100", "--duration", "4", "--connections", "2")
    whole = next(process for process in up.processes if process.name == "up-1")
    whole.pause()
    lasts(1.0)
    whole.resume()
    assert load.exit_code() == 0, load.log()
    report = json.loads(load.log().splitlines()[-1])
    assert report["completed"] == 400
    assert report["max_ms"] > 900
    # A tenth of all tasks was due in the first 0.4 s of it, and so had to wait for 0.6 s.
    assert report["p90_ms"] > 500
    assert report["submissions_that_waited"] > 50


def test_a_platform_that_is_gone_is_counted_by_kind(up: Platform, bench: Bench) -> None:
    load = bench.submitting("--rate", "100", "--duration", "4", "--connections", "2")
    next(process for process in up.processes if process.name == "up-1").kill()
    assert load.exit_code() == 1
    assert "tasks failed or gave a wrong result" in load.log()
    report = json.loads(next(line for line in load.log().splitlines() if line.startswith("{")))
    assert report["completed"] + sum(report["errors"].values()) == 400
    assert report["errors"]["no_connection"] > 0


@pytest.mark.parametrize("arguments", [["--rate", "200", "--duration", "1"], ["--tasks", "200"]])
def test_batches_run_or_are_told_to_be_unknown(up: Platform, bench: Bench, arguments: list[str]) -> None:
    process = bench.start("load", *arguments, "--batch", "20", "--json")
    code, printed = process.exit_code(), process.log()
    if "no batch endpoint" in printed:
        assert (code, printed.count("\n")) == (1, 1)
    else:
        report = json.loads(printed.splitlines()[-1])
        assert (code, report["completed"], report["failed"]) == (0, 200, 0)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["load", "--rate", "0"], 2, "more than 0"),
        (["load", "--rate", "nan"], 2, "more than 0"),
        (["load", "--duration", "5"], 2, "--rate"),
        (["load", "--rate", "5", "--tasks", "7"], 2, "cannot be used with"),
        (["load", "--batch", "1001"], 2, "1001 is not in 1..=1000"),
        (["load", "--rate", "0.1", "--duration", "1", "--url", AWAY], 1, "there is not one task in 1 s"),
        (["load", "--rate", "5", "--url", AWAY], 1, "no connection to http://127.0.0.1:1"),
        (["advise", "jobs.py"], 2, "expected FILE.py:FUNCTION"),
        (["advise", "nowhere.py:area"], 2, "cannot read nowhere.py: No such file"),
        (["advise", "jobs.py:volume"], 2, "has no `volume`; it has area, nap, fail, leave, stay"),
        (["advise", "jobs.py:area", "three"], 2, "three is no Python literal"),
        (["advise", "jobs.py:fail", "'no more'"], 1, "raised ValueError: no more\nTraceback"),
        (["advise", "jobs.py:leave"], 1, "ended with exit status: 7"),
        (["advise", "jobs.py:area", "1", "--limit", "0"], 2, "more than 0"),
    ],
)
def test_mistakes_are_explained(
    platform: Platform, bench: Bench, temporary: Path, arguments: list[str], code: int, message: str
) -> None:
    ended, printed = bench.ends(*arguments)
    assert message in printed
    assert "mode, " not in printed, "no platform was started"
    assert ended == code
    assert not list(temporary.iterdir())


def test_a_function_that_takes_too_long_is_given_up(platform: Platform, bench: Bench, temporary: Path) -> None:
    mark = str(platform.home / "staying")
    code, printed = bench.ends("advise", "jobs.py:stay", repr(mark), "--limit", "2")
    assert code == 1
    assert "a call of the function did not end within 2 s; --limit sets another limit" in printed
    assert not platform.all_alive()
    assert not list(temporary.iterdir())


def test_advice_has_a_figure_for_each_setting(platform: Platform, bench: Bench, temporary: Path) -> None:
    code, report = bench.json("advise", "jobs.py:area", "3", "'ab'")
    assert code == 0
    assert report["profile"]["function"] == "area"
    assert report["profile"]["result_bytes"] > len("ababab")
    assert [measured["mode"] for measured in report["measured"][:3]] == MODES
    assert all(measured["tasks_per_s"] > 0 for measured in report["measured"])
    advice = {advice["setting"]: advice for advice in report["advice"]}
    assert set(advice) - {"batch"} == {"mode", "processes", "items_per_task"}
    assert ("batch" in advice) == any(measured["batches"] for measured in report["measured"])
    assert all(re.search(r"\d", advice["why"]) for advice in report["advice"])
    # A multiplication is no work for a task of its own.
    assert int(advice["items_per_task"]["value"]) > 10
    assert report["command"].startswith(f"mpcsfaas up --mode {advice['mode']['value']} --workers 1 --processes ")
    assert not platform.all_alive()
    assert not at_work_in(temporary)
    assert not list(temporary.iterdir())


def test_a_function_that_waits_is_given_more_processes(platform: Platform, bench: Bench) -> None:
    code, shown = bench.ends("advise", "jobs.py:nap", "--modes", "local")
    assert code == 0
    advised = re.search(r"^ *processes +(\d+) +it waits for \d+ % of its time; \1 do", shown, re.MULTILINE)
    assert advised, shown
    assert int(advised.group(1)) > 2
    assert re.search(r"^ *mode +local ", shown, re.MULTILINE)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("when", ["by itself", "on a platform"])
def test_an_advice_that_is_ended_leaves_nothing(
    platform: Platform, bench: Bench, temporary: Path, end: signal.Signals, when: str
) -> None:
    if when == "by itself":
        mark = platform.home / "staying"
        advise = bench.start("advise", "jobs.py:stay", repr(str(mark)), "--limit", "600")
        eventually("it runs", mark.exists)
    else:
        advise = bench.start("advise", "jobs.py:nap", "--modes", "push")
        # It drops the mark of the tests from the environment of its platform.
        eventually("workers have their processes", lambda: len(advise.descendants()) > 5)
    started = advise.descendants()
    assert len(started) >= 2
    advise.send(end)
    assert advise.exit_code() == (130 if end != signal.SIGKILL else -signal.SIGKILL)
    eventually("nothing is left", lambda: not any(alive(process) for process in started), within=GONE_S)
    assert not platform.all_alive()
    if end != signal.SIGKILL:
        assert "nothing is left running" in advise.log()
        assert not list(temporary.iterdir())


def alive(process: psutil.Process) -> bool:
    """Whether it is there, and not only its exit code."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def at_work_in(directory: Path) -> list[psutil.Process]:
    """Platforms whose data is there."""
    everything = psutil.process_iter(["cmdline"])
    return [process for process in everything if str(directory) in " ".join(process.info["cmdline"] or [])]
