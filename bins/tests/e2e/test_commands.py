"""The commands of daily use, as a person types them: run, task and demo."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from processes import BINARY, GONE_S, PYTHON, Platform, Process, eventually

from mpcsfaas import Client

JOBS = """
import os, time

def area(width, height=1):
    print("measuring")
    return width * height

def fail(message):
    print("about to fail")
    raise ValueError(message)

def leave():
    os._exit(7)

def stay(mark):
    open(mark, "w").close()
    while True:
        time.sleep(0.02)
"""

AWAY = "http://127.0.0.1:1"
NOBODY = "473ac4c2-0884-4aa5-9109-c2f98935efc3"
MODES = ["local", "pull", "push"]
WORKLOADS = ["noop", "cpu", "sleep", "raise", "print"]


class Commands:
    """Starts commands in a directory that has a file with functions."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        (platform.home / "jobs.py").write_text(JOBS)

    def start(self, name: str, *arguments: str) -> Process:
        options = ["--log", "warn"]
        if name in ("run", "demo"):
            options += ["--python", PYTHON, "--data", str(self.platform.home / "data")]
        if name in ("run", "task") and "--url" not in arguments:
            options += ["--url", self.platform.url]
        return self.platform.start(name, BINARY, name, *options, *arguments)

    def ends(self, name: str, *arguments: str) -> tuple[int, str]:
        """Exit code, and all that it printed."""
        process = self.start(name, *arguments)
        return process.exit_code(), process.log()

    def json(self, name: str, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Exit code, and the line of JSON on standard output, which is the last one."""
        code, printed = self.ends(name, *arguments, "--json")
        return code, json.loads(printed.splitlines()[-1])

    def stay(self) -> Process:
        """A run of a task that does not end; it is running."""
        mark = self.platform.home / "staying"
        process = self.start("run", "jobs.py:stay", json.dumps(str(mark)))
        eventually("it runs", mark.exists)
        return process


@pytest.fixture
def commands(platform: Platform) -> Commands:
    return Commands(platform)


@pytest.fixture
def up(platform: Platform) -> Platform:
    platform.up("local", workers=1, processes=1)
    platform.wait_until_ready()
    return platform


def test_a_function_of_a_file_runs(up: Platform, commands: Commands) -> None:
    assert commands.ends("run", "jobs.py:area", "3", "--kwargs", '{"height": 4}') == (0, "measuring\n12\n")
    code, ended = commands.json("run", "jobs.py:area", '"ab"', "2")
    assert code == 0
    assert (ended["status"], ended["result"], ended["repr"]) == ("COMPLETED", "abab", "'abab'")
    assert (ended["output"], ended["error"]) == ("measuring\n", None)

    code, task = commands.json("task", ended["task_id"])
    assert (code, task["status"], task["output"]) == (0, "COMPLETED", "measuring\n")
    code, shown = commands.ends("task", ended["task_id"], "--wait", "5")
    assert code == 0
    assert re.search(r"^ +1 .* completed$", shown, re.MULTILINE)


def test_a_failure_is_shown_with_its_traceback(up: Platform, commands: Commands) -> None:
    code, printed = commands.ends("run", "jobs.py:fail", '"no more"')
    assert code == 1
    assert printed.startswith("about to fail\n")
    assert "failed: ValueError: no more (raised)\nTraceback" in printed
    assert "raise ValueError(message)" in printed

    code, ended = commands.json("run", "jobs.py:leave")
    assert (code, ended["status"], ended["error"]["exit_code"]) == (1, "FAILED", 7)
    code, shown = commands.ends("task", ended["task_id"])
    assert code == 0
    assert "ended with code 7 (exited)" in shown


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "jobs.py"], 2, "expected FILE.py:FUNCTION"),
        (["run", "nowhere.py:area"], 2, "cannot read nowhere.py: No such file"),
        (["run", "jobs.py:volume"], 2, "has no `volume`; it has area, fail, leave, stay"),
        (["run", "jobs.py:area", "text"], 2, "a text is written '\"text\"'"),
        (["run", "jobs.py:area", "1", "--url", AWAY], 3, "start one with `mpcsfaas up`"),
        (["task", "7"], 2, "expected a task's id"),
        (["task", NOBODY], 1, f"knows no task {NOBODY}"),
        (["task", NOBODY, "--cancel"], 1, f"knows no task {NOBODY}"),
        (["task", NOBODY, "--url", AWAY], 3, "start one with `mpcsfaas up`"),
    ],
)
def test_mistakes_are_explained(
    up: Platform, commands: Commands, arguments: list[str], code: int, message: str
) -> None:
    ended, printed = commands.ends(*arguments)
    assert message in printed
    assert ended == code


@pytest.mark.parametrize("how", ["interrupt", "timeout"])
def test_a_run_that_is_given_up_cancels_its_task(up: Platform, commands: Commands, how: str) -> None:
    if how == "interrupt":
        run = commands.stay()
        run.send(signal.SIGINT)
        expected = 130
    else:
        mark = json.dumps(str(up.home / "staying"))
        run = commands.start("run", "jobs.py:stay", mark, "--timeout", "2")
        expected = 1
    assert run.exit_code() == expected
    cancelled = re.search(r"task (\S+) is cancelled$", run.log(), re.MULTILINE)
    assert cancelled, run.log()
    _, task = commands.json("task", cancelled.group(1))
    assert (task["status"], task["error"]["kind"]) == ("FAILED", "cancelled")
    # The only process there is free again.
    assert commands.ends("run", "jobs.py:area", "1")[0] == 0


def test_a_task_is_cancelled_once(up: Platform, commands: Commands) -> None:
    with Client(up.url) as client:
        task = client.submit(time.sleep, 600).id
    code, shown = commands.ends("task", task, "--wait", "0.1")
    assert (code, "after 0.1 s" in shown) == (1, True)
    assert commands.ends("task", task, "--cancel") == (0, f"task {task} is cancelled\n")
    code, printed = commands.ends("task", task, "--cancel")
    assert (code, "had ended before" in printed) == (1, True)


def test_a_run_that_is_killed_leaves_nothing(up: Platform, commands: Commands) -> None:
    run = commands.stay()
    (driver,) = run.descendants()
    run.kill()
    eventually("its Python client is gone", lambda: not driver.is_running(), within=GONE_S)


def test_the_demo_runs_everything_and_leaves_nothing(platform: Platform, commands: Commands, temporary: Path) -> None:
    code, report = commands.json("demo", "--tasks", "10")
    assert (code, report["ok"], report["wrong"]) == (0, True, [])
    rows = [(row["mode"], row["workload"], row["tasks"], row["wrong"]) for row in report["workloads"]]
    assert rows == [(mode, workload, 10, 0) for mode in MODES for workload in WORKLOADS]
    assert {row["failed_as_expected"] for row in report["workloads"] if row["workload"] == "raise"} == {10}
    assert not platform.all_alive()
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_demo_that_is_ended_leaves_nothing(
    platform: Platform, commands: Commands, temporary: Path, end: signal.Signals
) -> None:
    demo = commands.start("demo", "--tasks", "1000", "--modes", "push")
    eventually("it is in the midst of it", lambda: "noop" in demo.log())
    demo.send(end)
    if end == signal.SIGKILL:
        demo.exit_code()
        eventually("nothing is left", lambda: not platform.all_alive(), within=GONE_S)
    else:
        assert demo.exit_code() == 130
        assert "the platform has been stopped" in demo.log()
        assert not platform.all_alive()
        assert not list(temporary.iterdir())
