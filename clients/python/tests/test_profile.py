"""The driver of `mpcsfaas bench advise`, as the command runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mpcsfaas._profile import relative_error

SOURCE = Path(__file__).parents[1] / "src"

JOBS = """
import time

print("loaded as", __name__)
calls = []

def area(width, height=1):
    print("measuring")
    return width * height

def nap():
    time.sleep(0.01)

def spin():
    until = time.process_time() + 0.01
    while time.process_time() < until:
        pass

def consume(items):
    if items:
        raise ValueError("somebody was here before")
    items.append(0)

def fail(message):
    raise ValueError(message)

def fail_later():
    calls.append(0)
    if len(calls) > 3:
        raise ValueError("no more")

"""


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    file = tmp_path / "jobs.py"
    file.write_text(JOBS)
    return file


def events(file: Path, function: str, *arguments: str) -> list[dict[str, Any]]:
    """Runs the driver; returns its events, of which the last one is how it ended."""
    ran = subprocess.run(
        [sys.executable, "-m", "mpcsfaas._profile", "--seconds", "0.3", str(file), function, "--", *arguments],
        cwd=SOURCE,
        stdout=subprocess.PIPE,
        timeout=60,
        check=True,
    )
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_a_function_is_measured(jobs: Path) -> None:
    *stages, profile = events(jobs, "area", "3", "'ab'")
    assert [stage["event"] for stage in stages] == ["loading", "calling", "measuring"]
    assert profile["event"] == "profile"
    assert profile["function"] == "area"
    assert profile["runs"] >= 5
    assert 0 < profile["p50_us"] <= profile["p90_us"]
    assert profile["params_bytes"] > 0
    assert profile["result_bytes"] > len("ababab")


def test_waiting_is_told_from_working(jobs: Path) -> None:
    assert events(jobs, "nap")[-1]["busy_share"] < 0.5
    assert events(jobs, "spin")[-1]["busy_share"] > 0.5


def test_each_run_has_arguments_of_its_own(jobs: Path) -> None:
    """As on a worker: what a run does to its arguments, the next one does not see."""
    assert events(jobs, "consume", "[]")[-1]["event"] == "profile"


@pytest.mark.parametrize(
    ("function", "argument", "message"),
    [
        ("area", "three", "three is no Python literal"),
        ("area", "__import__('os')", "is no Python literal"),
        ("area", "[1,", "is no Python literal"),
        ("volume", "1", "has no `volume`; it has area"),
        ("calls", "1", "is no function but list"),
    ],
)
def test_what_cannot_be_called_is_explained(jobs: Path, function: str, argument: str, message: str) -> None:
    last = events(jobs, function, argument)[-1]
    assert last["event"] == "unusable"
    assert message in last["message"]


def test_a_result_that_cannot_travel_is_explained(jobs: Path) -> None:
    jobs.write_text("def generator():\n    yield 1\n")
    last = events(jobs, "generator")[-1]
    assert last["event"] == "unusable"
    assert "the result cannot be pickled" in last["message"]


@pytest.mark.parametrize(("function", "arguments"), [("fail", ["'no more'"]), ("fail_later", [])])
def test_an_exception_is_told_with_its_traceback(jobs: Path, function: str, arguments: list[str]) -> None:
    last = events(jobs, function, *arguments)[-1]
    assert (last["event"], last["message"]) == ("raised", "ValueError: no more")
    assert last["traceback"].splitlines()[1].endswith(f"in {function}")


def test_the_error_of_a_median_falls_with_the_number_of_runs() -> None:
    assert relative_error([100] * 5) == 0
    few, many = (relative_error([90, 100, 110] * times) for times in (2, 200))
    assert 0 <= many < few
