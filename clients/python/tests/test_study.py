"""The driver of `mpcsfaas bench study`, as the command runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mpcsfaas._pickling import decode

SOURCE = Path(__file__).parents[1] / "src"

JOBS = """
import time

print("loading")
unit = 0.01

def nap():
    print("napping")
    time.sleep(unit)

def area(width):
    return width

def leave():
    raise SystemExit(3)

def count():
    with open(__file__ + ".calls", "a") as calls:
        calls.write(".")

number = 4
"""


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    file = tmp_path / "jobs.py"
    file.write_text(JOBS)
    return file


def study(*workloads: str) -> list[dict[str, Any]]:
    """Runs the driver; returns its events."""
    ran = subprocess.run(
        [sys.executable, "-m", "mpcsfaas._study", *workloads],
        cwd=SOURCE,
        stdout=subprocess.PIPE,
        timeout=60,
        check=True,
    )
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_the_workloads_are_pickled_by_value_and_tried() -> None:
    noop, cpu, sleep = study("noop", "cpu", "sleep")
    assert [event["workload"] for event in (noop, cpu, sleep)] == ["noop", "cpu", "sleep"]
    assert decode(noop["params"]) == ((), {})
    assert decode(noop["payload"])() is None
    assert decode(cpu["payload"])() == sum(n * n for n in range(1_000))
    # It is not looked up where it came from.
    assert decode(cpu["payload"]).__module__ == "__main__"
    assert 0 < noop["computation_ms"] < cpu["computation_ms"] < 100 <= sleep["computation_ms"]
    assert cpu["calls"] > 1


def test_a_function_of_a_file_is_a_workload(jobs: Path) -> None:
    (nap,) = study(f"{jobs}:nap")
    assert (nap["event"], nap["name"]) == ("function", "nap")
    assert nap["computation_ms"] >= 10
    (count,) = study(f"{jobs}:count")
    # The first call is not counted.
    assert len(Path(f"{jobs}.calls").read_text()) == count["calls"] + 1


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("nobody", "has no `nobody`; it has nap, area, leave, count"),
        ("number", "`number` in {jobs} is no function but int"),
        ("area", "missing 1 required positional argument: 'width'"),
        ("leave", "SystemExit: 3"),
    ],
)
def test_what_cannot_be_a_workload_is_told(jobs: Path, function: str, message: str) -> None:
    *_, noop, unusable = study("noop", f"{jobs}:{function}", "cpu")
    assert (noop["event"], unusable["event"]) == ("function", "unusable")
    assert unusable["workload"] == f"{jobs}:{function}"
    assert message.format(jobs=jobs) in unusable["message"]
